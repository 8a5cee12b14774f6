/* Counting against named limits, from any thread. */
#include "steady/bound.h"

#include <stddef.h>

void bound_registry_init(struct bound_registry *registry)
{
    TAILQ_INIT(&registry->bounds);
    registry->count = 0;
}

void bound_init(struct bound *bound, const char *name, const char *detail, uint64_t limit)
{
    *bound = (struct bound){.name = name, .detail = detail, .limit = limit};
}

void bound_register(struct bound_registry *registry, struct bound *bound)
{
    CHECK(bound->link.tqe_prev == NULL);
    TAILQ_INSERT_TAIL(&registry->bounds, bound, link);
    bound->number = ++registry->last_number;
    registry->count++;
}

void bound_remove(struct bound_registry *registry, struct bound *bound)
{
    CHECK(bound->link.tqe_prev != NULL && registry->count > 0);
    TAILQ_REMOVE(&registry->bounds, bound, link);
    bound->link.tqe_prev = NULL;
    registry->count--;
}

static void raise_peak(struct bound *bound, uint64_t used)
{
    uint64_t peak = bound_peak(bound);
    while (used > peak && !__atomic_compare_exchange_n(&bound->peak, &peak, used, true,
                                                       __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
}

void bound_refuse(struct bound *bound, uint64_t n)
{
    __atomic_fetch_add(&bound->refused, n, __ATOMIC_RELAXED);
}

/* A plain addition could pass the limit for an instant; comparing first never does. */
uint64_t bound_take_some(struct bound *bound, uint64_t least, uint64_t most)
{
    uint64_t used = bound_used(bound);
    uint64_t taken;
    do {
        uint64_t limit = bound_limit(bound);
        uint64_t space = used < limit ? limit - used : 0;
        if (space < least) {
            bound_refuse(bound, 1);
            return 0;
        }
        taken = space < most ? space : most;
    } while (!__atomic_compare_exchange_n(&bound->used, &used, used + taken, true, __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED));
    raise_peak(bound, used + taken);
    return taken;
}

bool bound_take(struct bound *bound, uint64_t n)
{
    return n == 0 || bound_take_some(bound, n, n) == n;
}

bool bound_take_below(struct bound *bound, uint64_t n, uint64_t level)
{
    uint64_t used = bound_used(bound);
    uint64_t limit = bound_limit(bound);
    level = level < limit ? level : limit;
    do {
        if (used > level || level - used < n) {
            return false;
        }
    } while (!__atomic_compare_exchange_n(&bound->used, &used, used + n, true, __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED));
    raise_peak(bound, used + n);
    return true;
}

void bound_give(struct bound *bound, uint64_t n)
{
    uint64_t before = __atomic_fetch_sub(&bound->used, n, __ATOMIC_RELAXED);
    CHECK(before >= n);
}

bool bound_give_surplus(struct bound *bound)
{
    uint64_t used = bound_used(bound);
    do {
        if (used <= bound_limit(bound)) {
            return false;
        }
    } while (!__atomic_compare_exchange_n(&bound->used, &used, used - 1, true, __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED));
    return true;
}

void bound_set_used(struct bound *bound, uint64_t used)
{
    __atomic_store_n(&bound->used, used, __ATOMIC_RELAXED);
    raise_peak(bound, used);
}

void bound_set_limit(struct bound *bound, uint64_t limit)
{
    __atomic_store_n(&bound->limit, limit, __ATOMIC_RELAXED);
}

uint64_t bound_peak(const struct bound *bound)
{
    return __atomic_load_n(&bound->peak, __ATOMIC_RELAXED);
}

uint64_t bound_refused(const struct bound *bound)
{
    return __atomic_load_n(&bound->refused, __ATOMIC_RELAXED);
}

void bound_share_init(struct bound_share *share, struct bound *bound, uint64_t step)
{
    CHECK(step > 0);
    *share = (struct bound_share){.bound = bound, .step = step};
    if (bound == NULL) {
        share->held = share->keep = UINT64_MAX;
    }
}

/* What to keep in hand at most, by the limit of now. */
static void renew_keep(struct bound_share *share)
{
    share->keep = bound_limit(share->bound) / BOUND_SHARE_PART / share->step * share->step;
}

/* Half of that: neither a take nor a give then comes back here at once. */
static uint64_t half_keep(const struct bound_share *share)
{
    return share->keep / 2 / share->step * share->step;
}

bool bound_share_grow(struct bound_share *share, uint64_t n)
{
    if (share->bound == NULL) {
        return false;
    }
    renew_keep(share);
    uint64_t least = n - (share->held - share->used);
    uint64_t most = least + half_keep(share);
    uint64_t taken = bound_take_some(share->bound, least, most < least ? least : most);
    share->held += taken;
    return taken > 0;
}

void bound_share_shrink(struct bound_share *share)
{
    if (share->bound == NULL) {
        return;
    }
    renew_keep(share);
    uint64_t in_hand = share->held - share->used;
    uint64_t rest = share->used == 0 ? 0 : half_keep(share);
    if (in_hand <= rest) {
        return;
    }
    share->held -= in_hand - rest;
    bound_give(share->bound, in_hand - rest);
}
