/*
 * Heads of responses from origins that are known to break lines as no standard has it: written anew, for the strict parser.
 *
 * Owns nothing. Thread: any. Errors: enum h1_result. What is written stands for one reading only: bare LF ends a line, a folded
 * line goes on with a space, a control byte in a line is a space, HTTP/1.0 may be chunked. A bare CR stays, and is refused.
 * Spec: RFC 9112 2.2, 5.2; RFC 9110 5.5.
 */
#ifndef EVENKEEL_PROXY_HTTP1_H1_LENIENT_H
#define EVENKEEL_PROXY_HTTP1_H1_LENIENT_H

#include <stdbool.h>
#include <stddef.h>

#include "proxy/http1/h1_parse.h"

/* Space that h1_lenient_rewrite() needs for a head of so many bytes. */
#define H1_LENIENT_BYTES(length) ((length) + (length) / 2 + 2)

/* Whether this verdict of the strict parser is one that rewriting may change. */
bool h1_lenient_helps(enum h1_result result);

/* Writes the head at bytes[0..length) anew, from its first line that is not empty. OK: *ret_written bytes stand for the first
   *ret_consumed ones. INCOMPLETE: it has no end yet; HEAD_TOO_LARGE: within limits->head_bytes there is none. */
__attribute__((warn_unused_result)) enum h1_result h1_lenient_rewrite(
    const char *bytes, size_t length, const struct h1_limits *limits, char *space,
    size_t *ret_written, size_t *ret_consumed);

#endif
