/*
 * How far a run of allowed bytes goes: the inner loops of the HTTP/1.x parser, 16 bytes a step.
 *
 * Owns nothing. Thread: any. Errors: none; a scan ends at the first byte that is not allowed, or at `end`. Every scan
 * may read the 16 bytes before `end`, which must belong to the input, and nothing at or beyond it. The portable twin of
 * each is always compiled; tests hold one against the other. Spec: RFC 9110 5.5, 5.6.2, RFC 9112 3.2.
 */
#ifndef EVENKEEL_PROXY_H1_SCAN_H
#define EVENKEEL_PROXY_H1_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define H1_SCAN_STEP_BYTES 16

enum h1_char {
    H1_CHAR_TOKEN = 1 << 0,  /* tchar (RFC 9110 5.6.2) */
    H1_CHAR_PLAIN = 1 << 1,  /* letter, digit, "-" or ".": a subset of token and host characters */
    H1_CHAR_VALUE = 1 << 2,  /* field-vchar, SP and HTAB (RFC 9110 5.5) */
    H1_CHAR_TARGET = 1 << 3, /* visible ASCII but "#" */
    H1_CHAR_HOST = 1 << 4,   /* of a reg-name, but "%" and "," */
    H1_CHAR_HEX = 1 << 5,
};

/* enum h1_char bits of each byte. */
extern const uint8_t h1_chars[256];

static inline bool h1_char_is(char byte, enum h1_char kinds)
{
    return (h1_chars[(unsigned char)byte] & kinds) != 0;
}

/* How long the run of bytes of this kind is at `at`. */
static inline const char *h1_scan_portable(const char *at, const char *end, enum h1_char kind)
{
    while (at < end && h1_char_is(*at, kind))
        at++;
    return at;
}

static inline const char *h1_scan_token(const char *at, const char *end)
{
    return h1_scan_portable(at, end, H1_CHAR_TOKEN);
}

#ifdef __SSE2__

/* The classifiers: a bit per byte that is not of the kind. Bytes compare as signed, so those above 0x7f are below 0. */
static inline unsigned h1_outside_value(__m128i bytes)
{
    __m128i above = _mm_max_epu8(bytes, _mm_set1_epi8(0x20)); /* itself, unless a control */
    __m128i tab = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\t'));
    __m128i del = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f));
    __m128i inside = _mm_or_si128(_mm_cmpeq_epi8(above, bytes), tab);
    return (unsigned)_mm_movemask_epi8(_mm_andnot_si128(del, inside)) ^ 0xffff;
}

static inline unsigned h1_outside_target(__m128i bytes)
{
    __m128i visible = _mm_cmpgt_epi8(bytes, _mm_set1_epi8(0x20));
    __m128i del = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f));
    __m128i hash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('#'));
    return (unsigned)_mm_movemask_epi8(_mm_andnot_si128(_mm_or_si128(del, hash), visible)) ^ 0xffff;
}

static inline unsigned h1_outside_plain(__m128i bytes)
{
    /* Letters: (byte | 0x20) - 'a' below 26; the subtraction is biased to make the signed comparison an unsigned one. */
    __m128i lower = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
    __m128i letter = _mm_cmplt_epi8(_mm_add_epi8(lower, _mm_set1_epi8((char)(-'a' - 128))),
                                    _mm_set1_epi8(-128 + 26));
    __m128i digit = _mm_cmplt_epi8(_mm_add_epi8(bytes, _mm_set1_epi8((char)(-'0' - 128))),
                                   _mm_set1_epi8(-128 + 10));
    __m128i punctuation = _mm_cmplt_epi8(_mm_add_epi8(bytes, _mm_set1_epi8((char)(-'-' - 128))),
                                         _mm_set1_epi8(-128 + 2)); /* "-" and "." */
    __m128i inside = _mm_or_si128(_mm_or_si128(letter, digit), punctuation);
    return (unsigned)_mm_movemask_epi8(inside) ^ 0xffff;
}

/* The last step takes the 16 bytes before the end again and looks at those not seen yet. */
#define H1_SCAN_SIMD(name)                                                              \
    static inline const char *h1_scan_##name(const char *at, const char *end)           \
    {                                                                                   \
        for (; end - at >= H1_SCAN_STEP_BYTES; at += H1_SCAN_STEP_BYTES) {              \
            unsigned outside = h1_outside_##name(_mm_loadu_si128((const __m128i *)at)); \
            if (outside)                                                                \
                return at + __builtin_ctz(outside);                                     \
        }                                                                               \
        const char *last = end - H1_SCAN_STEP_BYTES;                                    \
        unsigned outside = h1_outside_##name(_mm_loadu_si128((const __m128i *)last));   \
        outside >>= at - last;                                                          \
        return outside ? at + __builtin_ctz(outside) : end;                             \
    }

H1_SCAN_SIMD(value)
H1_SCAN_SIMD(target)
H1_SCAN_SIMD(plain)

#else

static inline const char *h1_scan_value(const char *at, const char *end)
{
    return h1_scan_portable(at, end, H1_CHAR_VALUE);
}

static inline const char *h1_scan_target(const char *at, const char *end)
{
    return h1_scan_portable(at, end, H1_CHAR_TARGET);
}

static inline const char *h1_scan_plain(const char *at, const char *end)
{
    return h1_scan_portable(at, end, H1_CHAR_PLAIN);
}

#endif

#endif
