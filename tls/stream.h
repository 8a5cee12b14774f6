/*
 * Stream: a connected non-blocking socket, plain now, TLS behind the same calls later.
 *
 * Owns: the descriptor. Thread: its worker's. Errors: enum stream_result; a byte count is an out-parameter.
 * Sockets are edge-triggered: after STREAM_BLOCKED (or a short transfer, which says the same) the next edge will come.
 */
#ifndef EVENKEEL_TLS_STREAM_H
#define EVENKEEL_TLS_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct stream {
    int fd; /* -1: closed */
};

enum stream_result {
    STREAM_OK,      /* at least one byte moved */
    STREAM_BLOCKED, /* nothing moved: wait for the next edge */
    STREAM_END,     /* orderly end of the other side (recv only) */
    STREAM_RESET,   /* the other side has broken it: ECONNRESET, EPIPE */
    STREAM_ERROR,   /* anything else; errno says what */
};
const char *stream_result_name(enum stream_result result);

void stream_init(struct stream *stream, int fd);
/* Up to room_bytes (> 0) into room. */
__attribute__((warn_unused_result)) enum stream_result stream_recv(struct stream *stream,
                                                                   void *room, size_t room_bytes,
                                                                   size_t *ret_bytes);
/* As much of the pieces (together at least a byte; at most IOV_MAX pieces at once) as fits. Raises no SIGPIPE. */
__attribute__((warn_unused_result)) enum stream_result stream_send(struct stream *stream,
                                                                   const struct iovec *pieces,
                                                                   size_t piece_count,
                                                                   size_t *ret_bytes);
/* Whether anything came, without taking it: STREAM_BLOCKED is no; STREAM_OK is yes. */
__attribute__((warn_unused_result)) enum stream_result stream_probe(struct stream *stream);
/* Ends our direction (shutdown(SHUT_WR), later close_notify before it). */
void stream_end(struct stream *stream);
/* Closes the descriptor; closing a closed stream is fine. `reset`: discard unsent bytes and send RST, so that
   the other side sees a break. */
void stream_close(struct stream *stream, bool reset);
/* True when bytes may be spliced past user space (plain). */
bool stream_spliceable(const struct stream *stream);

#endif
