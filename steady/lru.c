/* A chained hash table with its entries in order of use. */
#include "steady/lru.h"

#include <stdlib.h>
#include <string.h>

#include "steady/check.h"
#include "steady/fault.h"
#include "steady/hash.h"

#define BUCKETS_MIN 16

TAILQ_HEAD(order, lru_entry);

struct lru {
    struct order order; /* least recently used first */
    struct lru_entry **buckets;
    size_t bucket_count; /* a power of two */
    uint64_t count;
    struct bound *entries;
    uint64_t seed;
    lru_evict_fn *evict;
    void *owner;
};

static struct lru_entry **new_buckets(size_t count)
{
    return fault_hits(FAULT_ALLOC) ? NULL : calloc(count, sizeof(struct lru_entry *));
}

struct lru *lru_create(struct bound *entries, uint64_t seed, lru_evict_fn *evict, void *owner)
{
    struct lru *lru = fault_hits(FAULT_ALLOC) ? NULL : malloc(sizeof *lru);
    if (lru == NULL) {
        return NULL;
    }
    *lru = (struct lru){
        .buckets = new_buckets(BUCKETS_MIN),
        .bucket_count = BUCKETS_MIN,
        .entries = entries,
        .seed = seed,
        .evict = evict,
        .owner = owner,
    };
    if (lru->buckets == NULL) {
        free(lru);
        return NULL;
    }
    TAILQ_INIT(&lru->order);
    return lru;
}

static void evict_oldest(struct lru *lru)
{
    struct lru_entry *entry = TAILQ_FIRST(&lru->order);
    lru_remove(lru, entry);
    lru->evict(entry, lru->owner);
}

void lru_free(struct lru *lru)
{
    if (lru == NULL) {
        return;
    }
    while (!TAILQ_EMPTY(&lru->order)) {
        evict_oldest(lru);
    }
    free(lru->buckets);
    free(lru);
}

/* Where the pointer to the entry with this key is, or would be. */
static struct lru_entry **find_place(struct lru *lru, uint64_t hash, const void *key,
                                     size_t key_bytes)
{
    struct lru_entry **place = &lru->buckets[hash & (lru->bucket_count - 1)];
    while (*place != NULL && ((*place)->hash != hash || (*place)->key_bytes != key_bytes ||
                              (key_bytes > 0 && memcmp((*place)->key, key, key_bytes) != 0))) {
        place = &(*place)->chain;
    }
    return place;
}

struct lru_entry *lru_find(struct lru *lru, const void *key, size_t key_bytes)
{
    struct lru_entry *entry =
        *find_place(lru, hash_bytes(lru->seed, key, key_bytes), key, key_bytes);
    if (entry != NULL) {
        TAILQ_REMOVE(&lru->order, entry, order);
        TAILQ_INSERT_TAIL(&lru->order, entry, order);
    }
    return entry;
}

/* Doubles the table; without the memory chains just grow longer. */
static void grow(struct lru *lru)
{
    size_t count = lru->bucket_count * 2;
    struct lru_entry **buckets = new_buckets(count);
    if (buckets == NULL) {
        return;
    }
    free(lru->buckets);
    lru->buckets = buckets;
    lru->bucket_count = count;
    struct lru_entry *entry;
    TAILQ_FOREACH (entry, &lru->order, order) {
        struct lru_entry **bucket = &buckets[entry->hash & (count - 1)];
        entry->chain = *bucket;
        *bucket = entry;
    }
}

void lru_insert(struct lru *lru, struct lru_entry *entry, const void *key, size_t key_bytes)
{
    /* Asked before taking: making room is the normal course, no refusal to be counted. */
    while (bound_used(lru->entries) >= bound_limit(lru->entries) && !TAILQ_EMPTY(&lru->order)) {
        evict_oldest(lru);
    }
    if (!bound_take(lru->entries, 1)) {
        lru->evict(entry, lru->owner);
        return;
    }
    if (lru->count >= lru->bucket_count) {
        grow(lru);
    }

    entry->key = key;
    entry->key_bytes = key_bytes;
    entry->hash = hash_bytes(lru->seed, key, key_bytes);
    struct lru_entry **place = find_place(lru, entry->hash, key, key_bytes);
    CHECK(*place == NULL);
    entry->chain = NULL;
    *place = entry;
    TAILQ_INSERT_TAIL(&lru->order, entry, order);
    lru->count++;
}

void lru_remove(struct lru *lru, struct lru_entry *entry)
{
    struct lru_entry **place = &lru->buckets[entry->hash & (lru->bucket_count - 1)];
    while (*place != entry) {
        CHECK(*place != NULL);
        place = &(*place)->chain;
    }
    *place = entry->chain;
    TAILQ_REMOVE(&lru->order, entry, order);
    lru->count--;
    bound_give(lru->entries, 1);
}

struct lru_entry *lru_oldest(const struct lru *lru)
{
    return TAILQ_FIRST(&lru->order);
}

uint64_t lru_count(const struct lru *lru)
{
    return lru->count;
}
