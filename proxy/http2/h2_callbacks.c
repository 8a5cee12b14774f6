/* What nghttp2 tells becomes events. A callback that gives an event touches the stream no more: its owner may have ended it. */
#include "proxy/http2/h2_head.h"
#include "proxy/http2/h2_priority.h"
#include "proxy/http2/h2_state.h"
#include "steady/check.h"

/* The other side may send so many WINDOW_UPDATE frames for each frame that it is sent, and two for each message in it: the
   libraries of gRPC open the windows of stream and connection for every message, and the shortest has five bytes. */
#define UPDATES_FOR_A_FRAME 4
#define SHORTEST_MESSAGE_BYTES 5
/* DATA frames without payload, with which servers flush, that a message may have besides one for each with payload. */
#define EMPTY_FOR_A_MESSAGE 4
/* A head beyond the limits costs as much as a reset for each of so many bytes. */
#define EXCESS_BYTES (8u * 1024)
#define LARGEST_FRAME_BYTES 16384 /* RFC 9113 4.2: SETTINGS_MAX_FRAME_SIZE, which is not changed */

/* ---- field blocks ---- */

static enum h2_block_kind kind_of(const struct h2_session *session, const nghttp2_frame *frame,
                                  const struct h2_stream *stream)
{
    if (h2_session_is_server(session)) {
        return frame->headers.cat == NGHTTP2_HCAT_REQUEST ? H2_BLOCK_REQUEST : H2_BLOCK_TRAILERS;
    }
    return stream != NULL && (stream->marks & H2_MARK_HEAD) ? H2_BLOCK_TRAILERS : H2_BLOCK_RESPONSE;
}

/* RST_STREAM for what the other side did. If this frame ends the stream, nghttp2 closes it and sends none: `closed` tells the code all the
   same. */
static int reset(struct h2_session *session, int32_t id, uint32_t code)
{
    struct h2_stream *stream = h2_stream_of(session->frames, id);
    if (stream != NULL && stream->code == H2_NO_ERROR) {
        stream->code = code;
    }
    int result = nghttp2_submit_rst_stream(session->frames, NGHTTP2_FLAG_NONE, id, code);
    return result == 0 ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

/* Ends a stream, or the connection, for what is wrong with a block. */
static int refuse_block(struct h2_session *session, int32_t id, enum h2_block_result result)
{
    bool request = session->block.kind == H2_BLOCK_REQUEST;
    h2_block_release(&session->block, session->env.bufs);
    switch (result) {
    case H2_BLOCK_OK: break;
    case H2_BLOCK_FLOOD: return h2_session_calm(session, H2_ABUSE_HEADS);
    case H2_BLOCK_MALFORMED:
        if (request && !h2_session_charge(session, H2_ABUSE_RESETS)) {
            return h2_session_calm(session, H2_ABUSE_RESETS);
        }
        return reset(session, id, H2_PROTOCOL_ERROR);
    case H2_BLOCK_NO_MEMORY:
        return reset(session, id, request ? H2_REFUSED_STREAM : H2_INTERNAL_ERROR);
    }
    return 0;
}

/* The same while it is still being read: nghttp2 goes on for HPACK's sake, and says no more of it. */
static int refuse_part(struct h2_session *session, int32_t id, enum h2_block_result result)
{
    int refused = refuse_block(session, id, result);
    return refused == 0 ? NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE : refused;
}

/* What nghttp2 is given has no fields: all of them are known. */
static int recall(struct h2_session *session, int32_t id)
{
    enum h2_block_result result =
        h2_memo_recall(session->frame.known, &session->block, session->env.bufs);
    return result == H2_BLOCK_OK ? 0 : refuse_part(session, id, result);
}

static int on_begin_headers(nghttp2_session *frames, const nghttp2_frame *frame, void *user_data)
{
    struct h2_session *session = user_data;
    struct h2_stream *stream = h2_stream_of(frames, frame->hd.stream_id);
    enum h2_block_kind kind = kind_of(session, frame, stream);
    h2_block_release(&session->block, session->env.bufs);
    if (kind == H2_BLOCK_REQUEST) {
        session->ids.newest = frame->hd.stream_id;
    }
    if (kind == H2_BLOCK_REQUEST || stream != NULL) {
        h2_block_begin(&session->block, kind);
        return session->frame.known != NULL ? recall(session, frame->hd.stream_id) : 0;
    }
    return 0;
}

static int on_header(nghttp2_session *frames, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_bytes, const uint8_t *value, size_t value_bytes, uint8_t flags,
                     void *user_data)
{
    struct h2_session *session = user_data;
    (void)frames, (void)flags;
    if (session->block.kind == H2_BLOCK_NONE) {
        return 0;
    }
    enum h2_block_result result =
        h2_block_add(&session->block, session->env.bufs, &session->limits, (const char *)name,
                     name_bytes, (const char *)value, value_bytes);
    return result == H2_BLOCK_OK ? 0 : refuse_part(session, frame->hd.stream_id, result);
}

/* nghttp2 resets a stream, or ends the connection, for this frame, and says no more of a head. A stream that has an owner is charged when
   it is over; a request that is malformed has none. */
static int on_invalid_frame(nghttp2_session *frames, const nghttp2_frame *frame, int error,
                            void *user_data)
{
    struct h2_session *session = user_data;
    (void)error;
    if (frame->hd.type == NGHTTP2_PRIORITY_UPDATE) {
        /* RFC 9218 7.1: a connection error. nghttp2 before 1.68.1 reads on behind it, and aborts (CVE-2026-27135). */
        h2_session_end(session, H2_PROTOCOL_ERROR, NULL);
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    bool owned = h2_stream_of(frames, frame->hd.stream_id) != NULL;
    if (frame->hd.type == NGHTTP2_HEADERS) {
        h2_block_release(&session->block, session->env.bufs);
    }
    if (frame->hd.type == NGHTTP2_HEADERS && h2_session_is_server(session) && !owned &&
        !h2_session_charge(session, H2_ABUSE_RESETS)) {
        return h2_session_calm(session, H2_ABUSE_RESETS);
    }
    return 0;
}

/* ---- heads ---- */

/* RFC 9113 8.1.1: how much payload must come. A message without content has none. */
static uint64_t expected_of(const struct http_head *head)
{
    bool endless = head->framing == FRAMING_CHUNKED || head->method == METHOD_CONNECT ||
                   (head->facts & FACT_EXTENDED_CONNECT);
    return endless ? UINT64_MAX : head->framing == FRAMING_LENGTH ? head->content_length : 0;
}

static bool is_excess(enum h2_fault fault)
{
    return fault == H2_FAULT_HEAD_TOO_LARGE || fault == H2_FAULT_TOO_MANY_FIELDS ||
           fault == H2_FAULT_TARGET_TOO_LONG;
}

/* HPACK makes kilobytes of a few bytes. False: the budget is spent. */
static bool charge_excess(struct h2_session *session)
{
    bool left = true;
    for (uint64_t bytes = 0; left && bytes < session->block.size_bytes; bytes += EXCESS_BYTES) {
        left = h2_session_charge(session, H2_ABUSE_RESETS);
    }
    return left;
}

/* Responses that are not incremental are sent one after the other (RFC 9218 4.2). A client that says nothing of priorities, such as a
   gRPC library, would have them wait for each other without end: it gets them in turn, as a server may (9). */
static void set_priority(struct h2_session *session, int32_t id, const struct http_head *head)
{
    struct h2_priority priority;
    bool told = h2_priority_of(head, &priority);
    nghttp2_extpri order = {NGHTTP2_EXTPRI_DEFAULT_URGENCY, 1};
    if (told) {
        order = (nghttp2_extpri){priority.urgency, priority.incremental};
    }
    session->frame.prioritised = session->frame.prioritised || told;
    if (told || !session->frame.prioritised) {
        (void)nghttp2_session_change_extpri_stream_priority(session->frames, id, &order, 0);
    }
}

static int take_request(struct h2_session *session, int32_t id, bool last)
{
    struct http_head head;
    enum h2_fault fault;
    enum h2_block_result result =
        h2_head_request(&session->block, session->env.bufs, last, &head, &fault);
    if (result != H2_BLOCK_OK) {
        return refuse_block(session, id, result);
    }
    if (is_excess(fault) && !charge_excess(session)) {
        return h2_session_calm(session, H2_ABUSE_RESETS);
    }
    struct h2_stream *stream = session->leaving ? NULL : session->events->opened(session->owner);
    if (stream == NULL) {
        h2_block_release(&session->block, session->env.bufs);
        return reset(session, id, H2_REFUSED_STREAM);
    }
    h2_stream_register(session, stream, id);
    nghttp2_session_set_stream_user_data(session->frames, id, stream);
    set_priority(session, id, &head);
    stream->marks = H2_MARK_HEAD | (fault != H2_FAULT_NONE ? H2_MARK_REFUSED : 0);
    stream->method = head.method;
    /* of a head with a fault not all may have been kept: what follows is not judged */
    stream->expected_bytes = fault == H2_FAULT_NONE ? expected_of(&head) : UINT64_MAX;
    if (last) {
        h2_stream_end_received(stream);
    }
    session->events->request(stream, &head, fault, last);
    h2_block_release(&session->block, session->env.bufs);
    return 0;
}

static int take_response(struct h2_session *session, struct h2_stream *stream, bool last)
{
    struct http_head head;
    if (session->block.fault != H2_FAULT_NONE) {
        h2_block_release(&session->block, session->env.bufs);
        return reset(session, stream->id, H2_ENHANCE_YOUR_CALM);
    }
    enum h2_block_result result = h2_head_response(&session->block, session->env.bufs,
                                                   (enum http_method)stream->method, last, &head);
    if (result != H2_BLOCK_OK) {
        return refuse_block(session, stream->id, result);
    }
    if (head.status >= 200) {
        stream->marks |= H2_MARK_HEAD;
        stream->expected_bytes = expected_of(&head);
    }
    if (last) {
        h2_stream_end_received(stream);
    }
    session->events->response(stream, &head, last);
    h2_block_release(&session->block, session->env.bufs);
    return 0;
}

/* The end of what is received. RFC 9113 8.1, 8.1.1: without a head, or with less than Content-Length says, it is malformed. */
static int take_end(struct h2_session *session, struct h2_stream *stream,
                    const struct http_head *trailers)
{
    struct payload payload = h2_gather_take(session);
    bool whole =
        (stream->marks & H2_MARK_HEAD) &&
        (stream->expected_bytes == UINT64_MAX || stream->received_bytes == stream->expected_bytes);
    if (!whole) {
        return reset(session, stream->id, H2_PROTOCOL_ERROR);
    }
    h2_stream_end_received(stream);
    h2_abuse_credit(&session->abuse, H2_ABUSE_EMPTY_DATA, EMPTY_FOR_A_MESSAGE);
    if (!(stream->marks & H2_MARK_REFUSED)) {
        payload.last = true;
        payload.trailers = trailers;
        session->events->payload(stream, &payload);
    }
    return 0;
}

static int take_trailers(struct h2_session *session, struct h2_stream *stream, bool last)
{
    struct http_head head;
    enum h2_block_result result =
        last ? h2_head_trailers(&session->block, session->env.bufs, &head) : H2_BLOCK_MALFORMED;
    if (result == H2_BLOCK_OK && session->block.fault != H2_FAULT_NONE) {
        h2_block_release(&session->block, session->env.bufs);
        return reset(session, stream->id, H2_ENHANCE_YOUR_CALM);
    }
    if (result != H2_BLOCK_OK) {
        return refuse_block(session, stream->id, result);
    }
    int taken = take_end(session, stream, &head);
    h2_block_release(&session->block, session->env.bufs);
    return taken;
}

static int take_block(struct h2_session *session, const nghttp2_frame *frame)
{
    int32_t id = frame->hd.stream_id;
    bool last = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    struct h2_stream *stream = h2_stream_of(session->frames, id);
    session->frame.unpacked_bytes += (uint32_t)session->block.size_bytes;
    if (session->frame.packed != NULL) {
        h2_memo_keep(&session->frame.memo, &session->memory, session->frame.packed,
                     session->frame.packed_bytes, &session->block);
    }
    switch ((enum h2_block_kind)session->block.kind) {
    case H2_BLOCK_REQUEST: return take_request(session, id, last);
    case H2_BLOCK_RESPONSE: return take_response(session, stream, last);
    case H2_BLOCK_TRAILERS: return take_trailers(session, stream, last);
    case H2_BLOCK_NONE: break;
    }
    return 0;
}

/* ---- payload ---- */

static int break_off(struct h2_session *session, uint32_t code)
{
    h2_session_end(session, code, NULL);
    return NGHTTP2_ERR_CALLBACK_FAILURE;
}

/* The budget that a frame is taken from; H2_ABUSE_COUNT: none. Payload and heads are paid for by the request that they belong to.
   Frames of unknown types are not told here: h2_watch.h sees them. */
static unsigned abuse_of(const struct h2_session *session, const nghttp2_frame_hd *head)
{
    switch (head->type) {
    case NGHTTP2_DATA:
        return head->length == 0 && !(head->flags & NGHTTP2_FLAG_END_STREAM) ? H2_ABUSE_EMPTY_DATA
                                                                             : H2_ABUSE_COUNT;
    case NGHTTP2_RST_STREAM:
        return h2_session_is_server(session) ? H2_ABUSE_RESETS : H2_ABUSE_COUNT;
    case NGHTTP2_SETTINGS: return H2_ABUSE_SETTINGS;
    case NGHTTP2_PING: return H2_ABUSE_PINGS;
    case NGHTTP2_PRIORITY:
    case NGHTTP2_PRIORITY_UPDATE: return H2_ABUSE_PRIORITIES;
    case NGHTTP2_WINDOW_UPDATE: return H2_ABUSE_WINDOW_UPDATES;
    case NGHTTP2_GOAWAY: return H2_ABUSE_GOAWAYS;
    default: return H2_ABUSE_COUNT;
    }
}

/* Trailers of a request that was cut off, and requests beyond GOAWAY, are unpacked for HPACK's sake and told to nobody. */
static int check_head(struct h2_session *session, int32_t id)
{
    bool fresh = id > session->ids.heard;
    if (fresh) {
        session->ids.heard = id;
    }
    if (!h2_session_is_server(session) || (fresh && !session->leaving)) {
        return 0;
    }
    if (h2_stream_is_ended(session, id)) {
        return break_off(session, H2_STREAM_CLOSED);
    }
    const struct h2_stream *stream = h2_stream_of(session->frames, id);
    bool served = stream != NULL && stream->code == H2_NO_ERROR;
    return served || h2_session_charge(session, H2_ABUSE_RESETS)
               ? 0
               : h2_session_calm(session, H2_ABUSE_RESETS);
}

/* nghttp2 remembers no stream that is over, and checks the length of no CONTINUATION. */
static int check_frame(struct h2_session *session, const nghttp2_frame_hd *head)
{
    switch (head->type) {
    case NGHTTP2_DATA:
        session->frame.data_left = (uint32_t)head->length;
        session->frame.data_begun = true;
        return 0;
    case NGHTTP2_PRIORITY_UPDATE: session->frame.prioritised = true; return 0;
    case NGHTTP2_HEADERS: return check_head(session, head->stream_id);
    case NGHTTP2_CONTINUATION:
        return head->length > LARGEST_FRAME_BYTES ? break_off(session, H2_FRAME_SIZE_ERROR) : 0;
    default: return 0;
    }
}

static int on_begin_frame(nghttp2_session *frames, const nghttp2_frame_hd *head, void *user_data)
{
    struct h2_session *session = user_data;
    unsigned kind = abuse_of(session, head);
    (void)frames;
    if (!h2_gather_goes_on(session, head)) {
        h2_gather_tell(session);
    }
    if (kind != H2_ABUSE_COUNT && !h2_session_charge(session, (enum h2_abuse_kind)kind)) {
        return h2_session_calm(session, (enum h2_abuse_kind)kind);
    }
    return check_frame(session, head);
}

/* The end is told with the last bytes of a frame that has no padding, so that its receiver may pass it on at once; else when
   the frame is whole. */
static int on_data(nghttp2_session *frames, uint8_t flags, int32_t id, const uint8_t *bytes,
                   size_t length, void *user_data)
{
    struct h2_session *session = user_data;
    h2_gather_make_room(session, length);
    struct h2_stream *stream = h2_stream_of(frames, id);
    if (nghttp2_session_consume_connection(frames, length) != 0) {
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    if (stream == NULL || stream->code != H2_NO_ERROR) {
        return 0;
    }
    session->frame.data_left -= (uint32_t)length;
    stream->received_bytes += length;
    if (stream->received_bytes > stream->expected_bytes || !(stream->marks & H2_MARK_HEAD)) {
        h2_gather_forget(session, stream);
        return reset(session, id, H2_PROTOCOL_ERROR);
    }
    if (stream->marks & H2_MARK_REFUSED) {
        return 0;
    }
    stream->held_bytes += (uint32_t)length;
    h2_gather_add(session, stream, bytes, length);
    if ((flags & NGHTTP2_FLAG_END_STREAM) && session->frame.data_left == 0) {
        return take_end(session, stream, NULL);
    }
    if (h2_session_is_server(session)) { /* whose turn may end behind any frame */
        h2_gather_tell(session);
    }
    return 0;
}

static int take_data_frame(struct h2_session *session, const nghttp2_frame *frame)
{
    struct h2_stream *stream = h2_stream_of(session->frames, frame->hd.stream_id);
    bool padding_only = stream != NULL && frame->hd.length > 0 &&
                        session->frame.data_left == frame->hd.length &&
                        !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM);
    if (padding_only && !h2_session_charge(session, H2_ABUSE_EMPTY_DATA)) {
        return h2_session_calm(session, H2_ABUSE_EMPTY_DATA);
    }
    if (frame->hd.length > 0 && !padding_only) {
        h2_abuse_credit(&session->abuse, H2_ABUSE_EMPTY_DATA, 1);
    }
    bool told =
        stream == NULL || stream->state == H2_STREAM_SEND_ONLY || stream->state == H2_STREAM_ENDING;
    if (!(frame->hd.flags & NGHTTP2_FLAG_END_STREAM) || told) {
        return 0;
    }
    return take_end(session, stream, NULL);
}

/* ---- other frames ---- */

static void take_settings(struct h2_session *session, const nghttp2_frame *frame)
{
    if (frame->hd.flags & NGHTTP2_FLAG_ACK) {
        return;
    }
    if (!h2_session_is_server(session)) {
        session->events->allowed(session->owner,
                                 nghttp2_session_get_remote_settings(
                                     session->frames, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS));
    }
    h2_flow_wake_all(session); /* the windows of all streams may have changed */
}

static void take_goaway(struct h2_session *session, const nghttp2_frame *frame)
{
    session->goaway_received = true;
    session->ids.goaway = frame->goaway.last_stream_id;
    if (session->events->going_away != NULL) {
        session->events->going_away(session->owner, frame->goaway.error_code);
    }
}

static void take_window_update(struct h2_session *session, int32_t id)
{
    if (id == 0) {
        h2_flow_wake_all(session);
        return;
    }
    struct h2_stream *stream = h2_stream_of(session->frames, id);
    if (stream != NULL) {
        h2_flow_wake(stream);
    }
}

static void take_reset(struct h2_session *session, int32_t id)
{
    struct h2_stream *stream = h2_stream_of(session->frames, id);
    if (stream != NULL) {
        stream->marks |= H2_MARK_REMOTE;
    }
}

static int on_frame(nghttp2_session *frames, const nghttp2_frame *frame, void *user_data)
{
    struct h2_session *session = user_data;
    (void)frames;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS: return take_block(session, frame);
    case NGHTTP2_DATA: return take_data_frame(session, frame);
    case NGHTTP2_SETTINGS: take_settings(session, frame); break;
    case NGHTTP2_GOAWAY: take_goaway(session, frame); break;
    case NGHTTP2_WINDOW_UPDATE: take_window_update(session, frame->hd.stream_id); break;
    case NGHTTP2_RST_STREAM: take_reset(session, frame->hd.stream_id); break;
    case NGHTTP2_PING:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) && !h2_session_is_server(session)) {
            session->events->pong(session->owner);
        }
        break;
    default: break;
    }
    return 0;
}

/* ---- sent ---- */

/* The response is in frames: what is left of the request is cut off (RFC 9113 8.1). */
static int cut_request(struct h2_session *session, const struct h2_stream *stream)
{
    bool open = stream->state == H2_STREAM_RECEIVE_ONLY;
    return open && (stream->marks & H2_MARK_UNREAD) ? reset(session, stream->id, H2_NO_ERROR) : 0;
}

/* A stream that nobody owns any more has no block, and its frame is not sent: nghttp2 sends none of a stream that is reset. */
static bool take_place(struct h2_session *session, struct h2_stream *stream,
                       const nghttp2_frame *frame)
{
    return !h2_write_stands_in(frame) || (stream != NULL && h2_write_block(session, stream, frame));
}

static int settings_sent(struct h2_session *session, const nghttp2_frame *frame)
{
    bool own = !h2_session_is_server(session) && !(frame->hd.flags & NGHTTP2_FLAG_ACK);
    return !own || h2_write_settings(session, frame) ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int on_frame_sent(nghttp2_session *frames, const nghttp2_frame *frame, void *user_data)
{
    struct h2_session *session = user_data;
    if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != H2_NO_ERROR) {
        h2_session_end(session, frame->goaway.error_code, NULL);
        return 0;
    }
    if (frame->hd.type == NGHTTP2_RST_STREAM && frame->hd.stream_id > session->ids.reset) {
        session->ids.reset = frame->hd.stream_id;
    }
    if (frame->hd.type == NGHTTP2_SETTINGS) {
        return settings_sent(session, frame);
    }
    if (frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS) {
        return 0;
    }
    struct h2_stream *stream = h2_stream_of(frames, frame->hd.stream_id);
    if (frame->hd.type == NGHTTP2_HEADERS && !take_place(session, stream, frame)) {
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    size_t messages_count =
        frame->hd.type == NGHTTP2_DATA ? frame->hd.length / SHORTEST_MESSAGE_BYTES : 0;
    h2_abuse_credit(&session->abuse, H2_ABUSE_WINDOW_UPDATES,
                    UPDATES_FOR_A_FRAME + 2 * (uint32_t)messages_count);
    /* they also measure the bandwidth: with a PING at most for each frame of payload */
    h2_abuse_credit(&session->abuse, H2_ABUSE_PINGS, 1);
    if (stream == NULL) {
        return 0;
    }
    if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) {
        stream->marks |= H2_MARK_SENT;
        return h2_session_is_server(session) ? cut_request(session, stream) : 0;
    }
    h2_flow_wake(stream);
    return 0;
}

/* ---- ends ---- */

/* A stream that its client was served for pays back a reset; one that this side had to end for what the client did costs one, as if
   the client had reset it. */
static void judge_end(struct h2_session *session, const struct h2_stream *stream,
                      const struct h2_end *end)
{
    if (!h2_session_is_server(session)) {
        return;
    }
    if (end->remote) { /* RST_STREAM was charged when it came: a client that has its answer already only says that it sends no more */
        if (stream->state == H2_STREAM_RECEIVE_ONLY && (stream->marks & H2_MARK_SENT)) {
            h2_abuse_credit(&session->abuse, H2_ABUSE_RESETS, 1);
        }
        return;
    }
    if (stream->marks & H2_MARK_REFUSED) {
        return; /* so was what was wrong with its head */
    }
    if (end->code == H2_NO_ERROR) {
        h2_abuse_credit(&session->abuse, H2_ABUSE_RESETS, 1);
        h2_abuse_credit(&session->abuse, H2_ABUSE_UNKNOWN, 1);
    } else if (!h2_session_charge(session, H2_ABUSE_RESETS)) {
        (void)h2_session_calm(session,
                              H2_ABUSE_RESETS); /* which is not a failure of what is being sent */
    }
}

static int on_stream_close(nghttp2_session *frames, int32_t id, uint32_t code, void *user_data)
{
    struct h2_session *session = user_data;
    struct h2_stream *stream = h2_stream_of(frames, id);
    if (stream == NULL) {
        return 0;
    }
    /* that of a client speaks of streams that its server opens: there are none */
    bool beyond =
        !h2_session_is_server(session) && session->goaway_received && id > session->ids.goaway;
    const struct h2_end end = {.code = stream->code != H2_NO_ERROR ? stream->code : code,
                               .remote = beyond || (stream->marks & H2_MARK_REMOTE),
                               .unsent = beyond || code == H2_REFUSED_STREAM};
    judge_end(session, stream, &end);
    nghttp2_session_set_stream_user_data(frames, id, NULL);
    h2_stream_forget(stream);
    session->events->closed(stream, end);
    bool receives = session->space.at == NULL;
    return receives && session->over != NULL ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

void h2_callbacks_set(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
    nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, h2_flow_send_data);
}
