/*
 * Duplex: one end of a connection: its stream, bytes that were received and not consumed, bytes that are to be sent
 * and were not taken, and its readiness. The same for clients and for upstream connections.
 *
 * Owns: the two buffers, which exist only while they contain bytes; the stream is its owner's. Thread: the worker's.
 * Errors: enum duplex_result for sending, enum stream_result for receiving. Sockets are edge-triggered: `readable`
 * combines the last edge and the last receive.
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
    struct buf *in;   /* received and not consumed */
    struct buf *out;  /* to be sent */
    bool readable;    /* the socket may hold bytes */
    bool suspect;     /* the last receive was short: an error may have come with it unseen */
    bool saw_end;     /* the end follows what is readable */
    bool starved;     /* `in` needs more bytes before more of it can be consumed */
    bool end_wanted;  /* this direction is to be ended when `out` is empty */
    bool send_broken; /* the socket takes no more bytes; received bytes are still read */
};

/* Bytes to parse, and where they are: in `in`, or in the worker's scratch buffer until the next receive on that worker. */
struct duplex_input {
    const char *bytes;
    size_t length;
    bool buffered;
};

enum duplex_result {
    DUPLEX_SENT,      /* the socket has taken everything */
    DUPLEX_KEPT,      /* some bytes are in `out`: send no more until it has been flushed */
    DUPLEX_BROKEN,    /* the socket takes no more bytes */
    DUPLEX_NO_MEMORY, /* some bytes may have been sent */
};

/* An edge: `what` is EV_READ and EV_CLOSED of libevent. */
void duplex_on_event(struct duplex *duplex, short what);

/* Sends, and keeps what the socket does not take. *ret_sent: how much it took; set with every result. */
__attribute__((warn_unused_result)) enum duplex_result duplex_send(struct duplex *duplex,
                                                                   struct buf_pool *bufs,
                                                                   const struct iovec *iov,
                                                                   size_t count, size_t *ret_sent);
/* Sends kept bytes, of which there are some. Then ends this direction if that is wanted. *ret_sent as above. */
__attribute__((warn_unused_result)) enum duplex_result duplex_flush(struct duplex *duplex,
                                                                    struct buf_pool *bufs,
                                                                    size_t *ret_sent);
/* Ends this direction after the kept bytes. */
void duplex_end(struct duplex *duplex);

/* Bytes that were received before and can be parsed without more. False: there are none, or `in` is starved. */
bool duplex_kept_input(const struct duplex *duplex, struct duplex_input *ret_input);
/* Receives at most `most_bytes`, behind the bytes in `in`, else into the worker's scratch buffer. *ret_input: all bytes
   there are now; *ret_got: the new ones. STREAM_ERROR also means that there is no memory. */
__attribute__((warn_unused_result)) enum stream_result duplex_receive(
    struct duplex *duplex, struct worker *worker, size_t most_bytes, struct duplex_input *ret_input,
    size_t *ret_got);
/* Keeps the input without its first `consumed` bytes. False: no memory. */
__attribute__((warn_unused_result)) bool duplex_keep(struct duplex *duplex, struct buf_pool *bufs,
                                                     const struct duplex_input *input,
                                                     size_t consumed);
/* Gives the buffers back. */
void duplex_release(struct duplex *duplex, struct buf_pool *bufs);

#endif
