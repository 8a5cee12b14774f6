/*
 * HTTP/1.x heads from bytes, strict: reject, never guess.
 *
 * Owns nothing, allocates nothing, keeps no state between calls. Thread: any. Errors: enum h1_result, one value per
 * cause; each knows its status and its words for Proxy-Status. Spec: RFC 9112 (cited per cause in h1_parse.c).
 */
#ifndef EVENKEEL_PROXY_HTTP1_H1_PARSE_H
#define EVENKEEL_PROXY_HTTP1_H1_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/http/http_head.h"

/* cause, status to a client (requests), name for logs and metrics */
#define H1_RESULTS(X)                                                    \
    X(OK, 0, "ok")                                                       \
    X(INCOMPLETE, 0, "incomplete")                                       \
    X(BAD_START_LINE, 400, "bad_start_line")                             \
    X(BAD_METHOD, 400, "bad_method")                                     \
    X(BAD_TARGET, 400, "bad_target")                                     \
    X(BAD_VERSION, 400, "bad_version")                                   \
    X(VERSION_NOT_SUPPORTED, 505, "version_not_supported")               \
    X(BAD_STATUS, 400, "bad_status")                                     \
    X(BAD_LINE_END, 400, "bad_line_end")                                 \
    X(BAD_FIELD_NAME, 400, "bad_field_name")                             \
    X(SPACE_BEFORE_COLON, 400, "space_before_colon")                     \
    X(OBS_FOLD, 400, "obs_fold")                                         \
    X(BAD_FIELD_VALUE, 400, "bad_field_value")                           \
    X(BAD_HOST, 400, "bad_host")                                         \
    X(MISSING_HOST, 400, "missing_host")                                 \
    X(SEVERAL_HOSTS, 400, "several_hosts")                               \
    X(BAD_CONTENT_LENGTH, 400, "bad_content_length")                     \
    X(DIFFERING_CONTENT_LENGTHS, 400, "differing_content_lengths")       \
    X(LENGTH_AND_TRANSFER_ENCODING, 400, "length_and_transfer_encoding") \
    X(BAD_TRANSFER_ENCODING, 400, "bad_transfer_encoding")               \
    X(UNKNOWN_TRANSFER_ENCODING, 501, "unknown_transfer_encoding")       \
    X(TRANSFER_ENCODING_IN_1_0, 400, "transfer_encoding_in_1_0")         \
    X(UNKNOWN_EXPECTATION, 417, "unknown_expectation")                   \
    X(HEAD_TOO_LARGE, 431, "head_too_large")                             \
    X(TARGET_TOO_LONG, 414, "target_too_long")                           \
    X(TOO_MANY_FIELDS, 431, "too_many_fields")                           \
    X(BAD_CHUNK, 400, "bad_chunk")                                       \
    X(BAD_TRAILER, 400, "bad_trailer")

enum h1_result {
#define X(id, status, name) H1_##id,
    H1_RESULTS(X)
#undef X
        H1_RESULT_COUNT
};

const char *h1_result_name(enum h1_result result);
/* The status to answer a client with; 0 for OK and INCOMPLETE. In the upstream role every error is a 502. */
unsigned h1_result_status(enum h1_result result);

struct h1_limits {
    uint32_t head_bytes; /* start line, fields and empty line together */
    uint32_t fields_count;
};

/* Parses a request head at bytes[0..length). Leading empty lines are the caller's to skip (h1_skip_empty_lines).
   head->fields and head->field_limit are set by the caller; everything else is written here, as far as it was understood.
   INCOMPLETE: call again with more bytes from the start. `*scanned` remembers how far was looked (start with 0): a head is
   parsed anew at most once for each of its lines, however it arrives, and the verdict is that of the whole. The head's
   spans are relative to head->base = bytes. Fields that must not be forwarded as they are have drop = 1 (hop-by-hop,
   framing, Host, nominated by Connection). */
__attribute__((warn_unused_result)) enum h1_result h1_parse_request(const char *bytes,
                                                                    size_t length,
                                                                    const struct h1_limits *limits,
                                                                    size_t *scanned,
                                                                    struct http_head *head);

/* The same for a response; `method` is the request's (HEAD has no body). 1xx are returned like any other. */
__attribute__((warn_unused_result)) enum h1_result h1_parse_response(
    const char *bytes, size_t length, const struct h1_limits *limits, enum http_method method,
    size_t *scanned, struct http_head *head);

/* How many bytes of CRLF stand before a request line (RFC 9112 2.2; at most `length`, only whole CRLFs). */
size_t h1_skip_empty_lines(const char *bytes, size_t length);

#endif
