/*
 * Payload: bytes for a socket as an array of iovec, and those of them that the socket did not take.
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

/* Number of pieces of payload that are handled at a time; a message of many tiny chunks takes several rounds. */
#define PAYLOAD_IOVS 64
/* Number of pieces that a head and a chunk's frame add. */
#define FRAME_IOVS 4

/* Result of passing bytes on. */
enum sink {
    SINK_OPEN,   /* taken; more may come */
    SINK_FULL,   /* taken; pass more only after the sink has drained */
    SINK_BROKEN, /* the exchange is over: touch nothing, return */
};

/* Payload to be passed on; `last` marks the last one of a message. */
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

/* Appends the iov without their first `sent` bytes to *buf, which may be NULL before but not after. False: no memory. */
__attribute__((warn_unused_result)) bool iov_keep(struct buf_pool *pool, struct buf **buf,
                                                  const struct iovec *iov, size_t count,
                                                  size_t sent);

#endif
