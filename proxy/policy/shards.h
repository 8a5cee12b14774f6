/*
 * Shards of a route: each a part of its tenants, with places, a line, a rate and a retry budget of its own, so that the storm of one
 * stays where it is.
 *
 * Owns: a set of shards, by the route's name; kept over reloads as long as the number stays. Thread: sets are made, and freed once
 * no exchange has one of its shards, by control; used by any worker.
 */
#ifndef EVENKEEL_PROXY_POLICY_SHARDS_H
#define EVENKEEL_PROXY_POLICY_SHARDS_H

#include "breaker/retry_budget.h"
#include "breaker/token_bucket.h"
#include "proxy/policy/gate.h"

struct shard {
    struct gate gate;
    char *label; /* "route/index" */
    struct token_bucket bucket;
    struct retry_budget *budget;
    /* atomics */
    uint64_t requests_count, retries_count;
    uint64_t rate_refused_count;
    uint64_t guests_count; /* exchanges that have it, waiting, inside or between two attempts */
    unsigned index;
} __attribute__((aligned(64)));

struct shard_set {
    TAILQ_ENTRY(shard_set) link; /* control: among those that have been replaced */
    unsigned views_count;        /* control: generations that see it */
    bool shown;                  /* control: its bounds are registered */
    size_t count;
    struct shard shards[];
};
TAILQ_HEAD(shard_set_list, shard_set);

/* NULL: no memory. */
struct shard_set *shard_set_create(const char *route, size_t count, unsigned worker_count);
/* It is idle. NULL is fine. */
void shard_set_free(struct shard_set **set);
/* No exchange has one of its shards. */
bool shard_set_idle(const struct shard_set *set);
/* Limits of the settings, which a reload may change. Its bounds are in the registry from now on. */
void shard_set_adopt(struct shard_set *set, const struct shard_settings *settings,
                     struct bound_registry *registry);
/* No generation sees it any more: its bounds leave the registry. */
void shard_set_retire(struct shard_set *set, struct bound_registry *registry);

/* Where a key belongs; with `shuffle` the emptier of two. Stays until it is let go of. */
struct shard *shard_take(struct shard_set *set, uint64_t key_hash, bool shuffle);
/* Neither inside nor waiting any more. The last thing that is done with it. */
void shard_let_go(struct shard **shard);

static inline void shard_count(uint64_t *count)
{
    __atomic_fetch_add(count, 1, __ATOMIC_RELAXED);
}

#endif
