/* Sets of shards. */
#include "proxy/policy/shards.h"

#include <stdio.h>
#include <stdlib.h>

#include "breaker/shard_map.h"

static bool init_shard(struct shard *shard, const char *route, size_t index, unsigned worker_count)
{
    *shard = (struct shard){.index = (unsigned)index, .budget = retry_budget_create(worker_count)};
    if (shard->budget == NULL || asprintf(&shard->label, "%s/%zu", route, index) < 0) {
        retry_budget_free(&shard->budget);
        return false;
    }
    if (!gate_init(&shard->gate, shard->label, worker_count)) {
        retry_budget_free(&shard->budget);
        free(shard->label);
        return false;
    }
    return true;
}

struct shard_set *shard_set_create(const char *route, size_t count, unsigned worker_count)
{
    struct shard_set *set = aligned_alloc(_Alignof(struct shard),
                                          sizeof(struct shard_set) + count * sizeof(struct shard));
    if (set == NULL) {
        return NULL;
    }
    *set = (struct shard_set){.count = 0};
    for (; set->count < count; set->count++) {
        if (!init_shard(&set->shards[set->count], route, set->count, worker_count)) {
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
        free((*set)->shards[i].label);
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

void shard_set_adopt(struct shard_set *set, const struct shard_settings *settings,
                     struct bound_registry *registry)
{
    for (size_t i = 0; i < set->count; i++) {
        struct gate *gate = &set->shards[i].gate;
        gate_set_limits(gate, settings->in_flight_count, settings->queue_count);
        if (!set->shown) {
            bound_register(registry, &gate->inside);
            bound_register(registry, &gate->waiting);
        }
    }
    set->shown = true;
}

void shard_set_retire(struct shard_set *set, struct bound_registry *registry)
{
    for (size_t i = 0; set->shown && i < set->count; i++) {
        bound_remove(registry, &set->shards[i].gate.inside);
        bound_remove(registry, &set->shards[i].gate.waiting);
    }
    set->shown = false;
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
