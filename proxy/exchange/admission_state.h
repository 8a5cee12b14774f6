/*
 * How far an exchange is admitted on its way to its upstream: waiting at a shard's gate, inside the shard, in the
 * upstream's queue, admitted.
 *
 * Owns: the places that the state says it holds; embedded in an exchange. Thread: the worker's. Time base: the loop
 * clock.
 *
 *     OUTSIDE ──► AT_SHARD ──► IN_SHARD ──► QUEUED ──► ADMITTED ──► OUTSIDE
 *        └──────────────────────────────────►┘            │
 *                AT_SHARD, IN_SHARD, QUEUED ◄── APART ◄───┘  before a body, between attempts, while a twin answers
 */
#ifndef EVENKEEL_PROXY_EXCHANGE_ADMISSION_STATE_H
#define EVENKEEL_PROXY_EXCHANGE_ADMISSION_STATE_H

#include <stdint.h>

#include "pool/lease.h"

struct exchange;

enum admission_state {
    ADMISSION_OUTSIDE,  /* holds nothing */
    ADMISSION_AT_SHARD, /* waits at the shard's gate */
    ADMISSION_IN_SHARD, /* holds a place of the shard */
    /* as IN_SHARD if it has a shard; asks for a place at the upstream, or waits for one */
    ADMISSION_QUEUED,
    /* as QUEUED, and holds a place at the upstream; may wait for a connection */
    ADMISSION_ADMITTED,
    ADMISSION_APART, /* has given its places back, and keeps the upstream in memory */
};

struct exchange_admission {
    struct waiter waiter;
    struct waiter gate_waiter;
    struct shard *shard; /* NULL: the route has no shards */
    uint64_t queued_ms;  /* since when it waits in a line; 0: it does not */
    uint8_t state;       /* enum admission_state; written only by admission_enter() */
};

/* Gives back what the new state does not hold, after taking what keeps the upstream in memory. The caller has taken the
   places that QUEUED and ADMITTED hold. */
void admission_enter(struct exchange *exchange, enum admission_state state);
/* The last call: the exchange holds nothing any more, not even a shard. */
void admission_release(struct exchange *exchange);

#endif
