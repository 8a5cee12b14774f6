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

ssize_t socket_recv(int fd, void *space, size_t space_bytes, int flags);
/* Raises no SIGPIPE. */
ssize_t socket_send(int fd, const struct msghdr *message);

#endif
