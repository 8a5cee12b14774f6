/*
 * Pieces: bytes for a socket as an array of iovec, and what the socket did not take of them.
 *
 * Owns nothing. Thread: the worker's.
 */
#ifndef EVENKEEL_PROXY_PIECES_H
#define EVENKEEL_PROXY_PIECES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#include "proxy/h1_write.h"
#include "steady/buf.h"

/* Pieces of payload handled at once; a message of many tiny chunks takes several rounds. */
#define PAYLOAD_PIECES 64
/* What a head and a chunk's frame add to them. */
#define FRAME_PIECES 4

/* Payload on its way: the last one of a message says so. */
struct payload {
    const struct iovec *pieces;
    size_t count;
    bool last;
    const struct http_head *trailers; /* with last; NULL: none */
};

size_t pieces_bytes(const struct iovec *pieces, size_t count);

static inline size_t payload_bytes(const struct payload *payload)
{
    return pieces_bytes(payload->pieces, payload->count);
}

/* Appends the pieces but for their first `sent` bytes to *buf, which may be NULL and is not afterwards. False: no memory. */
__attribute__((warn_unused_result)) bool pieces_keep(struct buf_pool *pool, struct buf **buf,
                                                     const struct iovec *pieces, size_t count,
                                                     size_t sent);

/* The payload as HTTP/1.1 sends it: as it is, or as one chunk with the end of the message if it is last (RFC 9112 7.1).
   out has room for PAYLOAD_PIECES + FRAME_PIECES; chunk_head and the writer's room hold the frame. Returns the count. */
size_t payload_frame(const struct payload *payload, bool chunked,
                     char chunk_head[H1_CHUNK_HEAD_BYTES], struct h1_writer *writer,
                     struct iovec *out);

#endif
