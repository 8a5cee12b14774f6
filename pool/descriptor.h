/*
 * Descriptors of the process for upstream connections: taken for a dial, given back, and who waits for one.
 *
 * Owns: a wait list (steady/waitlist.h) of workers' parts of upstreams, in whose queues somebody waits for a descriptor; its
 * rendezvous is the use of the bound, which is the process's. A part that is called has its queue looked at. Private to pool/, but
 * for pool_fds_given() in pool/lease.h. Thread: any worker's.
 */
#ifndef EVENKEEL_POOL_DESCRIPTOR_H
#define EVENKEEL_POOL_DESCRIPTOR_H

#include "pool/pools.h"
#include "pool/queue.h"
#include "steady/fds.h"

/* One for a dial. For an exchange the worker's oldest idle connection gives its own when there is none left; for the stock nothing
   is closed, and nothing taken while an exchange waits. */
__attribute__((warn_unused_result)) bool descriptor_take(struct pool_worker *worker,
                                                         enum fd_use use);
void descriptor_give(struct pool_worker *worker);

/* One more exchange in its queue lacks a descriptor, or one less does. */
void descriptor_want(struct upstream_local *local);
void descriptor_want_no_more(struct upstream_local *local);
/* An exchange of this worker begins to wait: siblings look whether they can spare one. */
void descriptor_ask(struct pool_worker *worker);
/* A connection rests: it is closed if all descriptors are taken, an exchange waits for one, and none for this connection. */
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
