/*
 * Duplex: one wire end of a connection: its stream, what was received and not consumed, what is to be sent and was not taken, and
 * what is known of its readiness. The same for clients and for upstream connections.
 *
 * Owns: the two buffers, which exist only while they hold something; the stream is its owner's. Thread: the worker's. Errors: enum
 * duplex_result for sending, enum stream_result for receiving. Sockets are edge-triggered: `readable` is what the last edge and the
 * last receive say together.
 */
#ifndef EVENKEEL_PROXY_WORKER_DUPLEX_H
#define EVENKEEL_PROXY_WORKER_DUPLEX_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#include "steady/buf.h"
#include "tls/stream.h"

struct worker;

struct duplex {
    struct stream *stream;
    struct buf *in;      /* received, not consumed */
    struct buf *out;     /* to be sent */
    bool readable : 1;   /* the socket may hold bytes */
    bool suspect : 1;    /* the last receive came up short: an error may have come with it unseen */
    bool saw_end : 1;    /* the end follows what is readable */
    bool starved : 1;    /* `in` needs more bytes before it can be consumed further */
    bool end_wanted : 1; /* our direction is to be ended once `out` is empty */
    bool send_broken : 1; /* the socket takes no more; what the other side sent is still read */
};

/* Bytes to look at, and where they are: in `in`, or in the worker's scratch until the next receive of anybody. */
struct duplex_input {
    const char *bytes;
    size_t length;
    bool buffered;
};

enum duplex_result {
    DUPLEX_SENT,      /* all of it is the socket's now */
    DUPLEX_KEPT,      /* some of it is in `out`: no more, please, until it has been flushed */
    DUPLEX_BROKEN,    /* the socket takes no more */
    DUPLEX_NO_MEMORY, /* part of it may have been sent */
};

/* An edge: enum of libevent's EV_READ and EV_CLOSED. */
void duplex_on_event(struct duplex *duplex, short what);

/* Sends, and keeps what the socket does not take. *ret_sent: how much it took; set with every result. */
__attribute__((warn_unused_result)) enum duplex_result duplex_send(struct duplex *duplex,
                                                                   struct buf_pool *bufs,
                                                                   const struct iovec *iov,
                                                                   size_t count, size_t *ret_sent);
/* Sends what is kept; there is some. Ends our direction behind it if that is wanted. *ret_sent as above. */
__attribute__((warn_unused_result)) enum duplex_result duplex_flush(struct duplex *duplex,
                                                                    struct buf_pool *bufs,
                                                                    size_t *ret_sent);
/* Ends our direction, behind what is kept. */
void duplex_end(struct duplex *duplex);

/* What was received before and can be looked at without more; false: nothing, or `in` is starved. */
bool duplex_kept_input(const struct duplex *duplex, struct duplex_input *ret_input);
/* Receives at most `most_bytes`: behind what is in `in`, else into the worker's scratch. *ret_input is everything there is now,
   *ret_got what came. STREAM_ERROR also means that there is no memory. */
__attribute__((warn_unused_result)) enum stream_result duplex_receive(
    struct duplex *duplex, struct worker *worker, size_t most_bytes, struct duplex_input *ret_input,
    size_t *ret_got);
/* Keeps the input but for its first `consumed` bytes. False: no memory. */
__attribute__((warn_unused_result)) bool duplex_keep(struct duplex *duplex, struct buf_pool *bufs,
                                                     const struct duplex_input *input,
                                                     size_t consumed);
/* Gives the buffers back. */
void duplex_release(struct duplex *duplex, struct buf_pool *bufs);

#endif
