/*
 * The interface between an exchange and the upstream side, whatever the protocol: the operations that an exchange asks
 * for, and the table of events through which the answers come back. This room includes no exchange.
 *
 * Owns: the lease, from begin() to end(). Thread: the worker's. Backpressure: sends return enum sink. Before reading,
 * the upstream side asks `room` how much the other side may take now, and reads no more than that.
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

/* What the upstream side tells the sender of the request. `owner` is that of the side. After a call that may end the
   request, the side touches only its lease pointer, which is NULL, or another lease, if the request is over. */
struct upstream_events {
    /* ---- the request's way ---- */

    /* Kept bytes of the request have been sent. */
    void (*request_moved)(void *owner);
    /* All kept bytes have been sent, but the request is incomplete: more of it may be given. */
    void (*request_drained)(void *owner);
    /* The whole request has been sent. Not called for bytes that send_head() or send_payload() sent at once: these
       return SINK_OPEN. */
    void (*request_sent)(void *owner);
    /* Everything that was given to send_raw() before end_raw() has been sent, or the endpoint takes nothing more. */
    void (*raw_flushed)(void *owner);

    /* ---- the response's way ---- */

    /* How many bytes the other side may take now; 0: read_on() will be called. */
    size_t (*room)(void *owner);
    /* An interim response (1xx except 101). */
    void (*interim)(void *owner, const struct http_head *head);
    /* A final head. False: it is not passed on, because the request will be tried again; dropped() follows. */
    bool (*final)(void *owner, const struct http_head *head);
    void (*dropped)(void *owner);
    /* The same head and its first payload; then the rest. */
    enum sink (*response)(void *owner, const struct http_head *head, const struct payload *payload);
    enum sink (*payload)(void *owner, const struct payload *payload);
    /* A socket to splice payload into; -1: the payload must pass through user space. */
    int (*splice_fd)(void *owner);
    /* Payload was spliced. `blocked`: some of it waits in the pipe for the other side. */
    void (*spliced)(void *owner, size_t bytes, bool blocked);
    /* 101. SINK_BROKEN also means that no upgrade was asked for. */
    enum sink (*upgrade)(void *owner, const struct http_head *head);
    enum sink (*raw)(void *owner, const struct iovec *iov, size_t count);
    void (*raw_end)(void *owner);

    /* ---- its end ---- */

    /* The connection was dead before it brought anything back. */
    void (*dead)(void *owner);
    /* The endpoint has surely not processed the request, which may be sent again whatever its method (RFC 9113 8.7).
       `event`: number of the event that refused it at its connection, perhaps with others. */
    void (*unsent)(void *owner, uint64_t event, const char *detail);
    /* The request has failed; `detail` may be NULL. */
    void (*failed)(void *owner, enum exchange_reason reason, const char *detail);
    /* Writes a PROXY header of the client's connection into PROXY_HEADER_WRITE_BYTES of space; returns its length. */
    size_t (*proxy_header)(void *owner, char *space);
};

/* The beginning of the upstream side of every protocol. */
struct upstream_side {
    const struct upstream_ops *ops;
    const struct upstream_events *events;
    void *owner;
    struct worker *worker;
    struct lease *lease; /* NULL: it has none */
    bool touched;        /* the endpoint may have received a byte of the request */
    bool answered;       /* a byte of the response has arrived */
    /* the endpoint takes no more of the request; its response, if any, decides how the exchange ends */
    bool broken;
};

struct upstream_ops {
    /* The endpoint may refuse a request unprocessed although it has got bytes of it: unsent(). */
    bool refuses;
    /* Sends the head with the added fields, and the payload that is there. `broken` afterwards: nothing was taken.
       SINK_BROKEN: the request is over, and failed() has said why. */
    enum sink (*send_head)(struct upstream_side *side, const struct http_head *head,
                           const struct added_fields *added, const struct payload *payload);
    enum sink (*send_payload)(struct upstream_side *side, const struct payload *payload);
    /* Send bytes of a tunnel, and the end of a tunnel's direction. */
    enum sink (*send_raw)(struct upstream_side *side, const struct iovec *iov, size_t count);
    void (*end_raw)(struct upstream_side *side);
    /* Whether the endpoint's direction of a tunnel has ended, and all bytes in the other direction have been sent. */
    bool (*raw_over)(const struct upstream_side *side);
    /* Whether payload of the response waits in a pipe for the other side. */
    bool (*piped)(const struct upstream_side *side);
    /* The other side has room again: reading continues soon. */
    void (*read_on)(struct upstream_side *side);
    /* The request is over: the lease goes back to the pool if the connection may serve again, else it is closed. */
    void (*end)(struct upstream_side *side);
};

#endif
