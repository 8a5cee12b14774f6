/*
 * The payload of a request: what has come of it, what waits to be sent, and what was sent and is kept to be sent again.
 *
 * Owns: the buffers, embedded in an exchange. Thread: the worker's. Time base: the loop clock. A request that is sent again is the
 * same request: what is held afterwards is all that has arrived, trailers included.
 */
#ifndef EVENKEEL_PROXY_EXCHANGE_REQUEST_BODY_H
#define EVENKEEL_PROXY_EXCHANGE_REQUEST_BODY_H

#include <stdbool.h>
#include <stdint.h>

#include "proxy/http/payload.h"

struct worker;

enum request_state {
    REQUEST_ARRIVING, /* more of it is to come from the client */
    REQUEST_WHOLE,    /* everything of it has arrived */
    REQUEST_SENT,     /* and has gone out to the endpoint */
};

struct request_body {
    struct buf *held;     /* arrived before there was anywhere to send it, or is to be sent again */
    struct buf *replay;   /* was sent, and is kept to be sent again */
    struct buf *trailers; /* a struct http_head with its bytes; NULL: none have come */
    uint64_t replay_count; /* bytes of `replay` that are counted */
    uint64_t bytes;        /* arrived */
    uint64_t moved_ms;     /* last time a byte of it moved */
    uint64_t sent_ms;      /* in REQUEST_SENT: since when */
    uint8_t state;         /* enum request_state */
    bool full;             /* no more of it, for now */
    bool lost;             /* something was sent that cannot be sent again */
    bool continue_awaited; /* the client waits for 100 (RFC 9110 10.1.1) */
};

/* What is to be sent first; `piece` is space for it. */
struct payload request_body_held(const struct request_body *body, struct iovec *piece);
/* Keeps payload that has nowhere to go yet. False: no memory. */
__attribute__((warn_unused_result)) bool request_body_hold(struct request_body *body,
                                                           struct worker *worker,
                                                           const struct payload *payload);
/* Payload has been passed on: what is held, or, if that is not NULL, `payload`, which was not held. It is kept when `replays`. */
void request_body_passed(struct request_body *body, struct worker *worker,
                         const struct payload *payload, bool replays);
/* All that was sent is to be sent again, in front of what is held. */
void request_body_rewind(struct request_body *body, struct worker *worker);
/* It will not be sent again. */
void request_body_forget(struct request_body *body, struct worker *worker);
/* Gives back what is left. */
void request_body_release(struct request_body *body, struct worker *worker);

#endif
