/*
 * Descriptors of the process for upstream connections: taken for a dial, given back, and who waits for one.
 *
 * Owns: nothing; the bound is the process's. Private to pool/, but for pool_fds_given() in pool/lease.h. Thread: any
 * worker's. Who waits stands in the queues of upstreams (pool/queue.h), with fds->used as the rendezvous.
 */
#ifndef EVENKEEL_POOL_DESCRIPTOR_H
#define EVENKEEL_POOL_DESCRIPTOR_H

#include "pool/pools.h"
#include "steady/fds.h"

/* One for a dial. For an exchange the worker's oldest idle connection gives its own when there is none left; for the stock nothing
   is closed, and nothing taken while an exchange waits. */
__attribute__((warn_unused_result)) bool descriptor_take(struct pool_worker *worker,
                                                         enum fd_use use);
void descriptor_give(struct pool_worker *worker);
/* An exchange of this worker begins to wait: siblings look whether they can spare one. */
void descriptor_ask(struct pool_worker *worker);
/* A connection rests: it is closed if all descriptors are taken, an exchange waits for one, and none for this connection. */
void descriptor_spare(struct pool_worker *worker);

static inline bool descriptors_spent(const struct pools *pools)
{
    return !fds_left(pools->fds, FD_FOR_EXCHANGE);
}

static inline bool descriptor_wanted(const struct pools *pools)
{
    return __atomic_load_n(&pools->fd_waiting_count, __ATOMIC_ACQUIRE) > 0;
}

#endif
