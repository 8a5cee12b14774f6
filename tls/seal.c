/* AES-256-GCM by OpenSSL. */
#include "tls/seal.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "steady/descriptor.h"
#include "steady/enum_names.h"

ENUM_NAME_FUNCTION(seal_result_name, enum seal_result, SEAL_RESULTS)

static int digit(char byte)
{
    if (byte >= '0' && byte <= '9') {
        return byte - '0';
    }
    byte = (char)tolower((unsigned char)byte);
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

static bool key_parse(const char *text, size_t length, struct seal_key *ret_key)
{
    struct seal_key key;
    if (length == SEAL_KEY_BYTES) {
        memcpy(ret_key->bytes, text, SEAL_KEY_BYTES);
        return true;
    }
    size_t digits = (size_t)2 * SEAL_KEY_BYTES;
    if (length < digits || length > digits + 2 ||
        strspn(text + digits, "\r\n") != length - digits) {
        return false;
    }
    for (size_t i = 0; i < SEAL_KEY_BYTES; i++) {
        int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        key.bytes[i] = (uint8_t)(high << 4 | low);
    }
    *ret_key = key;
    seal_key_forget(&key);
    return true;
}

enum seal_result seal_key_load(const char *path, struct seal_key *ret_key)
{
    char text[2 * SEAL_KEY_BYTES + 8] = "";
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return SEAL_KEY_UNREADABLE;
    }
    ssize_t length = fstat(fd, &status) == 0 ? read(fd, text, sizeof text - 1) : -1;
    close_keeping_errno(fd);
    if (length < 0) {
        return SEAL_KEY_UNREADABLE;
    }
    if ((status.st_mode & S_IROTH) != 0) {
        return SEAL_KEY_EXPOSED;
    }
    bool good = key_parse(text, (size_t)length, ret_key);
    OPENSSL_cleanse(text, sizeof text);
    return good ? SEAL_OK : SEAL_KEY_MALFORMED;
}

void seal_key_forget(struct seal_key *key)
{
    OPENSSL_cleanse(key->bytes, sizeof key->bytes);
}

static bool seal_encrypt(EVP_CIPHER_CTX *cipher, const struct seal_key *key, const void *beside,
                         size_t beside_bytes, const void *bytes, size_t length, uint8_t *sealed)
{
    int done = 0, rest = 0;
    uint8_t *out = sealed + SEAL_NONCE_BYTES;
    return RAND_bytes(sealed, SEAL_NONCE_BYTES) == 1 &&
           EVP_EncryptInit_ex(cipher, EVP_aes_256_gcm(), NULL, key->bytes, sealed) == 1 &&
           EVP_EncryptUpdate(cipher, NULL, &done, beside, (int)beside_bytes) == 1 &&
           EVP_EncryptUpdate(cipher, out, &done, bytes, (int)length) == 1 &&
           EVP_EncryptFinal_ex(cipher, out + done, &rest) == 1 && done + rest == (int)length &&
           EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, SEAL_TAG_BYTES, out + length) == 1;
}

enum seal_result seal_close(const struct seal_key *key, const void *beside, size_t beside_bytes,
                            const void *bytes, size_t length, uint8_t *sealed)
{
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    bool good = cipher != NULL && length <= INT_MAX / 2 && beside_bytes <= INT_MAX / 2 &&
                seal_encrypt(cipher, key, beside, beside_bytes, bytes, length, sealed);
    EVP_CIPHER_CTX_free(cipher);
    ERR_clear_error();
    return good ? SEAL_OK : SEAL_ERROR;
}

static bool seal_decrypt(EVP_CIPHER_CTX *cipher, const struct seal_key *key, const void *beside,
                         size_t beside_bytes, const uint8_t *sealed, size_t length, uint8_t *bytes)
{
    int done = 0, rest = 0;
    const uint8_t *in = sealed + SEAL_NONCE_BYTES;
    uint8_t tag[SEAL_TAG_BYTES];
    memcpy(tag, in + length, sizeof tag);
    return EVP_DecryptInit_ex(cipher, EVP_aes_256_gcm(), NULL, key->bytes, sealed) == 1 &&
           EVP_DecryptUpdate(cipher, NULL, &done, beside, (int)beside_bytes) == 1 &&
           EVP_DecryptUpdate(cipher, bytes, &done, in, (int)length) == 1 &&
           EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, SEAL_TAG_BYTES, tag) == 1 &&
           EVP_DecryptFinal_ex(cipher, bytes + done, &rest) == 1;
}

enum seal_result seal_open(const struct seal_key *key, const void *beside, size_t beside_bytes,
                           const uint8_t *sealed, size_t sealed_bytes, void *bytes)
{
    size_t length = sealed_bytes - SEAL_EXTRA_BYTES;
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    if (cipher == NULL || length > INT_MAX / 2 || beside_bytes > INT_MAX / 2) {
        EVP_CIPHER_CTX_free(cipher);
        return SEAL_ERROR;
    }
    bool good = seal_decrypt(cipher, key, beside, beside_bytes, sealed, length, bytes);
    EVP_CIPHER_CTX_free(cipher);
    ERR_clear_error();
    return good ? SEAL_OK : SEAL_BROKEN;
}
