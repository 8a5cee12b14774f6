/*
 * Stream: a connected non-blocking socket, plain or with TLS behind the same calls.
 *
 * Owns: the descriptor and the TLS state. Thread: its worker's. Errors: enum stream_result; a byte count is an out-parameter.
 * Sockets are edge-triggered: after STREAM_BLOCKED, and after a recv that leaves `drained` set, the next edge will come. A short
 * transfer alone says nothing: TLS hands out records, and may hold more than the socket does.
 */
#ifndef EVENKEEL_TLS_STREAM_H
#define EVENKEEL_TLS_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "tls/failure.h"

struct ssl_st;
struct tls_io;
struct tls_scratch;

struct stream {
    int fd;             /* -1: closed */
    bool drained;       /* the last recv left nothing that could be had before the next edge */
    struct tls_io *tls; /* NULL: plain */
};

enum stream_result {
    STREAM_OK,      /* at least one byte moved */
    STREAM_BLOCKED, /* nothing moved: wait for the next edge */
    STREAM_END,     /* orderly end of the other side (recv only) */
    STREAM_RESET,   /* the other side has broken it: ECONNRESET, EPIPE, or TLS cut short */
    STREAM_ERROR,   /* anything else; errno says what of a plain stream, stream_failure() of TLS */
};

void stream_init(struct stream *stream, int fd);
/* From here on the bytes on the socket are TLS: takes the SSL over, which is set up for its role. False: no memory, and the SSL is
   still the caller's. */
__attribute__((warn_unused_result)) bool stream_start_tls(struct stream *stream, struct ssl_st *ssl,
                                                          struct tls_scratch *scratch);
/* Goes on with the handshake: OK when it is done, BLOCKED until the next edge of either kind. What came with its end may be there to
   be received without another edge. */
__attribute__((warn_unused_result)) enum stream_result stream_handshake(struct stream *stream);
/* Goes back to bytes in the clear, for one who turned out to speak no TLS. */
void stream_stop_tls(struct stream *stream);
/* Takes the TLS part to another worker's scratch, for a hand-over. False: it is not at rest, or no memory. True for plain ones. */
__attribute__((warn_unused_result)) bool stream_move(struct stream *stream,
                                                     struct tls_scratch *scratch);
/* Up to space_bytes (> 0) into space. */
__attribute__((warn_unused_result)) enum stream_result stream_recv(struct stream *stream,
                                                                   void *space, size_t space_bytes,
                                                                   size_t *ret_bytes);
/* As much of the pieces (at most IOV_MAX at once) as fits. Raises no SIGPIPE. They may be empty only while stream_unsent(). */
__attribute__((warn_unused_result)) enum stream_result stream_send(struct stream *stream,
                                                                   const struct iovec *pieces,
                                                                   size_t piece_count,
                                                                   size_t *ret_bytes);
/* Whether what was taken by stream_send() is partly still here (TLS only): send again, if only nothing, at the next edge. */
static inline bool stream_unsent(const struct stream *stream);
/* Whether the socket takes bytes now. False: the next edge will tell. Asks the system, where stream_send() finds out by trying. */
bool stream_writable(const struct stream *stream);
/* The front of what came, which stays there (plain only). */
__attribute__((warn_unused_result)) enum stream_result stream_peek(struct stream *stream,
                                                                   void *space, size_t space_bytes,
                                                                   size_t *ret_bytes);
/* Whether anything came, without taking it: STREAM_BLOCKED is no; STREAM_OK is yes. */
__attribute__((warn_unused_result)) enum stream_result stream_probe(struct stream *stream);
/* What stream_send() is given next is the last: TLS says so with it, and stream_end() has less to do. */
void stream_ends(struct stream *stream);
/* Ends our direction: close_notify if it is TLS, then shutdown(SHUT_WR). */
void stream_end(struct stream *stream);
/* Closes the descriptor; closing a closed stream is fine. `reset`: discard unsent bytes and send RST, so that
   the other side sees a break. */
void stream_close(struct stream *stream, bool reset);
/* True when bytes may be spliced past user space (plain). */
bool stream_spliceable(const struct stream *stream);
/* Why TLS failed; TLS_FAILURE_NONE when it did not, or the socket did. */
enum tls_failure stream_failure(const struct stream *stream);

bool stream_tls_unsent(const struct tls_io *io);
static inline bool stream_unsent(const struct stream *stream)
{
    return __builtin_expect(stream->tls != NULL, 0) && stream_tls_unsent(stream->tls);
}

#endif
