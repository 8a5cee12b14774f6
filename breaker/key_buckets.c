/* A set-associative table of token buckets. */
#include "breaker/key_buckets.h"

#include <stdlib.h>

#include "steady/check.h"
#include "steady/fault.h"

#define WAYS 8

/* Atomics. */
struct way {
    uint64_t key; /* 0: free */
    struct token_bucket bucket;
};

struct set {
    struct way ways[WAYS];
};

struct key_buckets {
    size_t set_count; /* a power of two */
    uint64_t pushed_out_count;
    struct set sets[];
};

struct key_buckets *key_buckets_create(size_t key_count)
{
    size_t set_count = 1;
    CHECK(key_count > 0);
    while (set_count * WAYS < key_count) {
        set_count *= 2;
    }
    struct key_buckets *buckets =
        fault_hits(FAULT_ALLOC)
            ? NULL
            : calloc(1, sizeof(struct key_buckets) + set_count * sizeof(struct set));
    if (buckets != NULL) {
        buckets->set_count = set_count;
    }
    return buckets;
}

void key_buckets_free(struct key_buckets **buckets)
{
    free(*buckets);
    *buckets = NULL;
}

static uint64_t load(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static struct way *fullest(struct set *set)
{
    struct way *found = &set->ways[0];
    for (size_t i = 1; i < WAYS; i++) {
        if (load(&set->ways[i].bucket.full_at) < load(&found->bucket.full_at)) {
            found = &set->ways[i];
        }
    }
    return found;
}

static struct way *find(struct key_buckets *buckets, uint64_t key, uint64_t now_us)
{
    struct set *set = &buckets->sets[(key >> 1) & (buckets->set_count - 1)];
    for (;;) {
        for (size_t i = 0; i < WAYS; i++) {
            if (load(&set->ways[i].key) == key) {
                return &set->ways[i];
            }
        }
        struct way *way = fullest(set);
        uint64_t other = load(&way->key);
        if (!__atomic_compare_exchange_n(&way->key, &other, key, false, __ATOMIC_RELAXED,
                                         __ATOMIC_RELAXED)) {
            continue;
        }
        if (!token_bucket_full(&way->bucket, now_us)) {
            __atomic_fetch_add(&buckets->pushed_out_count, 1, __ATOMIC_RELAXED);
        }
        __atomic_store_n(&way->bucket.full_at, 0, __ATOMIC_RELAXED);
        return way;
    }
}

bool key_buckets_take(struct key_buckets *buckets, uint64_t key_hash, const struct token_rate *rate,
                      bool retry, uint64_t now_us, uint64_t *ret_wait_ms)
{
    if (rate->interval == 0) {
        return true;
    }
    struct way *way = find(buckets, key_hash | 1, now_us);
    return token_bucket_take(&way->bucket, rate, retry, now_us, ret_wait_ms);
}

struct key_buckets_figures key_buckets_figures(const struct key_buckets *buckets, uint64_t now_us)
{
    struct key_buckets_figures figures = {
        .room_count = buckets->set_count * WAYS,
        .pushed_out_count = load(&buckets->pushed_out_count),
    };
    for (size_t i = 0; i < buckets->set_count; i++) {
        for (size_t j = 0; j < WAYS; j++) {
            figures.used_count += !token_bucket_full(&buckets->sets[i].ways[j].bucket, now_us);
        }
    }
    return figures;
}
