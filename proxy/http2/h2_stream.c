/* A stream's life: opened or answered by its owner, ended by either side. */
#include <string.h>

#include "proxy/http2/h2_state.h"
#include "steady/check.h"

struct h2_stream *h2_stream_of(nghttp2_session *frames, int32_t id)
{
    return nghttp2_session_get_stream_user_data(frames, id);
}

/* Whether the client has ended the stream itself, or has passed it over (RFC 9113 5.1, 5.1.1). What comes for a stream that this
   side has reset, or for one that is older, may have been on its way. */
bool h2_stream_is_ended(const struct h2_session *session, int32_t id)
{
    return h2_session_is_server(session) && id % 2 == 1 && id <= session->ids.newest &&
           id > session->ids.reset && nghttp2_session_find_stream(session->frames, id) == NULL;
}

void h2_stream_register(struct h2_session *session, struct h2_stream *stream, int32_t id)
{
    *stream = (struct h2_stream){
        .session = session, .id = id, .state = H2_STREAM_OPEN, .expected_bytes = UINT64_MAX};
    TAILQ_INSERT_TAIL(&session->streams, stream, siblings);
    session->streams_count++;
}

/* The only writer of `state`. */
static void enter(struct h2_stream *stream, enum h2_stream_state state)
{
    stream->state = (uint8_t)state;
}

void h2_stream_end_received(struct h2_stream *stream)
{
    bool given = stream->state == H2_STREAM_RECEIVE_ONLY || stream->state == H2_STREAM_ENDING;
    enter(stream, given ? H2_STREAM_ENDING : H2_STREAM_SEND_ONLY);
}

void h2_stream_end_given(struct h2_stream *stream)
{
    bool received = stream->state == H2_STREAM_SEND_ONLY || stream->state == H2_STREAM_ENDING;
    enter(stream, received ? H2_STREAM_ENDING : H2_STREAM_RECEIVE_ONLY);
}

void h2_stream_forget(struct h2_stream *stream)
{
    struct h2_session *session = stream->session;
    h2_flow_drop(stream);
    h2_gather_forget(session, stream);
    TAILQ_REMOVE(&session->streams, stream, siblings);
    session->streams_count--;
    stream->session = NULL;
    enter(stream, H2_STREAM_NONE);
}

bool h2_stream_open(struct h2_session *session, struct h2_stream *stream,
                    const struct http_head *head, const struct added_fields *added, bool secure,
                    bool last)
{
    if (!h2_session_takes_streams(session)) {
        return false;
    }
    stream->heads = NULL;
    int32_t id = h2_write_request(session, stream, head, added, secure, last);
    if (id <= 0) {
        return false;
    }
    struct buf *heads = stream->heads;
    h2_stream_register(session, stream, id);
    stream->heads = heads;
    stream->method = head->method;
    if (last) {
        h2_stream_end_given(stream);
    }
    h2_session_tell(session);
    return true;
}

bool h2_stream_answer(struct h2_stream *stream, const struct http_head *head, const char *date,
                      bool last)
{
    if (stream->session == NULL) {
        return true; /* the client has gone: the stream's `closed` has been, or the session was freed */
    }
    if (!h2_write_response(stream, head, date, last)) {
        return false;
    }
    if (last) {
        h2_stream_end_given(stream);
    }
    h2_session_tell(stream->session);
    return true;
}

static bool is_given(const struct h2_stream *stream)
{
    return stream->state == H2_STREAM_RECEIVE_ONLY || stream->state == H2_STREAM_ENDING;
}

/* Both directions are complete: the stream ends by itself. */
static bool is_complete(const struct h2_stream *stream)
{
    return stream->state == H2_STREAM_ENDING && (stream->marks & H2_MARK_SENT);
}

void h2_stream_reset(struct h2_stream *stream, uint32_t code)
{
    struct h2_session *session = stream->session;
    if (session == NULL) {
        return;
    }
    if (code == H2_NO_ERROR && h2_session_is_server(session) && is_given(stream)) {
        stream->marks |= H2_MARK_UNREAD;
        if (stream->state == H2_STREAM_RECEIVE_ONLY && (stream->marks & H2_MARK_SENT) &&
            nghttp2_submit_rst_stream(session->frames, NGHTTP2_FLAG_NONE, stream->id, code) != 0) {
            h2_session_end(session, H2_INTERNAL_ERROR, "no_memory");
        }
        h2_session_tell(session);
        return;
    }
    nghttp2_session_set_stream_user_data(session->frames, stream->id, NULL);
    if (!is_complete(stream) &&
        nghttp2_submit_rst_stream(session->frames, NGHTTP2_FLAG_NONE, stream->id, code) != 0) {
        h2_session_end(session, H2_INTERNAL_ERROR, "no_memory");
    }
    h2_stream_forget(stream);
    h2_session_tell(session);
}
