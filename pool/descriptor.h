/*
 * File descriptors for upstream connections: taken for a dial, given back, and waited for.
 *
 * Owns: a wait list (steady/waitlist.h) of `upstream_local`s whose queues contain exchanges that wait for a
 * descriptor. Its rendezvous variable is the use of the process-wide bound on file descriptors. When a local is
 * called, its queue is served. Private to pool/, except pool_fds_given() in pool/lease.h. Thread: any worker's.
 */
#ifndef EVENKEEL_POOL_DESCRIPTOR_H
#define EVENKEEL_POOL_DESCRIPTOR_H

#include "pool/pools.h"
#include "pool/queue.h"
#include "steady/fds.h"

/* Takes a descriptor for a dial. If none is left, a dial for an exchange closes the worker's oldest idle connection and
   uses its descriptor. A dial ahead of requests closes nothing, and takes nothing while an exchange waits. */
__attribute__((warn_unused_result)) bool descriptor_take(struct pool_worker *worker,
                                                         enum fd_use use);
void descriptor_give(struct pool_worker *worker);

/* Counts that one exchange more (or fewer) in the queue lacks a descriptor. */
void descriptor_want(struct upstream_local *local);
void descriptor_want_no_more(struct upstream_local *local);
/* A connection has become idle: closes it if all descriptors are taken and an exchange waits for one that cannot use
   this connection. */
void descriptor_spare(struct pool_worker *worker);

/* False: no memory. */
__attribute__((warn_unused_result)) bool descriptor_waits_init(struct pools *pools);
void descriptor_waits_release(struct pools *pools);

static inline bool descriptors_spent(const struct pools *pools)
{
    return !fds_left(pools->fds, FD_FOR_EXCHANGE);
}

static inline bool descriptor_wanted(const struct pools *pools)
{
    return waitlist_waits(&pools->fd_waitlist);
}

#endif
