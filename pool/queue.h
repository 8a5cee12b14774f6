/*
 * The queue of an upstream: exchanges that wait for a place or for a connection, over all workers.
 *
 * Owns: a wait list (steady/waitlist.h) with two lines, of those admitted (they wait for a connection) and of newcomers (for a place
 * in flight). What is freed has for a rendezvous: a place in_flight.used of the upstream, a connection or a place for one
 * endpoint->in_flight, the trial without a descriptor fd_waiting_count; for descriptors see pool/descriptor.h. Private to pool/. Thread: a local
 * belongs to its worker; counts over all workers are atomic. Time base: the loop clock.
 */
#ifndef EVENKEEL_POOL_QUEUE_H
#define EVENKEEL_POOL_QUEUE_H

#include "pool/codel.h"
#include "pool/endpoint.h"
#include "pool/endpoint_totals.h"
#include "pool/lease.h"
#include "pool/pools.h"
#include "pool/redial_cap.h"
#include "pool/upstream.h"

enum { LINE_ADMITTED, LINE_NEWCOMERS };

/* A worker's part of an upstream. */
struct upstream_local {
    struct waitlist_local waits;
    struct codel codel
        [WAITLIST_LINES]; /* whether the line stands: then newest first, and the oldest are dropped */
    uint64_t busy;        /* exchanges admitted, waiters queued: what keeps the view */
    bool gone;            /* the upstream is not in the adopted set */
    uint8_t
        turn_holds; /* enum queue_want: a place taken for the one in its turn, or its part of fd_waiting_count */
    uint64_t fd_waiting_count; /* waiters here that lack a descriptor, in line or in their turn */
    struct waiter for_fd;      /* waits for all of them (pool/descriptor.h) */
    struct redial_cap redials;
    struct pool_worker *worker; /* NULL until it adopts a view */
    struct upstream *upstream;
} __attribute__((aligned(CACHE_LINE_BYTES)));

struct upstream_private {
    struct upstream upstream;
    struct pools *pools;
    TAILQ_ENTRY(upstream_private) link;
    struct endpoint_list endpoints;  /* control */
    struct departed_list departed;   /* control: what was counted at endpoints that have gone */
    struct upstream_tls_figures tls; /* counted by any worker, atomics */
    uint64_t connections_count;      /* atomic: that have a place at one of its endpoints */
    uint32_t sets_count;             /* control: sets in memory that have it */
    bool panic;                      /* control: so few endpoints are healthy that all are used */
    uint64_t panics_count;           /* control */
    struct waitlist waitlist;        /* counts who waits in upstream.queued */
    uint64_t fd_waiting_count;       /* atomic: of those, the ones that wait for a descriptor */
    struct upstream_local locals[];
};

void upstream_locals_init(struct upstream_private *own);
/* The upstream is in the set that the worker adopts. */
void upstream_local_keep(struct upstream_local *local, struct pool_worker *worker,
                         struct upstream_view *view);
/* It is not any more. */
void upstream_local_let_go(struct upstream_local *local);
static inline void upstream_local_use(struct upstream_local *local)
{
    local->busy++;
}
/* With the last use the view of an upstream that has gone is let go, and the upstream may vanish. */
void upstream_local_leave(struct upstream_local *local);

/* Somebody waits who could use a connection: not only newcomers while limits.in_flight is reached. */
bool queue_wants_connections(const struct upstream *upstream);

static inline bool queue_waits(const struct upstream *upstream)
{
    return __atomic_load_n(&upstream->queued.used, __ATOMIC_RELAXED) > 0;
}

/* Offers what this worker has freed. */
static inline void queue_offer(const struct pool_worker *worker, struct upstream *upstream)
{
    waitlist_offer(&upstream->own->locals[worker->env.index].waits);
}

/* The endpoint has a place or a resting connection more. */
static inline void queue_capacity_freed(const struct pool_worker *worker, struct endpoint *endpoint)
{
    (void)waitlist_meet(&endpoint->in_flight, 0);
    if (queue_waits(endpoint->upstream)) {
        queue_offer(worker, endpoint->upstream);
    }
}

#endif
