/*
 * The queue of an upstream: exchanges that wait for a place or for a connection, over all workers.
 *
 * Owns: per worker a local with two lines, of those admitted (they wait for a connection) and of newcomers (for a
 * place in flight); over all the count of who waits. Private to pool/. Thread: a local belongs to its worker; the
 * fields that say so are atomic. Time base: the loop clock.
 *
 * No wake-up is lost. Who frees capacity first frees it, then changes the rendezvous (endpoint->in_flight, or
 * in_flight.used of the upstream), then reads waiting_count. Who begins to wait first raises waiting_count, then
 * changes every rendezvous (by nothing), then looks for capacity. Both change the same variable, so one of them is
 * first, and what it did before is seen by the other: either the waiter finds the capacity or the freer finds the
 * waiter. Capacity is offered to one local, the one that waits longest; it uses what it can and offers the rest to
 * the next.
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

/* How much longer another worker's exchange must have waited than this worker's own to go first: crossing
   threads costs. */
#define QUEUE_LOCAL_MS 5
#define NOBODY_MS UINT64_MAX

TAILQ_HEAD(queue_waiters, waiter);

/* Who waits for the same. In turn; once the line stands (see codel.h) newest first, and the oldest are dropped. */
struct queue_line {
    struct queue_waiters waiters; /* oldest first */
    uint64_t count;
    struct codel codel;
};

struct upstream_local {
    struct queue_line admitted, newcomers;
    uint64_t busy; /* exchanges admitted, waiters queued, being scheduled: what keeps the view */
    bool gone;     /* the upstream is not in the adopted set */
    bool place_in_hand;  /* a place in flight was taken for `turn` */
    bool turn_for_fd;    /* `turn` is still counted as waiting for a descriptor */
    struct waiter *turn; /* whose on_turn runs, still counted as waiting; only compared */
    uint64_t admitted_ms,
        newcomers_ms;      /* shared: since when the first of the line waits, or NOBODY_MS */
    bool called;           /* shared: its message is on the way */
    struct deferred serve; /* gives turns */
    struct message call;
    struct wheel_timer recheck;
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
    uint64_t waiting_count
        __attribute__((aligned(CACHE_LINE_BYTES))); /* waiters queued, or in their turn */
    uint64_t fd_waiting_count; /* of those, the ones that wait for a descriptor */
    uint64_t calls_count;      /* messages to locals on the way: they keep the upstream in memory */
    struct upstream_local locals[];
};

void upstream_local_init(struct upstream_local *local, struct upstream *upstream);
/* Gives turns while there is capacity. From a frame of its own. */
void upstream_local_serve(struct upstream_local *local);
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

/* Offers capacity that was freed. */
void queue_offer(struct pool_worker *worker, struct upstream *upstream);
/* Somebody waits who could use a connection: not only newcomers while limits.in_flight is reached. */
bool queue_wants_connections(const struct upstream *upstream);

static inline bool queue_waits(const struct upstream *upstream)
{
    return __atomic_load_n(&upstream->own->waiting_count, __ATOMIC_RELAXED) > 0;
}

/* The endpoint has a place or a resting connection more. */
static inline void queue_capacity_freed(struct pool_worker *worker, struct endpoint *endpoint)
{
    __atomic_fetch_add(&endpoint->in_flight, 0, __ATOMIC_ACQ_REL);
    if (queue_waits(endpoint->upstream))
        queue_offer(worker, endpoint->upstream);
}

#endif
