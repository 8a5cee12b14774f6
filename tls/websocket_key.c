#include "tls/websocket_key.h"

#include <openssl/evp.h>
#include <string.h>

#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define SHA1_BYTES 20
#define ACCEPT_BYTES 28

void websocket_key(const uint64_t nonce[2], char text[WEBSOCKET_KEY_BYTES + 1])
{
    EVP_EncodeBlock((unsigned char *)text, (const unsigned char *)nonce, 16);
}

bool websocket_accepts(const char *key, size_t key_bytes, const char *accept, size_t accept_bytes)
{
    unsigned char text[WEBSOCKET_KEY_BYTES + sizeof GUID], digest[EVP_MAX_MD_SIZE];
    unsigned char expected[ACCEPT_BYTES + 1];
    if (key_bytes != WEBSOCKET_KEY_BYTES || accept_bytes != ACCEPT_BYTES) {
        return false;
    }
    memcpy(text, key, WEBSOCKET_KEY_BYTES);
    memcpy(text + WEBSOCKET_KEY_BYTES, GUID, sizeof GUID - 1);
    if (EVP_Digest(text, WEBSOCKET_KEY_BYTES + sizeof GUID - 1, digest, NULL, EVP_sha1(), NULL) !=
        1) {
        return false;
    }
    EVP_EncodeBlock(expected, digest, SHA1_BYTES);
    return memcmp(expected, accept, ACCEPT_BYTES) == 0;
}
