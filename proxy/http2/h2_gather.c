/* Payload of a response that arrives in frames one behind the other is told at once: what its receiver does with it costs as much for a frame
   as for all of them. */
#include "proxy/http2/h2_state.h"

bool h2_gather_goes_on(const struct h2_session *session, const nghttp2_frame_hd *head)
{
    const struct h2_run *run = session->frame.run;
    return run->count == 0 || (head->type == NGHTTP2_DATA && head->stream_id == run->stream->id);
}

/* What may be given to a stream of another session at a time, which the frames of a read can exceed. */
static bool is_full(const struct h2_run *run, size_t more_bytes)
{
    return run->count == H2_RUN_PIECES || run->bytes + more_bytes > H2_RUN_BYTES;
}

void h2_gather_add(struct h2_session *session, struct h2_stream *stream, const uint8_t *bytes,
                   size_t length)
{
    struct h2_run *run = session->frame.run;
    run->pieces[run->count++] = (struct iovec){(void *)(uintptr_t)bytes, length};
    run->bytes += (uint32_t)length;
    run->stream = stream;
}

struct payload h2_gather_take(struct h2_session *session)
{
    struct h2_run *run = session->frame.run;
    const struct payload payload = {.iov = run->pieces, .count = run->count};
    run->count = run->bytes = 0;
    return payload;
}

void h2_gather_tell(struct h2_session *session)
{
    if (session->frame.run->count > 0) {
        const struct payload payload = h2_gather_take(session);
        session->events->payload(session->frame.run->stream, &payload);
    }
}

void h2_gather_make_room(struct h2_session *session, size_t bytes)
{
    if (is_full(session->frame.run, bytes)) {
        h2_gather_tell(session);
    }
}

void h2_gather_forget(struct h2_session *session, const struct h2_stream *stream)
{
    struct h2_run *run = session->frame.run;
    if (run != NULL && run->count > 0 && run->stream == stream) {
        run->count = run->bytes = 0;
    }
}
