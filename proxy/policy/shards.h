/*
 * Shards of a route: each takes a part of its tenants and has places, a queue, a rate and a retry budget of its own,
 * so that one tenant's excess stays within its shard.
 *
 * Owns: a set of shards, by the route's name, kept over reloads while their number is the same. Thread: control makes
 * sets, and frees them when no exchange holds one of their shards; any worker uses them.
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
    uint64_t guests_count; /* exchanges that hold it: waiting, inside, or between two attempts */
    unsigned index;
} __attribute__((aligned(64)));

struct shard_set {
    TAILQ_ENTRY(shard_set) link; /* control: link among replaced sets */
    unsigned views_count;        /* control: generations that use it */
    bool shown;                  /* control: its bounds are registered */
    size_t count;
    struct shard shards[];
};
TAILQ_HEAD(shard_set_list, shard_set);

/* NULL: no memory. */
struct shard_set *shard_set_create(const char *route, size_t count, unsigned worker_count);
/* To be called when it is idle. NULL is fine. */
void shard_set_free(struct shard_set **set);
/* Whether no exchange holds one of its shards. */
bool shard_set_idle(const struct shard_set *set);
/* Sets the limits from the settings, which a reload may change. Its bounds are in the registry from now on. */
void shard_set_adopt(struct shard_set *set, const struct shard_settings *settings,
                     struct bound_registry *registry);
/* No generation uses it any more: its bounds leave the registry. */
void shard_set_retire(struct shard_set *set, struct bound_registry *registry);

/* The shard of a key; with `shuffle` the emptier of two. The exchange holds it until shard_let_go(). */
struct shard *shard_take(struct shard_set *set, uint64_t key_hash, bool shuffle);
/* The exchange is neither inside nor waiting any more. The last use of the shard. */
void shard_let_go(struct shard **shard);

static inline void shard_count(uint64_t *count)
{
    __atomic_fetch_add(count, 1, __ATOMIC_RELAXED);
}

#endif
