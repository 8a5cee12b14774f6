/*
 * How far a run of allowed bytes goes: the inner loops of the HTTP/1.x parser, by vector where there are vectors.
 *
 * Owns nothing. Thread: any. Errors: none. A step looks at up to 32 bytes, all of which must be readable, and returns how
 * many of them come before the first one that is not of its kind; a NUL is of no kind. The portable twin of each is
 * always compiled; tests hold the others against it. Spec: RFC 9110 5.5, 5.6.2, RFC 9112 3.2.
 */
#ifndef EVENKEEL_PROXY_HTTP1_H1_SCAN_H
#define EVENKEEL_PROXY_HTTP1_H1_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/http/field_names.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif

#define H1_SCAN_BYTES 32 /* the most that a step reads */

enum h1_char {
    H1_CHAR_TOKEN = 1 << 0,  /* tchar (RFC 9110 5.6.2) */
    H1_CHAR_PLAIN = 1 << 1,  /* letter, digit or "-": what most names are made of */
    H1_CHAR_DOTTED = 1 << 6, /* PLAIN or ".": what most hosts are made of */
    H1_CHAR_VALUE = 1 << 2,  /* field-vchar, SP and HTAB (RFC 9110 5.5) */
    H1_CHAR_TEXT = 1 << 3,   /* VALUE without HTAB: what steps know; a tab is the exception */
    H1_CHAR_TARGET = 1 << 4, /* visible ASCII but "#" */
    H1_CHAR_HOST = 1 << 5,   /* of a reg-name, but "%" and "," */
};

/* enum h1_char bits of each byte. */
extern const uint8_t h1_chars[256];

static inline bool h1_char_is(char byte, enum h1_char kinds)
{
    return (h1_chars[(unsigned char)byte] & kinds) != 0;
}

/* Where the run of bytes of this kind that begins at `at` ends. */
static inline const char *h1_scan(const char *at, const char *end, enum h1_char kind)
{
    while (at < end && h1_char_is(*at, kind)) {
        at++;
    }
    return at;
}

/* --- portable: also the meaning of all others */

#define H1_STEP_BYTES_portable 32

static inline unsigned h1_step_portable(const char *at, enum h1_char kind)
{
    return (unsigned)(h1_scan(at, at + H1_STEP_BYTES_portable, kind) - at);
}

/* Steps over text come in two parts: a bit for each byte of the step that is not TEXT (here, for the first), and none if
   all are. */
static inline uint32_t h1_text_stops_portable(const char *at)
{
    unsigned step = h1_step_portable(at, H1_CHAR_TEXT);
    return step == H1_STEP_BYTES_portable ? 0 : (uint32_t)1 << step;
}

static inline unsigned h1_target_step_portable(const char *at)
{
    return h1_step_portable(at, H1_CHAR_TARGET);
}

/* How many bytes of a host are DOTTED. */
static inline unsigned h1_host_step_portable(const char *at)
{
    return h1_step_portable(at, H1_CHAR_DOTTED);
}

#ifdef __x86_64__

/* A token that a colon ends, both within H1_SCAN_BYTES. */
struct h1_name {
    uint64_t bytes; /* without the colon; 0: there is none */
    uint64_t id;    /* enum field_id, as wide as an index */
};

/* --- SSE2: every x86-64 has it */

#define H1_STEP_BYTES_sse2 16

static inline unsigned h1_stop_sse2(unsigned stops)
{
    return (unsigned)__builtin_ctz(stops | 1U << H1_STEP_BYTES_sse2);
}

static inline __m128i h1_load_sse2(const char *at)
{
    return _mm_loadu_si128((const __m128i *)at);
}

static inline uint32_t h1_text_stops_sse2(const char *at)
{
    __m128i bytes = h1_load_sse2(at);
    __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
    __m128i del = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f));
    return (uint32_t)_mm_movemask_epi8(_mm_or_si128(control, del));
}

/* Bytes compare as signed: those above 0x7f are below "!" too. */
static inline unsigned h1_target_step_sse2(const char *at)
{
    __m128i bytes = h1_load_sse2(at);
    __m128i unseen = _mm_cmplt_epi8(bytes, _mm_set1_epi8('!'));
    __m128i del = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f));
    __m128i hash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('#'));
    return h1_stop_sse2((unsigned)_mm_movemask_epi8(_mm_or_si128(unseen, _mm_or_si128(del, hash))));
}

/* Bytes from the first on, so many: the range is moved to the bottom of the signed bytes. */
static inline __m128i h1_range_sse2(__m128i bytes, char first, unsigned count)
{
    __m128i moved = _mm_add_epi8(bytes, _mm_set1_epi8((char)(-first - 128)));
    return _mm_cmplt_epi8(moved, _mm_set1_epi8((char)((int)count - 128)));
}

static inline unsigned h1_host_step_sse2(const char *at)
{
    __m128i bytes = h1_load_sse2(at);
    __m128i letter = h1_range_sse2(_mm_or_si128(bytes, _mm_set1_epi8(0x20)), 'a', 26);
    __m128i dash_to_digit = h1_range_sse2(bytes, '-', 13);
    __m128i slash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('/'));
    __m128i dotted = _mm_or_si128(letter, _mm_andnot_si128(slash, dash_to_digit));
    return h1_stop_sse2((unsigned)_mm_movemask_epi8(dotted) ^ 0xffff);
}

static inline unsigned h1_half_name_step_sse2(const char *at)
{
    __m128i bytes = h1_load_sse2(at);
    __m128i letter = h1_range_sse2(_mm_or_si128(bytes, _mm_set1_epi8(0x20)), 'a', 26);
    __m128i digit = h1_range_sse2(bytes, '0', 10);
    __m128i dash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('-'));
    __m128i plain = _mm_or_si128(_mm_or_si128(letter, digit), dash);
    return h1_stop_sse2((unsigned)_mm_movemask_epi8(plain) ^ 0xffff);
}

/* Knows PLAIN names only, which nearly all are. */
static inline struct h1_name h1_name_sse2(const char *at)
{
    unsigned bytes = h1_half_name_step_sse2(at);
    if (bytes == H1_STEP_BYTES_sse2) {
        bytes += h1_half_name_step_sse2(at + bytes);
    }
    if (bytes == 0 || bytes == H1_SCAN_BYTES || at[bytes] != ':') {
        return (struct h1_name){0, FIELD_OTHER};
    }
    return (struct h1_name){bytes, field_id_of(at, bytes)};
}

/* --- AVX2, chosen when the processor has it */

#define H1_STEP_BYTES_avx2 32
#define H1_AVX2 __attribute__((target("avx2,bmi,bmi2")))

static inline bool h1_has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("bmi2");
}

/* The first five repeat one byte. The others are looked up by half a byte, in each half of a vector: bit H of the L-th entry
   of `token` says that the byte 0xHL is of a token and not "_", and bit H is what the H-th entry of `high` is. */
struct h1_vectors {
    uint8_t control[32], del[32], lower_case[32], half[32], none[32];
    uint8_t high[32], token[32];
};
extern const struct h1_vectors h1_vectors;

/* Where the vectors are, without the compiler knowing what they are: it would make those of one byte anew wherever they are
   used, in three instructions, instead of naming them as operands. */
H1_AVX2 static inline const struct h1_vectors *h1_vectors_at(void)
{
    const struct h1_vectors *vectors = &h1_vectors;
    __asm__("" : "+r"(vectors));
    return vectors;
}

H1_AVX2 static inline __m256i h1_vector(const void *bytes)
{
    return _mm256_load_si256((const __m256i *)bytes);
}

H1_AVX2 static inline __m256i h1_load_avx2(const char *at)
{
    return _mm256_loadu_si256((const __m256i *)at);
}

H1_AVX2 static inline uint32_t h1_text_stops_avx2(const char *at)
{
    const struct h1_vectors *vectors = h1_vectors_at();
    __m256i bytes = h1_load_avx2(at);
    __m256i control = _mm256_cmpeq_epi8(_mm256_min_epu8(bytes, h1_vector(vectors->control)), bytes);
    __m256i del = _mm256_cmpeq_epi8(bytes, h1_vector(vectors->del));
    return (uint32_t)_mm256_movemask_epi8(_mm256_or_si256(control, del));
}

/* How many of the bytes are token characters other than "_": names with "_" are left to a slower step (FACT_UNDERSCORE). A byte above 0x7f, as an index, finds 0. _tzcnt_u64() of 0 is 64. */
H1_AVX2 static inline uint64_t h1_token_step_avx2(__m256i bytes, const struct h1_vectors *vectors)
{
    __m256i upper_half = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), h1_vector(vectors->half));
    __m256i token = _mm256_and_si256(_mm256_shuffle_epi8(h1_vector(vectors->high), upper_half),
                                     _mm256_shuffle_epi8(h1_vector(vectors->token), bytes));
    __m256i stops = _mm256_cmpeq_epi8(token, h1_vector(vectors->none));
    return _tzcnt_u64((uint32_t)_mm256_movemask_epi8(stops));
}

/* The texts of known names end in a colon too: to compare it is to compare the length. */
H1_AVX2 static inline struct h1_name h1_name_avx2(const char *at)
{
    const struct h1_vectors *vectors = h1_vectors_at();
    __m256i bytes = h1_load_avx2(at);
    uint64_t name_bytes = h1_token_step_avx2(bytes, vectors);
    if (name_bytes - 1 >= H1_SCAN_BYTES - 1 || at[name_bytes] != ':') {
        return (struct h1_name){0, FIELD_OTHER};
    }
    __m256i lower = _mm256_or_si256(bytes, h1_vector(vectors->lower_case));
    uint64_t first = (uint64_t)_mm_cvtsi128_si64(_mm256_castsi256_si128(lower));
    uint64_t id = field_slot_of(_bzhi_u64(first, 8 * (unsigned)name_bytes) + name_bytes)->id;
    __m256i same = _mm256_cmpeq_epi8(lower, h1_vector(field_texts[id]));
    unsigned differences = ~(unsigned)_mm256_movemask_epi8(same);
    bool known = _bzhi_u32(differences, (unsigned)name_bytes + 1) == 0;
    return (struct h1_name){name_bytes, known ? id : FIELD_OTHER};
}

#endif

/* --- what every processor that this is built for can do */

#ifdef __x86_64__
#define H1_STEP_BYTES_any H1_STEP_BYTES_sse2
#define h1_text_stops_any h1_text_stops_sse2
#define h1_target_step_any h1_target_step_sse2
#define h1_host_step_any h1_host_step_sse2
#else
#define H1_STEP_BYTES_any H1_STEP_BYTES_portable
#define h1_text_stops_any h1_text_stops_portable
#define h1_target_step_any h1_target_step_portable
#define h1_host_step_any h1_host_step_portable
#endif

#endif
