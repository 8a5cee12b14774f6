/*
 * A field block that is being received: its names and values as text, laid out as lines of HTTP/1, and where each field lies.
 *
 * Owns two buffers of the pool it is given, from the first field to h2_block_release(). Thread: the session's. Errors: enum
 * h2_block_result. Spec: RFC 9113 8.2 (fields), 8.3 (pseudo-header fields), RFC 8441 4. A block is judged field by field
 * here, as a whole in h2_head.c.
 */
#ifndef EVENKEEL_PROXY_HTTP2_H2_BLOCK_H
#define EVENKEEL_PROXY_HTTP2_H2_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/http/http_head.h"
#include "proxy/http2/h2_error.h"
#include "steady/buf.h"

struct h2_limits;

enum h2_block_kind { H2_BLOCK_NONE, H2_BLOCK_REQUEST, H2_BLOCK_RESPONSE, H2_BLOCK_TRAILERS };

enum h2_block_result {
    H2_BLOCK_OK,
    H2_BLOCK_MALFORMED, /* RFC 9113 8.1.1: a stream error, PROTOCOL_ERROR */
    H2_BLOCK_FLOOD,     /* so much beyond the limits that the connection ends */
    H2_BLOCK_NO_MEMORY,
};

/* Pseudo-header fields. */
enum h2_pseudo {
    H2_PSEUDO_METHOD,
    H2_PSEUDO_SCHEME,
    H2_PSEUDO_AUTHORITY,
    H2_PSEUDO_PATH,
    H2_PSEUDO_PROTOCOL,
    H2_PSEUDO_STATUS,
    H2_PSEUDO_COUNT
};

struct h2_block {
    struct buf *text;
    struct buf *fields;  /* struct http_field, field_count of them */
    uint64_t size_bytes; /* of all names and values, those beyond the limit included */
    uint32_t all_count;  /* of all fields, those beyond the limit included */
    uint32_t field_count;
    struct span pseudo[H2_PSEUDO_COUNT]; /* offsets in the text */
    uint64_t seen[2];                    /* as in a head */
    uint16_t facts;
    uint8_t pseudo_seen; /* a bit for each enum h2_pseudo */
    uint8_t kind;        /* enum h2_block_kind; H2_BLOCK_NONE: none is being received */
    uint8_t fault;       /* enum h2_fault: why a part of it was not kept */
    bool scattered;      /* Cookie fields that do not follow one another */
    bool host_seen;      /* a field Host */
    bool fields_begun;   /* from here on a pseudo-header field is misplaced */
};

void h2_block_begin(struct h2_block *block, enum h2_block_kind kind);
__attribute__((warn_unused_result)) enum h2_block_result h2_block_add(
    struct h2_block *block, struct buf_pool *pool, const struct h2_limits *limits, const char *name,
    size_t name_bytes, const char *value, size_t value_bytes);
/* Appends a line that no one sent. */
__attribute__((warn_unused_result)) bool h2_block_add_line(struct h2_block *block,
                                                           struct buf_pool *pool, enum field_id id,
                                                           const char *value, size_t value_bytes);
/* Makes scattered Cookie fields one (RFC 9113 8.2.3). False: no memory. */
__attribute__((warn_unused_result)) bool h2_block_join_cookies(struct h2_block *block,
                                                               struct buf_pool *pool);
/* Appends text that is no line; *ret_span is where. */
__attribute__((warn_unused_result)) bool h2_block_add_text(struct h2_block *block,
                                                           struct buf_pool *pool, const char *text,
                                                           size_t bytes, struct span *ret_span);
void h2_block_release(struct h2_block *block, struct buf_pool *pool);

static inline bool h2_block_has(const struct h2_block *block, enum h2_pseudo pseudo)
{
    return (block->pseudo_seen >> pseudo) & 1;
}

/* Not NULL once there is text, though there be no field. */
static inline struct http_field *h2_block_fields(const struct h2_block *block)
{
    const struct buf *buf = block->fields != NULL ? block->fields : block->text;
    return (struct http_field *)(void *)(uintptr_t)buf->bytes;
}

#endif
