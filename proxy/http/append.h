/*
 * Appending to a space that is known to be large enough: each function returns where it stopped.
 *
 * Owns nothing. Thread: any. Errors: none; the caller has compared the length of everything that it appends with the
 * room.
 */
#ifndef EVENKEEL_PROXY_HTTP_APPEND_H
#define EVENKEEL_PROXY_HTTP_APPEND_H

#include <stddef.h>
#include <string.h>

#include "proxy/http/decimal.h"

/* Inline, so that texts of known length become a move or two. */
static inline char *append(char *at, const char *bytes, size_t length)
{
    memcpy(at, bytes, length);
    return at + length;
}
#define append_literal(at, text) append((at), (text), sizeof text - 1)

/* Appends at most DECIMAL_BYTES. */
static inline char *append_uint(char *at, uint64_t value)
{
    char digits[DECIMAL_BYTES];
    const char *begin = decimal_of(digits, value);
    return append(at, begin, (size_t)(digits + DECIMAL_BYTES - begin));
}

#endif
