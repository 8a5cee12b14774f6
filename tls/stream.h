/*
 * Stream: a connected non-blocking socket, plain or with TLS behind the same calls.
 *
 * Owns: the descriptor and the TLS state. Thread: its worker's. Errors: enum stream_result; a byte count is an out-
 * parameter. Sockets are edge-triggered: after STREAM_BLOCKED, and after a recv that leaves `drained` set, another
 * edge will come. A short transfer alone says nothing, because TLS returns records and may hold more than the socket
 * does.
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
    bool drained;       /* the last recv left nothing that can be read before the next edge */
    struct tls_io *tls; /* NULL: plain */
};

enum stream_result {
    STREAM_OK,      /* at least one byte moved */
    STREAM_BLOCKED, /* nothing moved: wait for the next edge */
    STREAM_END,     /* orderly end of the other side (recv only) */
    /* the other side has broken the connection: ECONNRESET, EPIPE, or TLS without close_notify */
    STREAM_RESET,
    STREAM_ERROR, /* anything else; errno says what for a plain stream, stream_failure() for TLS */
};

void stream_init(struct stream *stream, int fd);
/* From here on the bytes on the socket are TLS. Takes the SSL over, which is set up for its role. False: no memory, and
   the SSL is still the caller's. */
__attribute__((warn_unused_result)) bool stream_start_tls(struct stream *stream, struct ssl_st *ssl,
                                                          struct tls_scratch *scratch);
/* Continues the handshake: OK when it is done, BLOCKED until the next edge of either kind. Bytes that came with its end
   may be readable without another edge. */
__attribute__((warn_unused_result)) enum stream_result stream_handshake(struct stream *stream);
/* Returns to plain text, for a client that turned out not to speak TLS. */
void stream_stop_tls(struct stream *stream);
/* Moves the TLS part to another worker's scratch memory, for a hand-over. False: it is not idle, or no memory. Always
   true for plain streams. */
__attribute__((warn_unused_result)) bool stream_move(struct stream *stream,
                                                     struct tls_scratch *scratch);
/* Up to space_bytes (> 0) into space. */
__attribute__((warn_unused_result)) enum stream_result stream_recv(struct stream *stream,
                                                                   void *space, size_t space_bytes,
                                                                   size_t *ret_bytes);
/* Sends as much of the pieces (at most IOV_MAX) as fits. Raises no SIGPIPE. The pieces may be empty only while
   stream_unsent(). */
__attribute__((warn_unused_result)) enum stream_result stream_send(struct stream *stream,
                                                                   const struct iovec *pieces,
                                                                   size_t piece_count,
                                                                   size_t *ret_bytes);
/* Whether bytes that stream_send() has taken are partly still here (TLS only): call it again at the next edge, if only
   with no bytes. */
static inline bool stream_unsent(const struct stream *stream);
/* The same for bytes that nobody will look at: they are dropped, of TLS as they are on the wire. The space is for sockets that
   cannot drop them without a copy. */
__attribute__((warn_unused_result)) enum stream_result stream_discard(struct stream *stream,
                                                                      void *space,
                                                                      size_t space_bytes,
                                                                      size_t *ret_bytes);
/* Whether the socket takes bytes now. False: the next edge will tell. Asks the system, while stream_send() finds out by
   trying. */
bool stream_writable(const struct stream *stream);
/* Bytes that the socket has taken and the other side has not. */
uint32_t stream_untaken_bytes(const struct stream *stream);
/* The most payload that has been received and not taken: of TLS it may be less. UINT64_MAX: the system does not say. */
uint64_t stream_unread_bytes(const struct stream *stream);
/* The first received bytes, which stay in the socket (plain only). */
__attribute__((warn_unused_result)) enum stream_result stream_peek(struct stream *stream,
                                                                   void *space, size_t space_bytes,
                                                                   size_t *ret_bytes);
/* Whether anything has arrived, without taking it: STREAM_BLOCKED: no; STREAM_OK: yes. */
__attribute__((warn_unused_result)) enum stream_result stream_probe(struct stream *stream);
/* Whether the connection is broken, for a stream whose end has been received: behind that, the system reports a reset only
   here. */
bool stream_is_broken(const struct stream *stream);
/* Whether the peer has reset the connection. Says so however much is unread, and takes nothing. */
bool stream_is_reset(const struct stream *stream);
/* The next stream_send() is the last: TLS sends its end with it, and stream_end() has less to do. */
void stream_ends(struct stream *stream);
/* Ends this direction: close_notify for TLS, then shutdown(SHUT_WR). */
void stream_end(struct stream *stream);
/* Whether TLS has failed for what the other side sent, and an alert that says so is on its way to it. */
bool stream_alerted(const struct stream *stream);
/* Closes the descriptor; closing a closed stream is fine. `reset`: discard unsent bytes and send RST, so that
   the other side sees a break. */
void stream_close(struct stream *stream, bool reset);
/* Whether bytes may be spliced (plain). */
bool stream_spliceable(const struct stream *stream);
/* Why TLS failed; TLS_FAILURE_NONE if it did not, or if the socket failed. */
enum tls_failure stream_failure(const struct stream *stream);

bool stream_tls_unsent(const struct tls_io *io);
static inline bool stream_unsent(const struct stream *stream)
{
    return __builtin_expect(stream->tls != NULL, 0) && stream_tls_unsent(stream->tls);
}

#endif
