/*
 * How a request is spoken to an endpoint, whatever the protocol: the operations that an exchange asks of the upstream side, and the
 * table through which answers go up. This room knows no exchange.
 *
 * Owns: the lease, from begin() to end(). Thread: the worker's. Backpressure: sends return enum sink; before reading, the upstream
 * side asks `room` how much the far side may take now, and reads no more than that.
 */
#ifndef EVENKEEL_PROXY_UPSTREAM_UPSTREAM_OPS_H
#define EVENKEEL_PROXY_UPSTREAM_UPSTREAM_OPS_H

#include <stdbool.h>
#include <stddef.h>

#include "pool/lease.h"
#include "proxy/http/added_fields.h"
#include "proxy/http/http_head.h"
#include "proxy/http/payload.h"
#include "proxy/http/reasons.h"

struct upstream_side;
struct worker;

/* What the upstream side tells whoever sent the request. `owner` is the side's. After a call that may end the request the side
   touches nothing but its lease: that is NULL, or another one, once the request is over. */
struct upstream_events {
    /* ---- the request's way ---- */

    /* Bytes of the request that had been kept have gone out. */
    void (*request_moved)(void *owner);
    /* All that was kept has gone out, but the request is not whole: more of it, please. */
    void (*request_drained)(void *owner);
    /* The whole request has gone out. Not called for what send_head() or send_payload() take at once: they return SINK_OPEN. */
    void (*request_sent)(void *owner);
    /* Everything that was given to send_raw() before end_raw() has gone out. */
    void (*raw_flushed)(void *owner);

    /* ---- the response's way ---- */

    /* How many bytes the far side may take now; 0: read_on() will be called. */
    size_t (*room)(void *owner);
    /* An interim response (1xx but 101). */
    void (*interim)(void *owner, const struct http_head *head);
    /* A final head. False: it is not passed on, because the request will be tried again; dropped() follows. */
    bool (*final)(void *owner, const struct http_head *head);
    void (*dropped)(void *owner);
    /* That head again and its first payload, then the rest. */
    enum sink (*response)(void *owner, const struct http_head *head, const struct payload *payload);
    enum sink (*payload)(void *owner, const struct payload *payload);
    /* A socket to splice payload into; -1: it has to pass through user space. */
    int (*splice_fd)(void *owner);
    /* Payload that went past user space. `blocked`: some of it waits in the pipe for the far side. */
    void (*spliced)(void *owner, size_t bytes, bool blocked);
    /* 101. SINK_BROKEN also means that nobody asked for it. */
    enum sink (*upgrade)(void *owner, const struct http_head *head);
    enum sink (*raw)(void *owner, const struct iovec *iov, size_t count);
    void (*raw_end)(void *owner);

    /* ---- its end ---- */

    /* The connection turned out dead before it brought anything back. */
    void (*dead)(void *owner);
    /* Nothing more can come of it; `detail` may be NULL. */
    void (*failed)(void *owner, enum exchange_reason reason, const char *detail);
    /* A PROXY header of the client's connection into PROXY_HEADER_WRITE_BYTES of space; returns its length. */
    size_t (*proxy_header)(void *owner, char *space);
};

/* What every protocol's side begins with. */
struct upstream_side {
    const struct upstream_ops *ops;
    const struct upstream_events *events;
    void *owner;
    struct worker *worker;
    struct lease *lease; /* NULL: it has none */
    bool touched;        /* the endpoint may have seen a byte of the request */
    bool answered;       /* a byte of the response has come */
    bool
        broken; /* it takes no more of the request; what it has sent back decides what becomes of it */
};

struct upstream_ops {
    /* The head with what is added to it, and what is there of the payload. `broken` afterwards: none of it was taken. SINK_BROKEN:
       the request is over, failed() has said why. */
    enum sink (*send_head)(struct upstream_side *side, const struct http_head *head,
                           const struct added_fields *added, const struct payload *payload);
    enum sink (*send_payload)(struct upstream_side *side, const struct payload *payload);
    /* Bytes of a tunnel, and their end. */
    enum sink (*send_raw)(struct upstream_side *side, const struct iovec *iov, size_t count);
    void (*end_raw)(struct upstream_side *side);
    /* Whether the endpoint's direction of a tunnel is over, and all that was given to ours has gone out. */
    bool (*raw_over)(const struct upstream_side *side);
    /* Whether payload of the response waits in a pipe for the far side. */
    bool (*piped)(const struct upstream_side *side);
    /* The far side has room again: reads on, soon. */
    void (*read_on)(struct upstream_side *side);
    /* The request is over: the lease goes back to the pool if the connection may serve again, else it is closed. */
    void (*end)(struct upstream_side *side);
};

#endif
