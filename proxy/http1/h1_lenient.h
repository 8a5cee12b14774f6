/*
 * Response heads of origins that break lines against the standard: rewritten for the strict parser.
 *
 * Owns nothing. Thread: any. Errors: enum h1_result. The result has only one reading: a bare LF ends a line, a folded
 * line continues with a space, a control byte in a line is a space, HTTP/1.0 may be chunked. A bare CR stays, and is
 * refused. Spec: RFC 9112 2.2, 5.2; RFC 9110 5.5.
 */
#ifndef EVENKEEL_PROXY_HTTP1_H1_LENIENT_H
#define EVENKEEL_PROXY_HTTP1_H1_LENIENT_H

#include <stdbool.h>
#include <stddef.h>

#include "proxy/http1/h1_parse.h"

/* Space that h1_lenient_rewrite() needs for a head of so many bytes. */
#define H1_LENIENT_BYTES(length) ((length) + (length) / 2 + 2)

/* Whether rewriting may change this verdict of the strict parser. */
bool h1_lenient_helps(enum h1_result result);

/* Rewrites the head at bytes[0..length), from its first line that is not empty. OK: *ret_written bytes replace the
   first *ret_consumed ones. INCOMPLETE: it has no end yet. HEAD_TOO_LARGE: there is no end within limits->head_bytes. */
__attribute__((warn_unused_result)) enum h1_result h1_lenient_rewrite(
    const char *bytes, size_t length, const struct h1_limits *limits, char *space,
    size_t *ret_written, size_t *ret_consumed);

#endif
