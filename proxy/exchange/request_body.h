/*
 * The payload of a request: what has arrived, what waits to be sent, and what was sent and is kept for a retry.
 *
 * Owns: the buffers, embedded in an exchange. Thread: the worker's. Time base: the loop clock. A request that is sent
 * again is the same request: afterwards everything that has arrived is held, trailers included. With a store, which takes a body
 * in before it is sent, what arrives before there is a connection goes there.
 */
#ifndef EVENKEEL_PROXY_EXCHANGE_REQUEST_BODY_H
#define EVENKEEL_PROXY_EXCHANGE_REQUEST_BODY_H

#include <stdbool.h>
#include <stdint.h>

#include "proxy/exchange/body_store.h"
#include "proxy/http/payload.h"

struct worker;

/* Most bytes of a request that are kept for a retry without a store. */
#define REQUEST_REPLAY_BYTES (64u * 1024)

enum request_state {
    REQUEST_ARRIVING, /* more of it will come from the client */
    REQUEST_WHOLE,    /* all of it has arrived */
    REQUEST_SENT,     /* all of it has arrived and been sent to the endpoint */
};

struct request_body {
    struct buf *held;         /* arrived before it could be sent, or to be sent again */
    struct buf *replay;       /* sent, and kept to be sent again */
    struct buf *trailers;     /* a struct http_head with its bytes; NULL: none */
    struct body_store *store; /* NULL: the body is passed on as it comes */
    uint64_t replay_count;    /* bytes of `replay` that are counted in the bound */
    uint64_t bytes;           /* bytes that have arrived */
    uint64_t moved_ms;        /* when a byte of it last moved */
    uint64_t sent_ms;         /* in REQUEST_SENT: since when */
    uint8_t state;            /* enum request_state */
    bool full;                /* no more is read for now */
    bool lost;                /* bytes were sent that cannot be sent again */
    bool continue_awaited;    /* the client waits for 100 (RFC 9110 10.1.1) */
};

/* Whether payload of the store waits to be sent. */
static inline bool request_body_waits(const struct request_body *body)
{
    return __builtin_expect(body->store != NULL, 0) && body_store_waits(body->store);
}
/* The payload to be sent first; `piece` is space for it. */
struct payload request_body_held(const struct request_body *body, struct iovec *piece);
/* Holds payload that cannot be sent yet. False: no memory. */
__attribute__((warn_unused_result)) bool request_body_hold(struct request_body *body,
                                                           struct worker *worker,
                                                           const struct payload *payload);
/* Payload has been passed on: the held payload, or `payload` if that is not NULL, which was not held. It is kept if
   `replays`. */
void request_body_passed(struct request_body *body, struct worker *worker,
                         const struct payload *payload, bool replays);
/* Everything that was sent is to be sent again, before what is held. */
void request_body_rewind(struct request_body *body, struct worker *worker);
/* What was sent will not be sent again. */
void request_body_forget(struct request_body *body, struct worker *worker);
/* Frees what is left. */
void request_body_release(struct request_body *body, struct worker *worker);

#endif
