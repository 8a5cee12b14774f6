/*
 * Tokens: names that tell nothing about what they name, and that only the holder of a key can make (HMAC-SHA256, cut to
 * 128 bits).
 *
 * Owns nothing. Thread: any. Errors: false, no memory. Spec: RFC 2104; RFC 4648 5 (base64url, without padding).
 */
#ifndef EVENKEEL_TLS_TOKEN_H
#define EVENKEEL_TLS_TOKEN_H

#include <stdbool.h>

#include "tls/seal.h"

#define TOKEN_BYTES 22
/* With the NUL behind it. */
#define TOKEN_TEXT_BYTES (TOKEN_BYTES + 1)

/* The token of a text. */
__attribute__((warn_unused_result)) bool token_make(const struct seal_key *key, const char *text,
                                                    char ret_token[TOKEN_TEXT_BYTES]);

/* A new key. False: no random numbers. */
__attribute__((warn_unused_result)) bool token_key_make(struct seal_key *ret_key);

#endif
