/*
 * The path of a request target: dot segments resolved, and the ways in which servers may read what remains.
 *
 * A route is found by the path that the origin will act on, so that no spelling leads around a route. Dot segments, also with
 * "%2e", are resolved before a route is looked for, and the resolved path is sent on. What servers disagree about ("//", "%2F",
 * "\", ";") goes on as it came, and each reading of it is looked up.
 *
 * Owns nothing. Thread: any. Errors: false, if a path climbs above its root. Spec: RFC 3986 3.3, 5.2.4, 6.2.2.
 */
#ifndef EVENKEEL_PROXY_HTTP_TARGET_PATH_H
#define EVENKEEL_PROXY_HTTP_TARGET_PATH_H

#include <stdbool.h>
#include <stddef.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* What a scan finds in a target: bits. */
enum target_shape {
    TARGET_DOTTED = 1 << 0, /* a segment that may be a dot segment */
    TARGET_ODD = 1 << 1,    /* "%", ";", "\" or "//": its path may have several readings */
};

/* The space before the end of a target that a scan may read, whether or not the target is as long. */
#define TARGET_SCAN_BYTES 16

/* Which of these may be in the target, query included; 0 for nearly all. Never misses one in the path. */
unsigned target_shape(const char *target, size_t bytes);

/* The same, without a call for the short and plain targets that are most of all. */
static inline unsigned target_shape_fast(const char *target, size_t bytes)
{
#ifdef __SSE2__
    if (__builtin_expect(bytes <= TARGET_SCAN_BYTES, 1)) {
        const __m128i text =
            _mm_loadu_si128((const __m128i *)(const void *)(target + bytes - TARGET_SCAN_BYTES));
        const __m128i slash = _mm_cmpeq_epi8(text, _mm_set1_epi8('/'));
        const __m128i dot = _mm_cmpeq_epi8(text, _mm_set1_epi8('.'));
        const __m128i odd = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(text, _mm_set1_epi8('%')),
                                                      _mm_cmpeq_epi8(text, _mm_set1_epi8(';'))),
                                         _mm_cmpeq_epi8(text, _mm_set1_epi8('\\')));
        /* the bits of bytes before the target fall out */
        unsigned skip = TARGET_SCAN_BYTES - (unsigned)bytes;
        unsigned slashes = (unsigned)_mm_movemask_epi8(slash) >> skip;
        unsigned pairs = (unsigned)_mm_movemask_epi8(_mm_or_si128(slash, dot)) >> skip;
        unsigned odds = (unsigned)_mm_movemask_epi8(odd) >> skip;
        if (__builtin_expect(((slashes << 1 & pairs) | odds) == 0, 1)) {
            return 0;
        }
    }
#endif
    return target_shape(target, bytes);
}

/* Length of the target's path: up to the query. */
size_t target_path_bytes(const char *target, size_t bytes);

/* Resolves the path's dot segments in place; the query moves up. */
__attribute__((warn_unused_result)) bool target_resolve(char *target, size_t bytes,
                                                        size_t *ret_bytes);

/* How a server may read a path besides as it is written. Each builds on the one before. */
enum path_reading {
    PATH_DECODED,  /* %XX decoded, "\" is "/", runs of "/" are one (WSGI, Rack) */
    PATH_RESOLVED, /* and dot segments resolved that have come to light (nginx) */
    PATH_BARE, /* and without ";..." in segments (servlet containers), or what is a query once it is decoded */
    PATH_NO_AUTHORITY, /* what "//name" begins with is taken for a host (URL parsers) */
    PATH_READING_COUNT
};

/* Writes the reading of a path into as much space, which must not be the path's own. */
__attribute__((warn_unused_result)) bool path_read(enum path_reading reading, const char *path,
                                                   size_t bytes, char *space, size_t *ret_bytes);

#endif
