/* Sets of shards. */
#include "proxy/shards.h"

#include <stdlib.h>

#include "breaker/shard_map.h"

struct shard_set *shard_set_create(size_t count, unsigned worker_count)
{
    struct shard_set *set = aligned_alloc(_Alignof(struct shard),
                                          sizeof(struct shard_set) + count * sizeof(struct shard));
    if (set == NULL) {
        return NULL;
    }
    *set = (struct shard_set){.count = 0};
    for (; set->count < count; set->count++) {
        struct shard *shard = &set->shards[set->count];
        *shard = (struct shard){.index = (unsigned)set->count,
                                .budget = retry_budget_create(worker_count)};
        if (shard->budget == NULL || !gate_init(&shard->gate, worker_count)) {
            retry_budget_free(&shard->budget);
            shard_set_free(&set);
            return NULL;
        }
    }
    return set;
}

void shard_set_free(struct shard_set **set)
{
    for (size_t i = 0; *set != NULL && i < (*set)->count; i++) {
        gate_release(&(*set)->shards[i].gate);
        retry_budget_free(&(*set)->shards[i].budget);
    }
    free(*set);
    *set = NULL;
}

bool shard_set_idle(const struct shard_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct shard *shard = &set->shards[i];
        if (__atomic_load_n(&shard->guests_count, __ATOMIC_ACQUIRE) > 0 ||
            !gate_idle(&shard->gate)) {
            return false;
        }
    }
    return true;
}

void shard_set_adopt(struct shard_set *set, const struct shard_settings *settings)
{
    for (size_t i = 0; i < set->count; i++) {
        gate_set_limits(&set->shards[i].gate, settings->in_flight_count, settings->queue_count);
    }
}

static uint64_t load_of(const struct shard *shard)
{
    return bound_used(&shard->gate.inside) + bound_used(&shard->gate.waiting);
}

static struct shard *choose(struct shard_set *set, uint64_t key_hash, bool shuffle)
{
    if (!shuffle || set->count < 2) {
        return &set->shards[shard_of(key_hash, (uint32_t)set->count)];
    }
    const struct shard_pair pair = shard_pair_of(key_hash, (uint32_t)set->count);
    struct shard *first = &set->shards[pair.first], *second = &set->shards[pair.second];
    return load_of(second) < load_of(first) ? second : first;
}

struct shard *shard_take(struct shard_set *set, uint64_t key_hash, bool shuffle)
{
    struct shard *shard = choose(set, key_hash, shuffle);
    shard_count(&shard->guests_count);
    return shard;
}

void shard_let_go(struct shard **shard)
{
    __atomic_fetch_sub(&(*shard)->guests_count, 1, __ATOMIC_RELEASE);
    *shard = NULL;
}
