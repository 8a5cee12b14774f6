/* Non-blocking socket I/O: one result, one byte count, no errno for the common cases. */
#include "tls/stream.h"

#include <errno.h>
#include <limits.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "steady/check.h"
#include "steady/fault.h"

const char *stream_result_name(enum stream_result result)
{
    switch (result) {
    case STREAM_OK: return "ok";
    case STREAM_BLOCKED: return "blocked";
    case STREAM_END: return "end";
    case STREAM_RESET: return "reset";
    case STREAM_ERROR: return "error";
    }
    return "unknown";
}

void stream_init(struct stream *stream, int fd)
{
    stream->fd = fd;
}

static enum stream_result result_of_errno(void)
{
    switch (errno) {
    case EAGAIN: return STREAM_BLOCKED;
    case ECONNRESET:
    case EPIPE: return STREAM_RESET;
    default: return STREAM_ERROR;
    }
}

/* By syscall(): what does not wait needs no cancellation point, which in libc costs as much as all else here. */
static ssize_t recv_once(int fd, void *room, size_t room_bytes, int flags)
{
    if (fault_hits(FAULT_READ)) {
        errno = ECONNRESET;
        return -1;
    }
    return syscall(SYS_recvfrom, fd, room, room_bytes, flags | MSG_DONTWAIT, NULL, NULL);
}

static ssize_t send_once(int fd, const struct msghdr *message)
{
    if (fault_hits(FAULT_WRITE)) {
        errno = EPIPE;
        return -1;
    }
    const struct iovec *only = message->msg_iov;
    if (message->msg_iovlen == 1) /* the common case, and cheaper in the kernel */
        return syscall(SYS_sendto, fd, only->iov_base, only->iov_len, MSG_NOSIGNAL | MSG_DONTWAIT,
                       NULL, 0);
    return syscall(SYS_sendmsg, fd, message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

enum stream_result stream_recv(struct stream *stream, void *room, size_t room_bytes,
                               size_t *ret_bytes)
{
    CHECK(room_bytes > 0);
    ssize_t n;
    do
        n = recv_once(stream->fd, room, room_bytes, 0);
    while (__builtin_expect(n < 0 && errno == EINTR, 0));
    if (n < 0)
        return result_of_errno();
    if (n == 0)
        return STREAM_END;
    *ret_bytes = (size_t)n;
    return STREAM_OK;
}

enum stream_result stream_send(struct stream *stream, const struct iovec *pieces,
                               size_t piece_count, size_t *ret_bytes)
{
    /* The kernel only reads the pieces, though its struct does not say so. */
    union {
        const struct iovec *ours;
        struct iovec *kernels;
    } both = {.ours = pieces};
    struct msghdr message = {
        .msg_iov = both.kernels,
        .msg_iovlen = piece_count < IOV_MAX ? piece_count : IOV_MAX,
    };
    ssize_t n;
    do
        n = send_once(stream->fd, &message);
    while (__builtin_expect(n < 0 && errno == EINTR, 0));
    if (n < 0)
        return result_of_errno();
    *ret_bytes = (size_t)n;
    return STREAM_OK;
}

enum stream_result stream_probe(struct stream *stream)
{
    char byte;
    ssize_t n;
    do
        n = recv_once(stream->fd, &byte, 1, MSG_PEEK);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return result_of_errno();
    return n == 0 ? STREAM_END : STREAM_OK;
}

void stream_end(struct stream *stream)
{
    if (stream->fd >= 0)
        (void)shutdown(stream->fd, SHUT_WR);
}

/* After EINTR Linux has closed the descriptor: it may be someone else's by now and is not closed again. */
void stream_close(struct stream *stream, bool reset)
{
    if (stream->fd < 0)
        return;
    if (reset) {
        struct linger at_once = {.l_onoff = 1, .l_linger = 0};
        (void)setsockopt(stream->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    }
    (void)close(stream->fd);
    stream->fd = -1;
}

bool stream_spliceable(const struct stream *stream)
{
    return stream->fd >= 0;
}
