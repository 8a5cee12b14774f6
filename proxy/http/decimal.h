/*
 * Unsigned numbers as decimal digits.
 *
 * Owns nothing. Thread: any.
 */
#ifndef EVENKEEL_PROXY_HTTP_DECIMAL_H
#define EVENKEEL_PROXY_HTTP_DECIMAL_H

#include <stdint.h>
#include <string.h>

#define DECIMAL_BYTES 20

extern const char decimal_pairs[201];

/* Writes the digits so that they end at space + DECIMAL_BYTES; returns where they begin. */
static inline char *decimal_of(char space[DECIMAL_BYTES], uint64_t value)
{
    char *at = space + DECIMAL_BYTES;
    /* two digits at a time */
    for (; value >= 10; value /= 100) {
        memcpy(at -= 2, decimal_pairs + value % 100 * 2, 2);
    }
    if (value != 0 || at == space + DECIMAL_BYTES) {
        *--at = (char)('0' + value);
    }
    return at;
}

#endif
