/* recv and send that do not wait. By syscall(): what does not wait needs no cancellation point, which costs as much in libc as
   all else here. */
#include "tls/socket_io.h"

#include <errno.h>
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

/* A single piece is cheaper in the kernel without a header around it, and the common case. */
static ssize_t send_once(int fd, const struct msghdr *message)
{
    const struct iovec *only = message->msg_iov;
    if (message->msg_iovlen == 1) {
        return syscall(SYS_sendto, fd, only->iov_base, only->iov_len, MSG_NOSIGNAL | MSG_DONTWAIT,
                       NULL, 0);
    }
    return syscall(SYS_sendmsg, fd, message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

ssize_t socket_send(int fd, const struct msghdr *message)
{
    if (fault_hits(FAULT_WRITE)) {
        errno = EPIPE;
        return -1;
    }
    ssize_t n;
    do {
        n = send_once(fd, message);
    } while (__builtin_expect(n < 0 && errno == EINTR, 0));
    return n;
}
