/*
 * The input of a parser, which can be read in steps of 32 bytes up to its very end.
 *
 * Owns nothing. Thread: any. Errors: running out of bytes is `at_end`: too large if a limit cut the input, else
 * incomplete. So more bytes never change a verdict that was given.
 *
 * The parser reads ahead by pointer. The input ends in NUL, which no part of a head may contain, so the parser asks
 * for the end only when it meets a NUL. Near the end the pointers move to a padded copy of the last bytes; bytes
 * behind the position are read from `bytes`, by offset.
 */
#ifndef EVENKEEL_PROXY_HTTP1_H1_INPUT_H
#define EVENKEEL_PROXY_HTTP1_H1_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "proxy/http1/h1_parse.h"
#include "proxy/http1/h1_scan.h"

#define H1_AHEAD_BYTES 80 /* that may be read from a pointer that h1_input_ahead() gave */
#define H1_PAD_BYTES 96   /* of the end of the input in the copy */

struct h1_input {
    const char *bytes;
    const char *tail; /* where offset 0 would be, for the places in the copy */
    const char *at;
    const char *base; /* where offset 0 would be, for `at`: bytes or tail */
    const char *safe; /* from here on, reading ahead needs the copy; beyond every pointer in it */
    uint32_t safe_at; /* the same as an offset */
    uint32_t end;     /* offset */
    enum h1_result at_end;
    char copy[H1_PAD_BYTES + H1_AHEAD_BYTES];
};

static inline void h1_input_init(struct h1_input *input, const char *bytes, size_t length,
                                 uint32_t limit_bytes)
{
    bool cut = length >= limit_bytes;
    uint32_t end = cut ? limit_bytes : (uint32_t)length;
    char *middle = input->copy + H1_PAD_BYTES;
    if (end >= H1_PAD_BYTES) {
        memcpy(input->copy, bytes + end - H1_PAD_BYTES, H1_PAD_BYTES);
    } else if (end) {
        memcpy(middle - end, bytes, end);
    }
    memset(middle, 0, H1_AHEAD_BYTES);
    input->bytes = bytes;
    input->tail = (const char *)((uintptr_t)middle - end);
    input->at = bytes;
    input->base = bytes;
    input->safe_at = end < H1_PAD_BYTES ? 0 : end - H1_AHEAD_BYTES;
    input->safe = bytes + input->safe_at;
    input->end = end;
    input->at_end = cut ? H1_HEAD_TOO_LARGE : H1_INCOMPLETE;
}

/* H1_AHEAD_BYTES may be read from the returned pointer. `at` is not beyond the end of the input. */
static inline const char *h1_input_ahead(struct h1_input *input, const char *at)
{
    if (__builtin_expect(at < input->safe, 1)) {
        return at;
    }
    uintptr_t offset = (uintptr_t)at - (uintptr_t)input->base;
    input->base = input->tail;
    input->safe = (const char *)UINTPTR_MAX;
    return (const char *)((uintptr_t)input->tail + offset);
}

/* The same by offset. */
static inline const char *h1_input_at(const struct h1_input *input, uint32_t offset)
{
    const char *base = offset < input->safe_at ? input->bytes : input->tail;
    return (const char *)((uintptr_t)base + offset);
}

static inline uint32_t h1_input_offset(const struct h1_input *input, const char *at)
{
    return (uint32_t)((uintptr_t)at - (uintptr_t)input->base);
}

static inline bool h1_input_is_end(const struct h1_input *input, const char *at)
{
    return h1_input_offset(input, at) == input->end;
}

/* Where the next search may continue: before a CR whose LF has not arrived yet. */
static inline size_t h1_input_scanned(const char *bytes, size_t length)
{
    return length && bytes[length - 1] == '\r' ? length - 1 : length;
}

/* The first place from `scanned` on where the bytes end a line or make one invalid; their end if there is none. */
size_t h1_input_scan(const char *bytes, size_t length, size_t scanned);

/* Whether the bytes since *scanned are worth parsing; else moves *scanned. So a head is parsed at most once for each of
   its lines, however it arrives, and a line is judged when it is complete. */
static inline bool h1_input_grown(const char *bytes, size_t length, uint32_t limit_bytes,
                                  size_t *scanned)
{
    if (*scanned == 0 || *scanned > length || length >= limit_bytes) {
        return true;
    }
    size_t stop = h1_input_scan(bytes, length, *scanned);
    if (stop < length) {
        return true;
    }
    *scanned = h1_input_scanned(bytes, length);
    return false;
}

#endif
