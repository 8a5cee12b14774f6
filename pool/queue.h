/*
 * The queue of an upstream: exchanges that wait for a place or for a connection, over all workers.
 *
 * Owns: a wait list (steady/waitlist.h) with two lines: admitted exchanges, which wait for a connection, and
 * newcomers, which wait for a place of limits.in_flight. Rendezvous variables: for a place, in_flight.used of the
 * upstream; for a connection, or a place of pool.max for one, endpoint->in_flight; for the right to try without a
 * descriptor, fd_waiting_count. For descriptors see pool/descriptor.h. Private to pool/. Thread: a local belongs to
 * its worker; counts over all workers are atomic. Time base: the loop clock.
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
    /* for each line, whether it does not empty: then the newest goes first and the oldest are dropped */
    struct codel codel[WAITLIST_LINES];
    uint64_t busy; /* exchanges admitted and waiters queued: while not 0, the view stays */
    uint64_t admitted_count; /* of all time, whatever endpoints come and go */
    bool gone;               /* the upstream is not in the adopted set */
    /* enum queue_want: a place that was taken for the waiter in its turn, or its part of fd_waiting_count */
    uint8_t turn_holds;
    /* waiters of this worker that lack a descriptor, in line or in their turn */
    uint64_t fd_waiting_count;
    struct waiter for_fd; /* waits on behalf of all of them (pool/descriptor.h) */
    struct redial_cap redials;
    uint64_t redial_event;            /* the last one whose redials were allowed; 0: none */
    struct upstream_traffic *traffic; /* NULL: none yet */
    struct pool_worker *worker;       /* NULL until the worker adopts a view */
    struct upstream *upstream;
} __attribute__((aligned(CACHE_LINE_BYTES)));

struct upstream_private {
    struct upstream upstream;
    struct pools *pools;
    TAILQ_ENTRY(upstream_private) link;
    uint64_t number; /* control: ascends in the list */
    /* control: in the newest settings; NULL: it has left them */
    const struct upstream_settings *settings;
    struct endpoint_list endpoints;  /* control */
    size_t shown_count;              /* control: those of them that are shown */
    struct departed_list departed;   /* control: counts of endpoints that no longer exist */
    struct upstream_tls_figures tls; /* counted by any worker, atomics */
    uint64_t connections_count;      /* atomic: connections with a place at one of its endpoints */
    uint32_t sets_count;             /* control: sets in memory that contain it */
    bool panic;                      /* control: so few endpoints are healthy that all are used */
    uint64_t panics_count;           /* control */
    struct waitlist waitlist;        /* counts its waiters in upstream.queued */
    uint64_t fd_waiting_count;       /* atomic: those of them that wait for a descriptor */
    struct upstream_local locals[];
};

void upstream_locals_init(struct upstream_private *own);
/* The upstream is in the set that the worker adopts. */
void upstream_local_keep(struct upstream_local *local, struct pool_worker *worker,
                         struct upstream_view *view);
/* The upstream is no longer in the set that the worker adopts. */
void upstream_local_let_go(struct upstream_local *local);
static inline void upstream_local_use(struct upstream_local *local)
{
    local->busy++;
}
/* With the last use, the view of an upstream that has left the settings is let go, and the upstream may be freed. */
void upstream_local_leave(struct upstream_local *local);

/* True: a waiter could use a connection, that is, there are not only newcomers while limits.in_flight is reached. */
bool queue_wants_connections(const struct upstream *upstream);

static inline bool queue_waits(const struct upstream *upstream)
{
    return __atomic_load_n(&upstream->queued.used, __ATOMIC_RELAXED) > 0;
}

/* Offers the capacity that this worker has freed. */
static inline void queue_offer(const struct pool_worker *worker, struct upstream *upstream)
{
    waitlist_offer(&upstream->own->locals[worker->env.index].waits);
}

/* The endpoint has one more place or idle connection. */
static inline void queue_capacity_freed(const struct pool_worker *worker, struct endpoint *endpoint)
{
    (void)waitlist_meet(&endpoint->in_flight, 0);
    if (queue_waits(endpoint->upstream)) {
        queue_offer(worker, endpoint->upstream);
    }
}

#endif
