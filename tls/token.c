/* HMAC-SHA256 by OpenSSL, in base64url. */
#include "tls/token.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <string.h>

#define MAC_BYTES 32
#define KEPT_BYTES 16

/* Of six bits each, the last one of two. */
static void write_base64url(const unsigned char bytes[KEPT_BYTES + 1], char text[TOKEN_TEXT_BYTES])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for (unsigned i = 0; i < TOKEN_BYTES; i++) {
        unsigned at = 6 * i / 8, shift = 10 - 6 * i % 8;
        unsigned pair = (unsigned)bytes[at] << 8 | bytes[at + 1];
        text[i] = digits[pair >> shift & 63];
    }
    text[TOKEN_BYTES] = '\0';
}

bool token_make(const struct seal_key *key, const char *text, char ret_token[TOKEN_TEXT_BYTES])
{
    unsigned char mac[MAC_BYTES];
    unsigned mac_bytes = sizeof mac;
    if (HMAC(EVP_sha256(), key->bytes, sizeof key->bytes, (const unsigned char *)text, strlen(text),
             mac, &mac_bytes) == NULL) {
        return false;
    }
    mac[KEPT_BYTES] = 0;
    write_base64url(mac, ret_token);
    return true;
}

bool token_key_make(struct seal_key *ret_key)
{
    return RAND_priv_bytes(ret_key->bytes, sizeof ret_key->bytes) == 1;
}
