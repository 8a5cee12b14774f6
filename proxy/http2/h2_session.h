/*
 * An HTTP/2 connection in either role: bytes become heads, payload and events of streams, and back. Frames and HPACK are
 * nghttp2's; rules of fields, flow control and bounds are Evenkeel's. It knows no exchange, no socket and no clock.
 *
 * Owns: nghttp2's session and all its memory (counted, see h2_memory.h), the head that is being received, payload that
 * waits to be sent. A struct h2_stream is embedded in the object of whoever serves the stream, who also keeps payload that
 * it has received and cannot pass on; windows are opened only by h2_stream_taken(). Thread: the worker's. Reentrancy:
 * events are called only from h2_session_take() and h2_session_pull(); from within an event every function of this file
 * may be called but these two, h2_session_free(), and for the stream of `closed` none. Errors: an event or result says
 * what happened; the session never closes anything but streams. Spec: RFC 9113, RFC 7541, RFC 8441, RFC 9218.
 */
#ifndef EVENKEEL_PROXY_HTTP2_H2_SESSION_H
#define EVENKEEL_PROXY_HTTP2_H2_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "proxy/http/added_fields.h"
#include "proxy/http/http_head.h"
#include "proxy/http/payload.h"
#include "proxy/http2/h2_abuse.h"
#include "proxy/http2/h2_error.h"
#include "steady/buf.h"

struct h2_session;
struct h2_stream;

enum h2_role { H2_ROLE_SERVER, H2_ROLE_CLIENT };

/* What is announced in SETTINGS, or enforced here. */
struct h2_limits {
    uint32_t
        streams_count; /* streams at a time: server: that the client may open; client: that are opened at the most */
    uint32_t window_bytes; /* initial window of each stream, at least 65535 */
    uint32_t head_bytes;   /* of a head's names and values; at most UINT32_MAX */
    uint32_t fields_count;
    uint64_t memory_bytes; /* that nghttp2 may hold for the connection: h2_memory_for() */
};

/* What nghttp2 needs at the most within the other limits: a connection, and its streams, as many as there may be at a time. Beyond that a
   connection ends. */
uint64_t h2_memory_for(const struct h2_limits *limits);

/* What a session uses of its worker. The worker may change while the session is at rest: h2_session_move(). */
struct h2_env {
    struct buf_pool *bufs;
    /* H2_FRAME_BYTES that all sessions of a server on this thread share, so that none holds a frame's space while it is at rest;
       NULL: the session has its own. A session that uses it stays on its thread. */
    char *frame_space;
};
#define H2_FRAME_BYTES (17u * 1024)

/* What the other side has done that costs and is no request, and which of it has ended the connection. */
struct h2_counts {
    uint32_t charged[H2_ABUSE_COUNT]; /* by enum h2_abuse_kind */
    uint8_t calmed;                   /* the kind that ended it; H2_ABUSE_COUNT: none has */
};

enum h2_stream_state {
    H2_STREAM_NONE,         /* not opened yet, or over */
    H2_STREAM_OPEN,         /* both directions */
    H2_STREAM_SEND_ONLY,    /* the other side has ended its direction */
    H2_STREAM_RECEIVE_ONLY, /* the last of this direction was given; some of it may still wait */
    H2_STREAM_ENDING        /* both of it; `closed` comes once all that was given is sent */
};

/* A stream. Zeroed before it is used; read-only to its owner. */
struct h2_stream {
    struct h2_session *session; /* NULL: not open */
    TAILQ_ENTRY(h2_stream) siblings;
    struct buf *heads; /* field blocks that were given and are not in frames yet */
    struct buf *out;   /* payload that was given and is not in a frame yet */
    const struct payload
        *lent;            /* more of it, that its owner still holds, within h2_stream_give() */
    struct buf *trailers; /* to be sent behind it: a struct http_head with its bytes; NULL: none */
    uint64_t received_bytes; /* of payload */
    uint64_t sent_bytes;     /* of payload */
    uint64_t expected_bytes; /* content-length of what is received; UINT64_MAX: none */
    uint32_t code;           /* enum h2_code: why the session ends it; NO_ERROR: it does not */
    int32_t id;
    uint32_t held_bytes; /* of payload received and not taken yet */
    uint32_t lent_at;    /* how much of `lent` is in frames */
    uint8_t state;       /* enum h2_stream_state */
    uint8_t method;      /* enum http_method, of the request */
    uint8_t marks;       /* for the session's own use */
};

/* How a stream ended. */
struct h2_end {
    uint32_t
        code; /* enum h2_code: NO_ERROR: both directions are complete, or the server has ended early with a whole response */
    bool remote; /* the other side has ended it by RST_STREAM or GOAWAY, or the connection broke */
    bool
        unsent; /* it has surely not been processed: REFUSED_STREAM, or beyond the last stream of GOAWAY */
};

struct h2_events {
    /* ---- server role ---- */

    /* A request begins. Returns its stream, zeroed; NULL: there is no capacity, and it is refused (REFUSED_STREAM). Comes before
       `request`, so that a request may be answered at once. */
    struct h2_stream *(*opened)(void *owner);
    /* Its head, which lies in the session until this returns, laid out as lines of HTTP/1, so that it is FACT_CANONICAL wherever it
       can be: Cookie fields joined, Host made of :authority, no connection-specific field, FACT_EXTENDED_CONNECT as the upgrade that
       asks for the same. `fault`: H2_FAULT_NONE, or what is wrong with a head that is still understood well enough to be answered (too
       large, too many fields, not valid; what follows of it is not told). `last`: no payload follows. */
    void (*request)(struct h2_stream *stream, struct http_head *head, enum h2_fault fault,
                    bool last);

    /* ---- client role ---- */

    /* A response head: interim if its status is below 200. Bytes as above. One that is malformed ends its stream with PROTOCOL_ERROR,
       one beyond the limits with ENHANCE_YOUR_CALM, neither `remote`. */
    void (*response)(struct h2_stream *stream, struct http_head *head, bool last);
    /* SETTINGS of the server: how many streams it takes at a time now. Called with the first and each later change. */
    void (*allowed)(void *owner, uint32_t streams_count);
    /* GOAWAY: no further stream may be opened; of a client: it opens none, and the connection is over with the last of its
       streams (a server's may be NULL). Streams beyond its last one end with `closed` and `unsent`. */
    void (*going_away)(void *owner, uint32_t code);
    /* The answer to h2_session_ping(). */
    void (*pong)(void *owner);

    /* ---- both ---- */

    /* Payload (valid during the call; of a response maybe that of several frames), or the end with or without trailers. Its receiver calls
       h2_stream_taken() as soon as it has passed bytes on, within the call or later. */
    void (*payload)(struct h2_stream *stream, const struct payload *payload);
    /* What was given of the stream has been put into frames: more may be given. */
    void (*drained)(struct h2_stream *stream);
    /* The stream is over, and not touched any more. Not called for streams that h2_session_free() ends. */
    void (*closed)(struct h2_stream *stream, struct h2_end end);
    /* Frames wait to be sent: h2_session_pull() must be called before the worker's pass is over. Called once until then. */
    void (*wants_pull)(void *owner);
    /* Called from h2_stream_give(), never within another event: so much payload waits that keeping it costs more than the system call
       that sends it. h2_session_pull() may be called within it. NULL: it waits for the end of the pass. */
    void (*has_much)(void *owner);
};

enum h2_result {
    H2_OK,
    H2_OVER, /* connection error: pull what is left (GOAWAY), then close */
};

/* NULL: no memory. The preface and SETTINGS wait to be pulled. */
struct h2_session *h2_session_create(enum h2_role role, const struct h2_limits *limits,
                                     const struct h2_env *env, const struct h2_events *events,
                                     void *owner);
/* Ends its streams without an event: their owners have ended them, or do. Nulls *session; NULL is fine. */
void h2_session_free(struct h2_session **session);
/* At its worker, before it moves: gives up what has arrived of a head whose stream is over. */
void h2_session_leave(struct h2_session *session);
/* Gives a session without streams to another owner and worker. */
void h2_session_move(struct h2_session *session, const struct h2_env *env, void *owner);

/* Gives back memory that a session does not use while it has no streams. For one that has been at rest for a while: it costs a system
   call, and the next request a page fault. */
void h2_session_rest(struct h2_session *session);

/* Takes bytes of the socket, all of them. now_ms is for bounds by time. */
__attribute__((warn_unused_result)) enum h2_result h2_session_take(struct h2_session *session,
                                                                   const char *bytes, size_t length,
                                                                   uint64_t now_ms);
/* The same, but of a client only what one turn is worth: so many streams and other frames that others need not wait long meanwhile.
   Returns how many bytes; the rest is for a later turn. Whether the connection is over, h2_session_is_over() says. */
size_t h2_session_take_turn(struct h2_session *session, const char *bytes, size_t length,
                            uint64_t now_ms);
/* Whether the other side has spent a part of a budget that good clients hardly spend. */
bool h2_session_is_suspect(struct h2_session *session, uint64_t now_ms);
/* The most that may be read and taken now, so that what must be kept stays within its bound. */
size_t h2_session_room(const struct h2_session *session);
/* Writes frames into the space; returns their length. space_bytes is at least H2_PULL_BYTES. h2_session_has_output() says whether more
   waits, for which there was no room. */
size_t h2_session_pull(struct h2_session *session, char *space, size_t space_bytes);
#define H2_PULL_BYTES (32u * 1024)
bool h2_session_has_output(const struct h2_session *session);
/* H2_OVER was returned, or would be: some connection errors are known only once h2_session_pull() has written their GOAWAY. */
bool h2_session_is_over(const struct h2_session *session);
/* Client: whether another stream may be opened, if there is a buffer for its head. */
bool h2_session_takes_streams(const struct h2_session *session);
/* Part of a field block has arrived: nothing else can come before the rest of it. */
bool h2_session_in_head(const struct h2_session *session);
uint32_t h2_session_streams_count(const struct h2_session *session);
/* Why the connection is over, after H2_OVER: one of Evenkeel's own words. */
const char *h2_session_why(const struct h2_session *session);
const struct h2_counts *h2_session_counts(const struct h2_session *session);

/* Server: GOAWAY that tells the client to open no further streams, but does not refuse those on their way (RFC 9113 6.8). */
void h2_session_warn(struct h2_session *session);
/* GOAWAY: no further stream is taken; with an error code the connection is over. */
void h2_session_go_away(struct h2_session *session, uint32_t code);
void h2_session_ping(struct h2_session *session);

/* Client: opens a stream with this head. The path, host and scheme are pseudo-header fields. False: no stream may be opened
   (GOAWAY, no ids left, no memory): nothing has happened. */
__attribute__((warn_unused_result)) bool h2_stream_open(struct h2_session *session,
                                                        struct h2_stream *stream,
                                                        const struct http_head *head,
                                                        const struct added_fields *added,
                                                        bool secure, bool last);
/* Server: sends a response head, interim if its status is below 200; `last`: no payload follows. `date` is for a final one that has
   none. False: no memory. */
__attribute__((warn_unused_result)) bool h2_stream_answer(struct h2_stream *stream,
                                                          const struct http_head *head,
                                                          const char *date, bool last);
/* How many bytes may be given now, so that they need not be kept longer than the pass: 0: `drained` will be called. */
size_t h2_stream_room(struct h2_stream *stream);
/* Whether a window that the client keeps closed holds the stream's bytes back, and not only the turn of other streams or the socket. */
bool h2_stream_is_held(const struct h2_stream *stream);
/* Takes all of the payload. SINK_FULL: give no more before `drained`. SINK_BROKEN: no memory. */
__attribute__((warn_unused_result)) enum sink h2_stream_give(struct h2_stream *stream,
                                                             const struct payload *payload);
/* So many bytes of received payload have been passed on. */
void h2_stream_taken(struct h2_stream *stream, size_t bytes);
/* RST_STREAM. `closed` is not called; the stream may be freed at once. But NO_ERROR of a server that has given the last of its response:
   the rest of the request is not wanted, RST_STREAM goes behind what was given, at once if all of it is sent (RFC 9113 8.1), and `closed` is called then. A stream that is
   not open is fine. */
void h2_stream_reset(struct h2_stream *stream, uint32_t code);

#endif
