/* The bytes of the other side: field blocks that are known, and all else for nghttp2. */
#include <string.h>

#include "proxy/http2/h2_state.h"

#define FRAME_HEAD_BYTES 9

/* Bytes to read at a time: as many frames of large payload as may be there. */
#define ROOM_BYTES (128u * 1024)

/* What one turn of a client may cost, and what frames cost: a stream that begins or is reset is an exchange that does, and a field block
   is unpacked: what there is of it, and what that stands for. Payload is bounded by its bytes, but where a frame has few of them. */
#define TURN_COST 128u
#define STREAM_COST 8u
#define FRAME_COST 1u
#define SMALL_DATA_BYTES 256u
#define COST_BLOCK_BYTES 128u
#define COST_UNPACKED_BYTES 512u

/* ---- bytes in ---- */

/* Whether more frames wait than a client that reads can cause: a few for each stream (its head, WINDOW_UPDATE, RST_STREAM), and
   answers to PING and SETTINGS. */
static bool is_unread(const struct h2_session *session)
{
    return h2_session_is_server(session) &&
           nghttp2_session_get_outbound_queue_size(session->frames) >
               H2_QUEUED_FRAMES + 4 * (size_t)session->limits.streams_count;
}

static unsigned cost_of(const struct h2_watch *watch)
{
    switch (watch->type) {
    case NGHTTP2_DATA: return watch->skip_bytes < SMALL_DATA_BYTES ? FRAME_COST : 0;
    case NGHTTP2_HEADERS: return STREAM_COST + watch->skip_bytes / COST_BLOCK_BYTES;
    case NGHTTP2_CONTINUATION: return FRAME_COST + watch->skip_bytes / COST_BLOCK_BYTES;
    case NGHTTP2_RST_STREAM: return STREAM_COST;
    default: return FRAME_COST;
    }
}

static unsigned cost_of_unpacked(struct h2_session *session)
{
    uint32_t bytes = session->frame.unpacked_bytes;
    session->frame.unpacked_bytes = 0;
    return bytes / COST_UNPACKED_BYTES;
}

/* What nghttp2 passes over, or never tells. */
static void judge_found(struct h2_session *session, enum h2_watch_found found, int32_t id)
{
    switch (found) {
    case H2_WATCH_FAULT: h2_session_end(session, H2_PROTOCOL_ERROR, NULL); break;
    case H2_WATCH_DATA:
        /* an empty frame may have ended its stream by now */
        if (!session->frame.data_begun && h2_stream_is_ended(session, id)) {
            h2_session_end(session, H2_STREAM_CLOSED, NULL);
        }
        break;
    case H2_WATCH_UNKNOWN:
        if (!h2_session_charge(session, H2_ABUSE_UNKNOWN)) {
            (void)h2_session_calm(session, H2_ABUSE_UNKNOWN);
        }
        break;
    case H2_WATCH_FRAME:
    case H2_WATCH_NOTHING: break;
    }
}

/* False: the session is over. */
static bool feed(struct h2_session *session, const uint8_t *bytes, size_t length)
{
    ssize_t taken = nghttp2_session_mem_recv(session->frames, bytes, length);
    if (taken < 0) {
        h2_session_fail(session, (int)taken);
    }
    return taken >= 0;
}

/* ---- field blocks ---- */

/* A frame's header, and the priority that HEADERS may begin with. */
#define HEADERS_MOST_BYTES 14

/* nghttp2 is given the frame without its block. */
static void take_known(struct h2_session *session, const struct h2_watch_block *block,
                       const struct h2_known *known)
{
    uint8_t frame[HEADERS_MOST_BYTES];
    memcpy(frame, block->frame, block->begin);
    frame[0] = frame[1] = 0;
    frame[2] = (uint8_t)(block->begin - FRAME_HEAD_BYTES);
    session->frame.known = known;
    (void)feed(session, frame, block->begin);
    session->frame.known = NULL;
}

static void take_new(struct h2_session *session, const struct h2_watch_block *block,
                     const uint8_t *packed, uint32_t packed_bytes)
{
    struct h2_incoming *frame = &session->frame;
    bool small = packed_bytes <= H2_MEMO_PACKED_BYTES;
    bool pure = h2_memo_admit(&frame->memo, &session->memory, packed, packed_bytes);
    frame->packed = pure && small ? packed : NULL;
    frame->packed_bytes = packed_bytes;
    (void)feed(session, block->frame, block->frame_bytes);
    frame->packed = NULL;
}

static void take_block(struct h2_session *session, const struct h2_watch_block *block)
{
    const uint8_t *packed = block->frame + block->begin;
    uint32_t packed_bytes = block->frame_bytes - block->begin;
    const struct h2_known *known = h2_memo_find(&session->frame.memo, packed, packed_bytes);
    if (known != NULL) {
        take_known(session, block, known);
    } else {
        take_new(session, block, packed, packed_bytes);
    }
    h2_watch_pass(&session->frame.watch, block);
}

/* ---- frames ---- */

/* Up to and including the header of a client's next frame: some must be judged by what was before them. Of a server, up to the next whole
   block. */
static size_t watch_some(struct h2_session *session, const char *bytes, size_t length,
                         enum h2_watch_found *ret_found)
{
    struct h2_watch *watch = &session->frame.watch;
    struct h2_watch_block block;
    size_t at = 0;
    do {
        at += h2_watch_take(watch, bytes + at, length - at, ret_found);
        if (*ret_found != H2_WATCH_NOTHING && h2_watch_in_block(watch)) {
            h2_memo_forget(&session->frame.memo, &session->memory);
            if (!h2_watch_keeps_table(watch)) {
                h2_memo_lose_table(&session->frame.memo);
            }
        }
    } while (!h2_session_is_server(session) && at < length &&
             !h2_watch_block(watch, bytes + at, length - at, &block));
    return at;
}

static size_t take_watched(struct h2_session *session, const char *bytes, size_t length,
                           unsigned *cost)
{
    const struct h2_watch *watch = &session->frame.watch;
    enum h2_watch_found found;
    size_t some = watch_some(session, bytes, length, &found);
    session->frame.data_begun = false;
    if (feed(session, (const uint8_t *)bytes, some) && found != H2_WATCH_NOTHING &&
        h2_session_is_server(session)) {
        judge_found(session, found, (int32_t)watch->stream);
        *cost += cost_of(watch) + cost_of_unpacked(session);
    }
    return some;
}

/* Takes some of the bytes, adds what they cost to *cost, and returns how many. */
static size_t take_some(struct h2_session *session, const char *bytes, size_t length,
                        unsigned *cost)
{
    struct h2_watch *watch = &session->frame.watch;
    struct h2_watch_block block;
    if (!h2_watch_block(watch, bytes, length, &block)) {
        return take_watched(session, bytes, length, cost);
    }
    if (block.skipped > 0) { /* the rest of the frame before it */
        watch->skip_bytes = 0;
        (void)feed(session, (const uint8_t *)bytes, block.skipped);
        return block.skipped;
    }
    take_block(session, &block);
    *cost += STREAM_COST + (block.frame_bytes - block.begin) / COST_BLOCK_BYTES +
             cost_of_unpacked(session);
    return block.frame_bytes;
}

size_t h2_session_take_turn(struct h2_session *session, const char *bytes, size_t length,
                            uint64_t now_ms)
{
    size_t taken = 0;
    unsigned cost = 0;
    struct h2_run run;
    if (session->over != NULL) {
        return length;
    }
    if (session->frame.cut_short) {
        h2_abuse_resume(&session->abuse, now_ms);
    }
    session->now_ms = now_ms;
    run.count = run.bytes = 0;
    session->frame.run = &run;
    session->inside = true;
    while (taken < length && session->over == NULL && cost < TURN_COST) {
        taken += take_some(session, bytes + taken, length - taken, &cost);
    }
    h2_gather_tell(session);
    session->inside = false;
    session->frame.run = NULL;
    session->frame.cut_short = taken < length;
    if (session->over == NULL && is_unread(session)) {
        h2_session_calm(session, H2_ABUSE_UNREAD);
    }
    h2_session_tell(session);
    return taken;
}

enum h2_result h2_session_take(struct h2_session *session, const char *bytes, size_t length,
                               uint64_t now_ms)
{
    for (size_t at = 0; at < length && session->over == NULL;) {
        at += h2_session_take_turn(session, bytes + at, length - at, now_ms);
    }
    return session->over != NULL ? H2_OVER : H2_OK;
}

bool h2_session_is_suspect(struct h2_session *session, uint64_t now_ms)
{
    return h2_abuse_is_suspect(&session->abuse, now_ms);
}

size_t h2_session_room(const struct h2_session *session)
{
    return session->over != NULL ? 0 : ROOM_BYTES;
}
