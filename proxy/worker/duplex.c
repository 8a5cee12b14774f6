/* Sending and receiving at one end of a connection. */
#include "proxy/worker/duplex.h"

#include <event2/event.h>

#include "proxy/http/payload.h"
#include "proxy/worker/worker.h"
#include "steady/check.h"

/* A receive of fewer bytes is not worth its system call. */
#define DUPLEX_LEAST_BYTES 512
#define DUPLEX_MORE_BYTES 1024

void duplex_on_event(struct duplex *duplex, short what)
{
    if (what & EV_CLOSED) {
        duplex->saw_end = true;
    }
    if (what & (EV_READ | EV_CLOSED)) {
        duplex->readable = true;
    }
}

/* ---- out ---- */

enum duplex_result duplex_send(struct duplex *duplex, struct buf_pool *bufs,
                               const struct iovec *iov, size_t count, size_t *ret_sent)
{
    *ret_sent = 0;
    if (__builtin_expect(duplex->send_broken, 0)) {
        return DUPLEX_BROKEN;
    }
    if (__builtin_expect(duplex->out == NULL, 1)) {
        enum stream_result result = stream_send(duplex->stream, iov, count, ret_sent);
        if (result == STREAM_OK) {
            if (*ret_sent == iov_bytes(iov, count) && !stream_unsent(duplex->stream)) {
                return DUPLEX_SENT;
            }
        } else if (result != STREAM_BLOCKED) {
            duplex->send_broken = true;
            return DUPLEX_BROKEN;
        }
    }
    return iov_keep(bufs, &duplex->out, iov, count, *ret_sent) ? DUPLEX_KEPT : DUPLEX_NO_MEMORY;
}

enum duplex_result duplex_flush(struct duplex *duplex, struct buf_pool *bufs, size_t *ret_sent)
{
    struct buf *out = duplex->out;
    const struct iovec kept = {out->bytes + out->begin, buf_length(out)};
    *ret_sent = 0;
    enum stream_result result = stream_send(duplex->stream, &kept, 1, ret_sent);
    if (result == STREAM_BLOCKED) {
        return DUPLEX_KEPT;
    }
    if (result != STREAM_OK) {
        duplex->send_broken = true;
        buf_give(bufs, &duplex->out);
        return DUPLEX_BROKEN;
    }
    buf_consume(out, *ret_sent);
    if (buf_length(out) > 0 || stream_unsent(duplex->stream)) {
        return DUPLEX_KEPT;
    }
    buf_give(bufs, &duplex->out);
    if (duplex->end_wanted) {
        stream_end(duplex->stream);
    }
    return DUPLEX_SENT;
}

void duplex_end(struct duplex *duplex)
{
    duplex->end_wanted = true;
    if (duplex->out == NULL) {
        stream_end(duplex->stream);
    }
}

/* ---- in ---- */

bool duplex_kept_input(const struct duplex *duplex, struct duplex_input *ret_input)
{
    if (duplex->in == NULL || duplex->starved) {
        return false;
    }
    *ret_input =
        (struct duplex_input){duplex->in->bytes + duplex->in->begin, buf_length(duplex->in), true};
    return true;
}

enum stream_result duplex_receive(struct duplex *duplex, struct worker *worker, size_t most_bytes,
                                  struct duplex_input *ret_input, size_t *ret_got)
{
    char *space = worker->read_scratch;
    size_t space_bytes = WORKER_READ_BYTES;
    if (duplex->in != NULL) {
        if (buf_space(duplex->in) < DUPLEX_LEAST_BYTES &&
            !buf_widen(worker->bufs, &duplex->in, buf_length(duplex->in) + DUPLEX_MORE_BYTES)) {
            return STREAM_ERROR;
        }
        space = duplex->in->bytes + duplex->in->end;
        space_bytes = buf_space(duplex->in);
    }
    enum stream_result result = stream_recv(
        duplex->stream, space, space_bytes < most_bytes ? space_bytes : most_bytes, ret_got);
    if (result != STREAM_OK) {
        duplex->readable = result != STREAM_BLOCKED;
        duplex->suspect = false;
        return result;
    }
    /* the next edge announces more, unless the end is already known to follow */
    duplex->readable = !duplex->stream->drained || duplex->saw_end;
    duplex->suspect = !duplex->readable;
    if (duplex->in != NULL) {
        duplex->in->end += (uint32_t)*ret_got;
        *ret_input = (struct duplex_input){duplex->in->bytes + duplex->in->begin,
                                           buf_length(duplex->in), true};
    } else {
        *ret_input = (struct duplex_input){space, *ret_got, false};
    }
    return STREAM_OK;
}

bool duplex_keep(struct duplex *duplex, struct buf_pool *bufs, const struct duplex_input *input,
                 size_t consumed)
{
    if (input->buffered) {
        if (duplex->in != NULL) {
            buf_consume(duplex->in, consumed);
            if (buf_length(duplex->in) == 0) {
                buf_give(bufs, &duplex->in);
            }
        }
        return true;
    }
    size_t left = input->length - consumed;
    if (left == 0) {
        return true;
    }
    CHECK(duplex->in == NULL);
    duplex->in = buf_take(bufs, left);
    return duplex->in != NULL && buf_append(duplex->in, input->bytes + consumed, left);
}

void duplex_release(struct duplex *duplex, struct buf_pool *bufs)
{
    buf_give(bufs, &duplex->in);
    buf_give(bufs, &duplex->out);
}
