/*
 * HTTP/1.x message bodies: finds the payload in received bytes, in place.
 *
 * Owns nothing; a few words of state embedded in the connection. Thread: its holder's. Errors: enum h1_result. Spec: RFC
 * 9112 6, 7.
 */
#ifndef EVENKEEL_PROXY_HTTP1_H1_BODY_H
#define EVENKEEL_PROXY_HTTP1_H1_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "proxy/http1/h1_parse.h"

enum h1_body_state {
    H1_BODY_DONE, /* nothing (more) follows */
    H1_BODY_LENGTH,
    H1_BODY_CLOSE,
    H1_BODY_CHUNK_SIZE, /* the states of the chunked decoder */
    H1_BODY_CHUNK_SPACE,
    H1_BODY_EXTENSION, /* of a tolerated sender: anything up to the end of the line */
    /* the states of a chunk extension (RFC 9112 7.1.1); here before or in a name, */
    H1_BODY_EXTENSION_NAME,
    H1_BODY_EXTENSION_SPACE, /* behind one and white space, */
    H1_BODY_EXTENSION_VALUE, /* before or in a token, */
    H1_BODY_EXTENSION_QUOTED,
    H1_BODY_EXTENSION_ESCAPE,
    H1_BODY_EXTENSION_BEHIND, /* behind a value */
    H1_BODY_CHUNK_SIZE_LF,
    H1_BODY_CHUNK_PAYLOAD,
    H1_BODY_CHUNK_CR,
    H1_BODY_CHUNK_LF,
    H1_BODY_TRAILERS,
};

struct h1_body {
    uint64_t left_bytes;  /* of the length, or of this chunk */
    uint64_t total_bytes; /* payload so far */
    /* length of the current chunk-size line or trailer section, compared with the limits */
    uint32_t line_bytes;
    uint8_t state;  /* enum h1_body_state */
    uint8_t digits; /* of the chunk size so far */
    bool begun;     /* a part of the chunk extension that must not be empty has its first byte */
    bool tolerant;  /* white space may follow a chunk size, and an extension may contain anything */
};

/* For a request: chunk lines must follow their grammar. */
void h1_body_init(struct h1_body *body, enum http_framing framing, uint64_t content_length);
/* For a response: parts of a chunk line without a meaning may be anything that cannot move its end. */
void h1_body_init_response(struct h1_body *body, enum http_framing framing,
                           uint64_t content_length);

/* Takes up to `length` received bytes; writes the payload found as at most `room` iov into the bytes, and how many
   bytes were consumed. Stops early when room is used up (call again), when the body is done, or at the trailer section,
   which it leaves in the input until it is whole: see h1_body_trailers(). Result: OK (more may come: look at
   body->state), or BAD_CHUNK. Chunk extensions are dropped, bounded (4 KiB a line). A chunk size is known as soon as it
   has been read: left_bytes, in the states from CHUNK_SPACE to CHUNK_PAYLOAD, may be held against a limit. */
__attribute__((warn_unused_result)) enum h1_result h1_body_take(struct h1_body *body,
                                                                const char *bytes, size_t length,
                                                                struct iovec *iov, size_t space,
                                                                size_t *ret_piece_count,
                                                                size_t *ret_consumed);

/* In state H1_BODY_TRAILERS: parses the trailer section (field lines and an empty line) at bytes. OK: body is DONE, consumed says
   how long it was, head->fields holds the fields (drop = 1 for those that may not be forwarded; what the message's Connection
   named is for h1_drop_nominated()). INCOMPLETE: come again with more, from the start of the section. Errors: BAD_TRAILER, or
   HEAD_TOO_LARGE and TOO_MANY_FIELDS by the limits. */
__attribute__((warn_unused_result)) enum h1_result h1_body_trailers(
    struct h1_body *body, const char *bytes, size_t length, const struct h1_limits *limits,
    struct http_head *head, size_t *ret_consumed);

/* The fewest bytes that have to follow before the body can be whole. */
uint64_t h1_body_least_bytes(const struct h1_body *body);
/* Whether the body is whole within these bytes. Says yes too if they are malformed: whoever takes them finds what is wrong. */
bool h1_body_ends_within(const struct h1_body *body, const char *bytes, size_t length);

static inline bool h1_body_done(const struct h1_body *body)
{
    return body->state == H1_BODY_DONE;
}

#endif
