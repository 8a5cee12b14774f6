/*
 * Seal: bytes that only the holder of a key can read or make (AES-256-GCM).
 *
 * Owns nothing. Thread: any. Errors: enum seal_result. Spec: NIST SP 800-38D. The nonce is random: one key is good for some 2^32
 * seals, so for centuries of one every few seconds.
 */
#ifndef EVENKEEL_TLS_SEAL_H
#define EVENKEEL_TLS_SEAL_H

#include <stddef.h>
#include <stdint.h>

#include "steady/enum_names.h"

#define SEAL_KEY_BYTES 32
#define SEAL_NONCE_BYTES 12
#define SEAL_TAG_BYTES 16
/* What sealing adds. */
#define SEAL_EXTRA_BYTES (SEAL_NONCE_BYTES + SEAL_TAG_BYTES)

struct seal_key {
    uint8_t bytes[SEAL_KEY_BYTES];
};

/* With SEAL_KEY_UNREADABLE errno says why. */
#define SEAL_RESULTS(X)                                                                       \
    X(SEAL_OK, "ok")                                                                          \
    X(SEAL_KEY_UNREADABLE, "the key file cannot be read")                                     \
    X(SEAL_KEY_EXPOSED, "other users may read the key file")                                  \
    X(SEAL_KEY_MALFORMED, "the key file contains neither 32 bytes nor 64 hexadecimal digits") \
    X(SEAL_BROKEN, "another key, or the bytes have been changed")                             \
    X(SEAL_ERROR, "no memory or randomness")

enum seal_result { ENUM_VALUES(SEAL_RESULTS) };
const char *seal_result_name(enum seal_result value);

/* From a file: 32 bytes, or 64 hexadecimal digits and a line end. */
__attribute__((warn_unused_result)) enum seal_result seal_key_load(const char *path,
                                                                   struct seal_key *ret_key);
/* For when it is no longer needed. */
void seal_key_forget(struct seal_key *key);

/* `sealed` has room for length + SEAL_EXTRA_BYTES. `beside` is not hidden, but cannot be changed either. */
__attribute__((warn_unused_result)) enum seal_result seal_close(const struct seal_key *key,
                                                                const void *beside,
                                                                size_t beside_bytes,
                                                                const void *bytes, size_t length,
                                                                uint8_t *sealed);
/* `bytes` has room for sealed_bytes - SEAL_EXTRA_BYTES, which must not be negative. */
__attribute__((warn_unused_result)) enum seal_result seal_open(const struct seal_key *key,
                                                               const void *beside,
                                                               size_t beside_bytes,
                                                               const uint8_t *sealed,
                                                               size_t sealed_bytes, void *bytes);

#endif
