/* SHA-1 by OpenSSL. */
#include "tls/sha1.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

bool sha1_text(const char *text, char ret_text[SHA1_TEXT_BYTES])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned bytes = 0;
    if (EVP_Digest(text, strlen(text), digest, &bytes, EVP_sha1(), NULL) != 1 ||
        bytes * 2 + 1 != SHA1_TEXT_BYTES) {
        return false;
    }
    for (unsigned i = 0; i < bytes; i++) {
        snprintf(ret_text + 2 * i, 3, "%02x", digest[i]);
    }
    return true;
}
