/* Non-blocking recv and send, by syscall(): a call that does not block needs no cancellation point, which costs as much
   in libc as everything else here. */
#include "tls/socket_io.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "steady/fault.h"

ssize_t socket_recv(int fd, void *space, size_t space_bytes, int flags)
{
    if (fault_hits(FAULT_READ)) {
        errno = ECONNRESET;
        return -1;
    }
    ssize_t n;
    do {
        n = syscall(SYS_recvfrom, fd, space, space_bytes, flags | MSG_DONTWAIT, NULL, NULL);
    } while (__builtin_expect(n < 0 && errno == EINTR, 0));
    return n;
}

ssize_t socket_send(int fd, const void *bytes, size_t length, int flags)
{
    if (fault_hits(FAULT_WRITE)) {
        errno = EPIPE;
        return -1;
    }
    ssize_t n;
    do {
        n = syscall(SYS_sendto, fd, bytes, length, flags | MSG_NOSIGNAL | MSG_DONTWAIT, NULL, 0);
    } while (__builtin_expect(n < 0 && errno == EINTR, 0));
    return n;
}

ssize_t socket_send_pieces(int fd, const struct iovec *pieces, size_t piece_count)
{
    /* The kernel only reads the pieces, although its struct does not say so. */
    const struct msghdr message = {
        .msg_iov = (struct iovec *)(uintptr_t)pieces,
        .msg_iovlen = piece_count < IOV_MAX ? piece_count : IOV_MAX,
    };
    if (fault_hits(FAULT_WRITE)) {
        errno = EPIPE;
        return -1;
    }
    ssize_t n;
    do {
        n = syscall(SYS_sendmsg, fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (__builtin_expect(n < 0 && errno == EINTR, 0));
    return n;
}
