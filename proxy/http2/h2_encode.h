/*
 * Field blocks as HPACK writes them, without its dynamic table: what the static table knows goes by its number, all else as text that is
 * neither indexed nor compressed. So a block means the same whenever it is sent, and a connection keeps nothing for those to come.
 *
 * Owns: nothing; the buffer is its caller's. Thread: that of the buffer's pool. Errors: `failed` once there is no memory; what follows is
 * dropped. Spec: RFC 7541 5 and 6.
 */
#ifndef EVENKEEL_PROXY_HTTP2_H2_ENCODE_H
#define EVENKEEL_PROXY_HTTP2_H2_ENCODE_H

#include <stdbool.h>
#include <stddef.h>

#include "proxy/http/field_names.h"
#include "steady/buf.h"

struct h2_encoder {
    struct buf_pool *pool;
    struct buf *buf; /* appended to; NULL: none yet */
    bool failed;
};

/* Numbers of the static table (RFC 7541, appendix A) that are used by name. */
enum h2_static {
    H2_STATIC_AUTHORITY = 1,
    H2_STATIC_METHOD = 2, /* GET; POST behind it */
    H2_STATIC_PATH = 4,   /* of "/" */
    H2_STATIC_HTTP = 6,
    H2_STATIC_HTTPS = 7,
    H2_STATIC_STATUS = 8, /* 200 */
};

/* A field whose name and value the static table has. */
void h2_encode_known(struct h2_encoder *encoder, unsigned number);
/* One whose name it has. */
void h2_encode_named(struct h2_encoder *encoder, unsigned number, const char *value,
                     size_t value_bytes);
/* Any field that is no pseudo-header field. The name may be in any case, and is not looked at where `id` tells it. */
void h2_encode_field(struct h2_encoder *encoder, enum field_id id, const char *name,
                     size_t name_bytes, const char *value, size_t value_bytes);
void h2_encode_status(struct h2_encoder *encoder, unsigned status);

/* Tells the other side's decoder that its table stays empty: one byte, in front of the first block of a connection (RFC 7541 4.2). */
#define H2_ENCODE_NO_TABLE 0x20

#endif
