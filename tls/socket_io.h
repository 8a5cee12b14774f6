/*
 * The system calls below streams, one place for faults to be injected. Private to tls/.
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
/* Sending raises no SIGPIPE. A single piece is cheaper in the kernel without a header around it, and the common case. */
ssize_t socket_send(int fd, const void *bytes, size_t length);
/* At most IOV_MAX of them at once. Not inlined: who sends a single piece needs no room for the header. */
__attribute__((noinline)) ssize_t socket_send_pieces(int fd, const struct iovec *pieces,
                                                     size_t piece_count);

#endif
