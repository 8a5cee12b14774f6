/*
 * Pieces: bytes for a socket as an array of iovec, and what the socket did not take of them.
 *
 * Owns nothing. Thread: the worker's.
 */
#ifndef EVENKEEL_PROXY_HTTP_PAYLOAD_H
#define EVENKEEL_PROXY_HTTP_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#include "steady/buf.h"

struct http_head;

/* Pieces of payload handled at once; a message of many tiny chunks takes several rounds. */
#define PAYLOAD_IOVS 64
/* What a head and a chunk's frame add to them. */
#define FRAME_IOVS 4

/* What whoever takes bytes says of the next ones. */
enum sink {
    SINK_OPEN,   /* taken; more may come */
    SINK_FULL,   /* taken; the next only after the sink has drained */
    SINK_BROKEN, /* the exchange is over: touch nothing, return */
};

/* Payload on its way: the last one of a message says so. */
struct payload {
    const struct iovec *iov;
    size_t count;
    bool last;
    const struct http_head *trailers; /* with last; NULL: none */
};

/* Of more than one piece. */
__attribute__((noinline)) size_t iov_bytes_of_several(const struct iovec *iov, size_t count);

static inline size_t iov_bytes(const struct iovec *iov, size_t count)
{
    if (__builtin_expect(count > 1, 0)) {
        return iov_bytes_of_several(iov, count);
    }
    return count == 1 ? iov->iov_len : 0;
}

static inline size_t payload_bytes(const struct payload *payload)
{
    return iov_bytes(payload->iov, payload->count);
}

/* Appends the iov but for their first `sent` bytes to *buf, which may be NULL and is not afterwards. False: no memory. */
__attribute__((warn_unused_result)) bool iov_keep(struct buf_pool *pool, struct buf **buf,
                                                  const struct iovec *iov, size_t count,
                                                  size_t sent);

#endif
