/* Payload out of a stream's buffer into frames, and the windows of both directions. */
#include <string.h>

#include "proxy/http2/h2_state.h"
#include "steady/check.h"

/* Payload of one stream that may wait: with its frames it fits into one packet of the kernel's (64 KiB), and into one buffer. */
#define OUT_MAX_BYTES ((int64_t)(62 * 1024))
#define FRAME_HEAD_BYTES 9
/* Payload of a session that is worth a system call. What waits longer needs memory of its own, which is cold when it is read again. */
#define MUCH_BYTES (32u * 1024)
/* A first piece of so much is part of more: it gets a buffer for all that may wait, and not one that has to be copied into a larger one. */
#define LARGE_PIECE_BYTES 4096u
/* The least payload that is worth a frame when the space is nearly full. */
#define FRAME_MIN_BYTES 1024u

/* ---- how much may be given ---- */

/* nghttp2 knows a stream of a client only once its head is in a frame. */
static int64_t stream_window(const struct h2_stream *stream)
{
    nghttp2_session *frames = stream->session->frames;
    int32_t window = nghttp2_session_get_stream_remote_window_size(frames, stream->id);
    if (window >= 0) {
        return window;
    }
    return (int64_t)nghttp2_session_get_remote_settings(frames,
                                                        NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE);
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static size_t kept_bytes(const struct h2_stream *stream)
{
    return stream->out != NULL ? buf_length(stream->out) : 0;
}

static size_t lent_bytes(const struct h2_stream *stream)
{
    return stream->lent != NULL ? payload_bytes(stream->lent) - stream->lent_at : 0;
}

/* What was given and is not in frames. */
static size_t held_bytes(const struct h2_stream *stream)
{
    return kept_bytes(stream) + lent_bytes(stream);
}

/* What all streams hold has the connection's window before it. */
static int64_t room_of(const struct h2_stream *stream)
{
    const struct h2_session *session = stream->session;
    int64_t held = (int64_t)held_bytes(stream);
    int64_t connection =
        nghttp2_session_get_remote_window_size(session->frames) - (int64_t)session->queued_bytes;
    int64_t room = least(stream_window(stream) - held, OUT_MAX_BYTES - held);
    room = least(room, connection);
    return room > 0 ? room : 0;
}

static void set_waits(struct h2_stream *stream)
{
    stream->session->waiting_count += !(stream->marks & H2_MARK_WAITS);
    stream->marks |= H2_MARK_WAITS;
}

static void clear_waits(struct h2_stream *stream)
{
    stream->session->waiting_count -= (stream->marks & H2_MARK_WAITS) != 0;
    stream->marks &= (uint8_t)~H2_MARK_WAITS;
}

size_t h2_stream_room(struct h2_stream *stream)
{
    if (stream->session == NULL) {
        return 0;
    }
    int64_t room = room_of(stream);
    if (room == 0) {
        set_waits(stream);
    }
    return (size_t)room;
}

void h2_flow_wake(struct h2_stream *stream)
{
    if ((stream->marks & H2_MARK_WAITS) && held_bytes(stream) == 0 && room_of(stream) > 0) {
        clear_waits(stream);
        stream->session->events->drained(stream);
    }
}

void h2_flow_wake_all(struct h2_session *session)
{
    struct h2_stream *stream, *next;
    for (stream = TAILQ_FIRST(&session->streams); stream != NULL && session->waiting_count > 0;
         stream = next) {
        next = TAILQ_NEXT(stream, siblings);
        h2_flow_wake(stream);
    }
}

bool h2_stream_is_held(const struct h2_stream *stream)
{
    return stream->session != NULL &&
           (stream_window(stream) <= 0 ||
            nghttp2_session_get_remote_window_size(stream->session->frames) <= 0);
}

/* ---- giving ---- */

/* The head and its bytes in one buffer. */
static bool keep_trailers(struct h2_stream *stream, const struct http_head *trailers)
{
    struct buf_pool *pool = stream->session->env.bufs;
    stream->trailers = buf_take(pool, sizeof(struct http_head) + head_copy_bytes(trailers));
    if (stream->trailers == NULL) {
        return false;
    }
    char *space = stream->trailers->bytes;
    struct http_head copy;
    head_copy(trailers, &copy, space + sizeof copy);
    memcpy(space, &copy, sizeof copy);
    return true;
}

static void lend(struct h2_stream *stream, const struct payload *payload)
{
    stream->lent = payload;
    stream->lent_at = 0;
    stream->session->queued_bytes += payload_bytes(payload);
}

/* Copies what was lent and is not in frames yet. */
static bool keep_lent(struct h2_stream *stream)
{
    struct h2_session *session = stream->session;
    const struct payload *payload = stream->lent;
    size_t bytes = lent_bytes(stream);
    stream->lent = NULL;
    if (bytes == 0) {
        return true;
    }
    if (bytes >= LARGE_PIECE_BYTES && !payload->last && stream->out == NULL) {
        stream->out = buf_take(session->env.bufs, (size_t)OUT_MAX_BYTES);
    }
    if (!iov_keep(session->env.bufs, &stream->out, payload->iov, payload->count, stream->lent_at)) {
        session->queued_bytes -= bytes;
        return false;
    }
    return true;
}

static bool has_trailers(const struct payload *payload)
{
    return payload->last && payload->trailers != NULL && payload->trailers->field_count > 0;
}

/* May end the stream. */
static void send_much(struct h2_session *session)
{
    if (session->queued_bytes >= MUCH_BYTES && !session->inside &&
        session->events->has_much != NULL) {
        session->events->has_much(session->owner);
    }
}

enum sink h2_stream_give(struct h2_stream *stream, const struct payload *payload)
{
    struct h2_session *session = stream->session;
    if (session == NULL) {
        return SINK_OPEN; /* reset by the other side: its owner has been told, or the session was freed */
    }
    if (has_trailers(payload) && !keep_trailers(stream, payload->trailers)) {
        return SINK_BROKEN;
    }
    lend(stream, payload);
    if (payload->last) {
        h2_stream_end_given(stream);
    }
    /* fails if there is nothing to resume: its head is not sent yet, or it is being read already */
    (void)nghttp2_session_resume_data(session->frames, stream->id);
    send_much(session);
    if (stream->session == NULL) {
        return SINK_OPEN; /* all of it is sent */
    }
    if (!keep_lent(stream)) {
        return SINK_BROKEN;
    }
    bool full = !payload->last && room_of(stream) == 0;
    if (full) {
        set_waits(stream);
    }
    h2_session_tell(session);
    return full ? SINK_FULL : SINK_OPEN;
}

void h2_flow_drop(struct h2_stream *stream)
{
    struct h2_session *session = stream->session;
    clear_waits(stream);
    session->queued_bytes -= held_bytes(stream);
    stream->lent = NULL;
    buf_give(session->env.bufs, &stream->heads);
    buf_give(session->env.bufs, &stream->out);
    buf_give(session->env.bufs, &stream->trailers);
}

/* ---- into frames ---- */

static bool all_given(const struct h2_stream *stream)
{
    return stream->state == H2_STREAM_RECEIVE_ONLY || stream->state == H2_STREAM_ENDING;
}

/* The last payload is in this frame: what ends the stream is its flag, or the trailers behind it. */
static ssize_t end_data(struct h2_stream *stream, size_t bytes, uint32_t *flags)
{
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (stream->trailers != NULL) {
        struct http_head head;
        memcpy(&head, stream->trailers->bytes, sizeof head);
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        bool fits = h2_write_trailers(stream, &head);
        buf_give(stream->session->env.bufs, &stream->trailers);
        if (!fits) {
            return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
        }
    }
    return (ssize_t)bytes;
}

/* Chooses how much goes into the next DATA frame; h2_flow_send_data() writes it. */
static ssize_t read_data(nghttp2_session *frames, int32_t id, uint8_t *space, size_t length,
                         uint32_t *flags, nghttp2_data_source *source, void *user_data)
{
    struct h2_session *session = user_data;
    struct h2_stream *stream = h2_stream_of(frames, id);
    (void)space, (void)source;
    if (stream == NULL) {
        return NGHTTP2_ERR_DEFERRED;
    }
    size_t bytes = held_bytes(stream);
    if (bytes == 0 && !all_given(stream)) {
        return NGHTTP2_ERR_DEFERRED;
    }
    size_t room = (size_t)(session->space.end - session->space.at);
    size_t wanted = bytes < FRAME_MIN_BYTES ? bytes : FRAME_MIN_BYTES;
    if (room < FRAME_HEAD_BYTES + wanted) {
        return NGHTTP2_ERR_PAUSE;
    }
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    size_t most = length < room - FRAME_HEAD_BYTES ? length : room - FRAME_HEAD_BYTES;
    if (bytes > most) {
        return (ssize_t)most;
    }
    return all_given(stream) ? end_data(stream, bytes, flags) : (ssize_t)bytes;
}

nghttp2_data_provider h2_flow_provider(struct h2_stream *stream)
{
    return (nghttp2_data_provider){.source.ptr = stream, .read_callback = read_data};
}

static void put_kept(struct h2_stream *stream, size_t length)
{
    struct h2_session *session = stream->session;
    memcpy(session->space.at, stream->out->bytes + stream->out->begin, length);
    session->space.at += length;
    buf_consume(stream->out, length);
    if (buf_length(stream->out) == 0) {
        buf_give(session->env.bufs, &stream->out);
    }
}

static void put_lent(struct h2_stream *stream, size_t length)
{
    struct h2_space *space = &stream->session->space;
    size_t skipped = stream->lent_at;
    stream->lent_at += (uint32_t)length;
    for (const struct iovec *piece = stream->lent->iov; length > 0; piece++) {
        size_t skip = skipped < piece->iov_len ? skipped : piece->iov_len;
        size_t left = piece->iov_len - skip, bytes = left < length ? left : length;
        memcpy(space->at, (const char *)piece->iov_base + skip, bytes);
        space->at += bytes;
        skipped -= skip;
        length -= bytes;
    }
}

int h2_flow_send_data(nghttp2_session *frames, nghttp2_frame *frame, const uint8_t *head,
                      size_t length, nghttp2_data_source *source, void *user_data)
{
    struct h2_session *session = user_data;
    struct h2_stream *stream = h2_stream_of(frames, frame->hd.stream_id);
    (void)source;
    CHECK(session->space.at != NULL &&
          (size_t)(session->space.end - session->space.at) >= FRAME_HEAD_BYTES + length);
    memcpy(session->space.at, head, FRAME_HEAD_BYTES);
    session->space.at += FRAME_HEAD_BYTES;
    if (length > 0) {
        size_t kept = kept_bytes(stream), first = kept < length ? kept : length;
        if (first > 0) {
            put_kept(stream, first);
        }
        if (first < length) {
            put_lent(stream, length - first);
        }
        session->queued_bytes -= length;
        stream->sent_bytes += length;
    }
    return 0;
}

/* ---- received ---- */

void h2_stream_taken(struct h2_stream *stream, size_t bytes)
{
    struct h2_session *session = stream->session;
    if (session == NULL || bytes == 0) {
        return;
    }
    CHECK(bytes <= stream->held_bytes);
    stream->held_bytes -= (uint32_t)bytes;
    if (stream->state == H2_STREAM_SEND_ONLY || stream->state == H2_STREAM_ENDING) {
        return; /* nothing more comes */
    }
    if (nghttp2_session_consume_stream(session->frames, stream->id, bytes) != 0) {
        h2_session_end(session, H2_INTERNAL_ERROR, "no_memory");
    }
    h2_session_tell(session);
}
