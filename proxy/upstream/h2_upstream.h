/*
 * HTTP/2 towards an endpoint: a request is a stream of a connection that others share.
 *
 * Owns: see upstream_ops.h; payload of the response that the other side does not take yet, at most the stream's window.
 * Embedded in an attempt. Thread: the worker's. How a stream ends is told at the end of the pass, outside of the session's
 * events, so that the request may be sent again at once. Spec: RFC 9113 5 and 8.
 */
#ifndef EVENKEEL_PROXY_UPSTREAM_H2_UPSTREAM_H
#define EVENKEEL_PROXY_UPSTREAM_H2_UPSTREAM_H

#include <sys/queue.h>

#include "proxy/http2/h2_session.h"
#include "proxy/upstream/upstream_ops.h"
#include "steady/loop.h"

struct h2_connection;

enum h2_upstream_state {
    H2_UPSTREAM_NONE,
    H2_UPSTREAM_HEAD,   /* waits for the response's head */
    H2_UPSTREAM_BODY,   /* receives the response's body */
    H2_UPSTREAM_WHOLE,  /* the response has been received; the other side has not taken all of it */
    H2_UPSTREAM_UNSENT, /* over: the endpoint has surely not processed the request */
    H2_UPSTREAM_RESET,  /* over: the endpoint has ended the stream */
    H2_UPSTREAM_INVALID, /* over: the response is against the standard */
    H2_UPSTREAM_CUT,     /* over: the connection broke */
};

struct h2_upstream {
    struct upstream_side side; /* first */
    struct h2_stream stream;
    struct h2_connection *connection; /* that of the lease */
    TAILQ_ENTRY(h2_upstream) link; /* among the connection's open streams, while `stream` is open */
    struct buf *head;     /* for the other side: a struct http_head with its bytes; NULL: none */
    struct buf *in;       /* payload behind it */
    struct buf *trailers; /* behind that, as a head */
    struct deferred deferred; /* passes payload on, and tells how the stream ended */
    uint64_t opened_at_bytes; /* bytes that the session had written before the stream's first one */
    uint64_t event;           /* UNSENT: number of the event of the connection that refused it */
    uint32_t code;            /* how the stream ended: enum h2_code */
    uint8_t state;            /* enum h2_upstream_state */
    bool request_whole;       /* the whole request was given to this side */
};

/* The object is zeroed. */
void h2_upstream_init(struct h2_upstream *upstream, const struct upstream_events *events,
                      void *owner, struct worker *worker);
/* Takes the lease over, which is a share. */
void h2_upstream_begin(struct h2_upstream *upstream, struct lease *lease);

/* ---- from the connection ---- */

/* The stream is over, in this state; its memory is the upstream's again. */
void h2_upstream_over(struct h2_upstream *upstream, enum h2_upstream_state state, uint32_t code);
void h2_upstream_on_response(struct h2_stream *stream, struct http_head *head, bool last);
void h2_upstream_on_payload(struct h2_stream *stream, const struct payload *payload);
void h2_upstream_on_drained(struct h2_stream *stream);

#endif
