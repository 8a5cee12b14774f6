/*
 * Descriptors of the process for upstream connections: taken for a dial, given back, and who waits for one.
 *
 * Owns: nothing; the bound is the process's. Private to pool/, but for pool_fds_given() in pool/lease.h. Thread: any
 * worker's. No wake-up is lost by the scheme of pool/queue.h, with fds->used as the rendezvous.
 */
#ifndef EVENKEEL_POOL_DESCRIPTOR_H
#define EVENKEEL_POOL_DESCRIPTOR_H

#include "pool/pools.h"

/* One for a dial; the worker's oldest idle connection gives its own when there is none left. */
__attribute__((warn_unused_result)) bool descriptor_take(struct pool_worker *worker);
void descriptor_give(struct pool_worker *worker);
/* An exchange of this worker begins to wait: siblings look whether they can spare one. */
void descriptor_ask(struct pool_worker *worker);
/* A connection rests: it is closed if all descriptors are taken, an exchange waits for one, and none for this connection. */
void descriptor_spare(struct pool_worker *worker);

static inline bool descriptors_spent(const struct pools *pools)
{
    return bound_used(pools->fds) >= bound_limit(pools->fds);
}

/* What nobody waits for leaves a quarter to clients and to what is waited for. */
static inline bool descriptors_scarce(const struct pools *pools)
{
    uint64_t limit = bound_limit(pools->fds);
    return bound_used(pools->fds) >= limit - limit / 4;
}

static inline bool descriptor_wanted(const struct pools *pools)
{
    return __atomic_load_n(&pools->fd_waiting_count, __ATOMIC_ACQUIRE) > 0;
}

#endif
