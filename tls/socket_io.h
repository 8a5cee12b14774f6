/*
 * The system calls of streams. Tests inject faults here. Private to tls/.
 *
 * Owns nothing. Thread: any. Errors: -1 and errno, never EINTR.
 */
#ifndef EVENKEEL_TLS_SOCKET_IO_H
#define EVENKEEL_TLS_SOCKET_IO_H

#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

ssize_t socket_recv(int fd, void *space, size_t space_bytes, int flags);
/* Sends without SIGPIPE. A single piece is the common case, and cheaper in the kernel without a message header. `flags`: 0 or MSG_MORE. */
ssize_t socket_send(int fd, const void *bytes, size_t length, int flags);
/* Sends at most IOV_MAX pieces. Not inlined, so that callers with a single piece need no stack for the header. */
__attribute__((noinline)) ssize_t socket_send_pieces(int fd, const struct iovec *pieces,
                                                     size_t piece_count);

#endif
