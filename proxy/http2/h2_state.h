/*
 * A session's own state, for the files of this folder. Who owns what: docs/internals/http2.md.
 *
 * Owns: what h2_session.h says. Thread: the worker's.
 */
#ifndef EVENKEEL_PROXY_HTTP2_H2_STATE_H
#define EVENKEEL_PROXY_HTTP2_H2_STATE_H

#include <nghttp2/nghttp2.h>

#include "proxy/http2/h2_abuse.h"
#include "proxy/http2/h2_block.h"
#include "proxy/http2/h2_memo.h"
#include "proxy/http2/h2_memory.h"
#include "proxy/http2/h2_session.h"
#include "proxy/http2/h2_watch.h"

TAILQ_HEAD(h2_stream_list, h2_stream);

/* Bits of h2_stream.marks. */
enum h2_mark {
    H2_MARK_HEAD = 1 << 0,    /* its head has come: what comes next is trailers */
    H2_MARK_WAITS = 1 << 1,   /* its owner waits for `drained` */
    H2_MARK_REMOTE = 1 << 2,  /* the other side has reset it */
    H2_MARK_REFUSED = 1 << 3, /* its request has a fault: what follows is not told */
    H2_MARK_UNREAD = 1 << 4,  /* the rest of the request is not wanted: it is reset once answered */
    H2_MARK_SENT = 1 << 5,    /* the last of this direction is in a frame */
};

/* Where frames are written, within h2_session_pull(). */
struct h2_space {
    char *at;
    char *end;
    bool replaced;  /* the frame that nghttp2 gives next has been written already */
    bool tableless; /* the other side knows that field blocks use no table (h2_encode.h) */
};

/* Streams that the connection has come to. */
struct h2_ids {
    int32_t goaway; /* the last one of the GOAWAY received */
    int32_t newest; /* server: the last that the client has opened */
    int32_t heard;  /* server: the last that a head has come for, though it be not taken */
    int32_t reset;  /* server: the last that this side has reset */
};

/* The frame that is being received, and what is remembered of those before it. */
struct h2_incoming {
    struct h2_memo memo;
    const struct h2_known
        *known; /* what nghttp2 is given stands for this block; NULL: it is a block itself */
    const uint8_t
        *packed; /* the block that nghttp2 is given, if what it means may be kept; else NULL */
    uint32_t packed_bytes;
    uint32_t data_left;      /* of a DATA frame */
    uint32_t unpacked_bytes; /* of field blocks, that the turn has not paid for */
    struct h2_watch watch;
    struct h2_run *run; /* within h2_session_take(), else NULL */
    bool
        cut_short; /* more than a turn had arrived: what waits for the next one pays no budget back meanwhile */
    bool prioritised; /* the client has said something of priorities (RFC 9218) */
    bool data_begun;  /* nghttp2 knew the stream of the DATA frame that has just begun */
};

/* Payload of one stream that has arrived and is not told yet: it lies in the bytes that h2_session_take() was given. */
#define H2_RUN_PIECES 16
#define H2_RUN_BYTES (62u * 1024)
struct h2_run {
    struct h2_stream *stream;
    uint32_t count;
    uint32_t bytes;
    struct iovec pieces[H2_RUN_PIECES];
};

struct h2_session {
    nghttp2_session *frames;
    const struct h2_events *events;
    void *owner;
    struct h2_env env;
    struct h2_limits limits;
    struct h2_memory memory;
    struct h2_abuse abuse;
    struct h2_counts counts;
    struct h2_block block; /* being received */
    struct h2_stream_list streams;
    uint32_t streams_count;
    uint32_t waiting_count; /* streams with H2_MARK_WAITS */
    uint64_t queued_bytes;  /* of payload in all streams' `out` */
    uint64_t now_ms;        /* at the last h2_session_take() */
    struct h2_space space;
    struct buf *left; /* of a frame that did not fit into the space */
    const char *over; /* why the connection is over; NULL: it is not */
    struct h2_ids ids;
    struct h2_incoming frame;
    uint8_t role; /* enum h2_role */
    bool inside;  /* within h2_session_take() or h2_session_pull() */
    bool told; /* wants_pull was called for what waits, and h2_session_pull() has not been since */
    bool mute; /* nghttp2 cannot write frames any more */
    bool goaway_received;
    /* GOAWAY says which stream is the last: none may be taken beyond it, though it be not sent yet */
    bool leaving;
};

/* ---- h2_session.c ---- */

/* Calls wants_pull if it is time to. */
void h2_session_tell(struct h2_session *session);
/* Takes one from the budget, and counts it. False: it is spent. */
__attribute__((warn_unused_result)) bool h2_session_charge(struct h2_session *session,
                                                           enum h2_abuse_kind kind);
/* Within h2_session_pull(): writes bytes of a frame. False: no memory. */
__attribute__((warn_unused_result)) bool h2_session_put(struct h2_session *session,
                                                        const uint8_t *piece, size_t length);
/* The connection is over, with GOAWAY; `why` is a literal. */
void h2_session_end(struct h2_session *session, uint32_t code, const char *why);
/* The same for a budget that is spent: ENHANCE_YOUR_CALM. Returns what a callback of nghttp2 returns then. */
int h2_session_calm(struct h2_session *session, enum h2_abuse_kind kind);

/* nghttp2 gives up: its error as one of RFC 9113 7. */
void h2_session_fail(struct h2_session *session, int error);
/* Answers to PING and SETTINGS that may wait. */
#define H2_QUEUED_FRAMES 200

/* ---- h2_callbacks.c ---- */

void h2_callbacks_set(nghttp2_session_callbacks *callbacks);

/* ---- h2_flow.c ---- */

/* What nghttp2 reads a stream's payload with. */
nghttp2_data_provider h2_flow_provider(struct h2_stream *stream);
int h2_flow_send_data(nghttp2_session *frames, nghttp2_frame *frame, const uint8_t *head,
                      size_t length, nghttp2_data_source *source, void *user_data);
/* A stream may have room again. */
void h2_flow_wake(struct h2_stream *stream);
/* All streams may. */
void h2_flow_wake_all(struct h2_session *session);
/* Drops what the stream was given. */
void h2_flow_drop(struct h2_stream *stream);

/* ---- h2_gather.c: within h2_session_take() ---- */

/* Whether a frame with this header can be told together with what has been gathered. */
bool h2_gather_goes_on(const struct h2_session *session, const nghttp2_frame_hd *head);
/* Tells what was gathered if so many bytes would be too much with it. */
void h2_gather_make_room(struct h2_session *session, size_t bytes);
/* Payload of the stream to which all belongs that has been gathered. */
void h2_gather_add(struct h2_session *session, struct h2_stream *stream, const uint8_t *bytes,
                   size_t length);
/* What was gathered, to be told before anything else is. */
struct payload h2_gather_take(struct h2_session *session);
void h2_gather_tell(struct h2_session *session);
/* Drops what was gathered of the stream. */
void h2_gather_forget(struct h2_session *session, const struct h2_stream *stream);

/* ---- h2_stream.c ---- */

struct h2_stream *h2_stream_of(nghttp2_session *frames, int32_t id);
bool h2_stream_is_ended(const struct h2_session *session, int32_t id);
void h2_stream_register(struct h2_session *session, struct h2_stream *stream, int32_t id);
/* The only writers of `state`: a direction has ended. */
void h2_stream_end_received(struct h2_stream *stream);
void h2_stream_end_given(struct h2_stream *stream);
/* Its owner does not hear of it any more. */
void h2_stream_forget(struct h2_stream *stream);

/* ---- h2_write.c ---- */

/* Queue a field block. False: no memory. */
__attribute__((warn_unused_result)) bool h2_write_response(struct h2_stream *stream,
                                                           const struct http_head *head,
                                                           const char *date, bool last);
__attribute__((warn_unused_result)) bool h2_write_trailers(struct h2_stream *stream,
                                                           const struct http_head *head);
/* Within h2_session_pull(): whether the frame that nghttp2 is about to give stands for a block, and that block in its place. False: no
   memory. */
bool h2_write_stands_in(const nghttp2_frame *frame);
__attribute__((warn_unused_result)) bool h2_write_block(struct h2_session *session,
                                                        struct h2_stream *stream,
                                                        const nghttp2_frame *frame);
/* Within h2_session_pull(), of a client: its SETTINGS in place of the frame that nghttp2 is about to give. False: no memory. */
__attribute__((warn_unused_result)) bool h2_write_settings(struct h2_session *session,
                                                           const nghttp2_frame *frame);
/* Returns the new stream's id; 0: none may be opened. */
int32_t h2_write_request(struct h2_session *session, struct h2_stream *stream,
                         const struct http_head *head, const struct added_fields *added,
                         bool secure, bool last);

static inline bool h2_session_is_server(const struct h2_session *session)
{
    return session->role == H2_ROLE_SERVER;
}

#endif
