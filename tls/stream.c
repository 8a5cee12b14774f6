/* Non-blocking stream I/O: one result, one byte count, no errno for the common cases. */
#include "tls/stream.h"

#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "steady/check.h"
#include "tls/io.h"
#include "tls/socket_io.h"

#define IS_TLS(stream) __builtin_expect((stream)->tls != NULL, 0)

void stream_init(struct stream *stream, int fd)
{
    *stream = (struct stream){.fd = fd};
}

bool stream_start_tls(struct stream *stream, struct ssl_st *ssl, struct tls_scratch *scratch)
{
    CHECK(stream->tls == NULL);
    stream->tls = tls_io_create(stream->fd, ssl, scratch);
    return stream->tls != NULL;
}

enum stream_result stream_handshake(struct stream *stream)
{
    return tls_io_handshake(stream->tls);
}

void stream_stop_tls(struct stream *stream)
{
    tls_io_free(&stream->tls);
}

bool stream_move(struct stream *stream, struct tls_scratch *scratch)
{
    return stream->tls == NULL || tls_io_move(stream->tls, scratch);
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

static enum stream_result receive(struct stream *stream, void *space, size_t space_bytes, int flags,
                                  size_t *ret_bytes)
{
    ssize_t n = socket_recv(stream->fd, space, space_bytes, flags);
    stream->drained = n != (ssize_t)space_bytes;
    if (n < 0) {
        return result_of_errno();
    }
    if (n == 0) {
        return STREAM_END;
    }
    *ret_bytes = (size_t)n;
    return STREAM_OK;
}

enum stream_result stream_recv(struct stream *stream, void *space, size_t space_bytes,
                               size_t *ret_bytes)
{
    CHECK(space_bytes > 0);
    if (IS_TLS(stream)) {
        return tls_io_recv(stream->tls, space, space_bytes, ret_bytes, &stream->drained);
    }
    return receive(stream, space, space_bytes, 0, ret_bytes);
}

enum stream_result stream_discard(struct stream *stream, void *space, size_t space_bytes,
                                  size_t *ret_bytes)
{
    return receive(stream, space, space_bytes, MSG_TRUNC, ret_bytes);
}

enum stream_result stream_send(struct stream *stream, const struct iovec *pieces,
                               size_t piece_count, size_t *ret_bytes)
{
    if (IS_TLS(stream)) {
        return tls_io_send(stream->tls, pieces, piece_count, ret_bytes);
    }
    ssize_t n = __builtin_expect(piece_count == 1, 1)
                    ? socket_send(stream->fd, pieces->iov_base, pieces->iov_len, 0)
                    : socket_send_pieces(stream->fd, pieces, piece_count);
    if (n < 0) {
        return result_of_errno();
    }
    *ret_bytes = (size_t)n;
    return STREAM_OK;
}

/* poll() arms the edge: a socket that was never full gives no edge when it empties. A broken socket is writable, and
   the sender is told. */
bool stream_writable(const struct stream *stream)
{
    struct pollfd socket = {.fd = stream->fd, .events = POLLOUT};
    return poll(&socket, 1, 0) != 0;
}

bool stream_tls_unsent(const struct tls_io *io)
{
    return tls_io_unsent(io);
}

enum stream_result stream_peek(struct stream *stream, void *space, size_t space_bytes,
                               size_t *ret_bytes)
{
    CHECK(stream->tls == NULL);
    ssize_t n = socket_recv(stream->fd, space, space_bytes, MSG_PEEK);
    if (n < 0) {
        return result_of_errno();
    }
    if (n == 0) {
        return STREAM_END;
    }
    *ret_bytes = (size_t)n;
    return STREAM_OK;
}

enum stream_result stream_probe(struct stream *stream)
{
    char byte;
    size_t n;
    return IS_TLS(stream) ? tls_io_probe(stream->tls) : stream_peek(stream, &byte, 1, &n);
}

uint32_t stream_untaken_bytes(const struct stream *stream)
{
    int bytes;
    return ioctl(stream->fd, SIOCOUTQ, &bytes) == 0 && bytes > 0 ? (uint32_t)bytes : 0;
}

uint64_t stream_unread_bytes(const struct stream *stream)
{
    int bytes;
    if (ioctl(stream->fd, SIOCINQ, &bytes) != 0 || bytes < 0) {
        return UINT64_MAX;
    }
    return (uint64_t)bytes + (IS_TLS(stream) ? tls_io_unread_bytes(stream->tls) : 0);
}

/* poll() reports errors and hang-ups whatever is asked for. */
static int troubles_of(const struct stream *stream)
{
    struct pollfd socket = {.fd = stream->fd};
    return poll(&socket, 1, 0) > 0 ? socket.revents & (POLLERR | POLLHUP) : 0;
}

/* POLLHUP means both directions, and this one is still open. */
bool stream_is_broken(const struct stream *stream)
{
    return troubles_of(stream) != 0;
}

/* Not POLLHUP: of a UNIX socket it says that the peer has closed, be it behind a whole request. */
bool stream_is_reset(const struct stream *stream)
{
    return (troubles_of(stream) & POLLERR) != 0;
}

void stream_ends(struct stream *stream)
{
    if (IS_TLS(stream)) {
        tls_io_ends(stream->tls);
    }
}

void stream_end(struct stream *stream)
{
    if (stream->fd < 0) {
        return;
    }
    if (stream->tls != NULL) {
        tls_io_end(stream->tls);
    }
    (void)shutdown(stream->fd, SHUT_WR);
}

/* After EINTR Linux has closed the descriptor. It may already belong to something else and is not closed again. */
void stream_close(struct stream *stream, bool reset)
{
    if (stream->fd < 0) {
        return;
    }
    if (stream->tls != NULL && !reset) {
        tls_io_end(stream->tls);
    }
    tls_io_free(&stream->tls);
    if (reset) {
        struct linger at_once = {.l_onoff = 1, .l_linger = 0};
        (void)setsockopt(stream->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    }
    (void)close(stream->fd);
    stream->fd = -1;
}

bool stream_alerted(const struct stream *stream)
{
    return stream->tls != NULL && tls_io_alerted(stream->tls);
}

bool stream_spliceable(const struct stream *stream)
{
    return stream->fd >= 0 && stream->tls == NULL;
}

enum tls_failure stream_failure(const struct stream *stream)
{
    return stream->tls != NULL ? tls_io_failure(stream->tls) : TLS_FAILURE_NONE;
}
