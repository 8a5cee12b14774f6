/*
 * SHA-1 of a text in hexadecimal digits, by which stores of the Redis protocol name scripts. It secures nothing.
 *
 * Owns nothing. Thread: any. Errors: false: the library has no SHA-1. Spec: FIPS 180-4.
 */
#ifndef EVENKEEL_TLS_SHA1_H
#define EVENKEEL_TLS_SHA1_H

#include <stdbool.h>

/* With the NUL behind it. */
#define SHA1_TEXT_BYTES 41

__attribute__((warn_unused_result)) bool sha1_text(const char *text,
                                                   char ret_text[SHA1_TEXT_BYTES]);

#endif
