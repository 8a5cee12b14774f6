/*
 * The bytes a parser looks at: a cursor with an end, made safe for scans that read 16 bytes at once.
 *
 * Owns nothing. Thread: any. Errors: running out of bytes is `at_end`: too large where a limit cut the input, else
 * incomplete, so that more bytes never change a verdict once given.
 */
#ifndef EVENKEEL_PROXY_H1_INPUT_H
#define EVENKEEL_PROXY_H1_INPUT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "proxy/h1_parse.h"
#include "proxy/h1_scan.h"

struct h1_input {
    const char *begin;
    const char *at;
    const char *end;
    enum h1_result at_end;
    char short_input[2 * H1_SCAN_STEP_BYTES];
};

/* The first limit_bytes of the input at most. An input shorter than a scan's step is copied: it holds no whole head. */
static inline void h1_input_init(struct h1_input *input, const char *bytes, size_t length,
                                 uint32_t limit_bytes)
{
    size_t window = length < limit_bytes ? length : limit_bytes;
    input->at_end = length < limit_bytes ? H1_INCOMPLETE : H1_HEAD_TOO_LARGE;
    input->begin = bytes;
    if (window < H1_SCAN_STEP_BYTES) {
        memset(input->short_input, 0, sizeof input->short_input);
        if (window)
            memcpy(input->short_input + H1_SCAN_STEP_BYTES, bytes, window);
        input->begin = input->short_input + H1_SCAN_STEP_BYTES;
    }
    input->at = input->begin;
    input->end = input->begin + window;
}

static inline uint32_t h1_input_offset(const struct h1_input *input, const char *at)
{
    return (uint32_t)(at - input->begin);
}

/* Whether what came since *scanned can have ended the head or spoiled it; moves *scanned on if not. Every other byte is
   for the parser to judge once the head is whole. */
bool h1_input_grown(const char *bytes, size_t length, uint32_t limit_bytes, size_t *scanned);

/* Where the next call may go on looking: before a CR whose LF is yet to come. */
static inline size_t h1_input_scanned(const char *bytes, size_t length)
{
    return length && bytes[length - 1] == '\r' ? length - 1 : length;
}

#endif
