/*
 * Bounded LRU map from a byte-string key to an owner's embedded entry.
 *
 * Owns: the hash table and the order; entries are embedded in the owner's objects, keys are the owner's bytes and
 * must not change while inserted. Thread: one thread, or the caller's lock. Errors: NULL from lru_create() only.
 * Hashing is seeded (no collision attacks).
 */
#ifndef EVENKEEL_STEADY_LRU_H
#define EVENKEEL_STEADY_LRU_H

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "steady/bound.h"

struct lru_entry {
    TAILQ_ENTRY(lru_entry) order;
    struct lru_entry *chain;
    const void *key;
    size_t key_bytes;
    uint64_t hash;
};

struct lru;

/* Called for an entry that is pushed out by the limit; it is no longer in the map. May free the entry and remove
   others, but not insert. */
typedef void lru_evict_fn(struct lru_entry *entry, void *owner);

/* The bound's limit is the largest number of entries. seed: random, once per process. NULL when memory is
   exhausted. */
struct lru *lru_create(struct bound *entries, uint64_t seed, lru_evict_fn *evict, void *owner);
/* Evicts everything first. NULL is fine. */
void lru_free(struct lru *lru);

/* The entry, now the most recently used, or NULL. */
struct lru_entry *lru_find(struct lru *lru, const void *key, size_t key_bytes);
/* Inserts an entry whose key is not in the map (asserted); evicts the least recently used ones when full. When the
   bound has no room though all others were evicted (its limit is 0, or another map shares it), the entry itself is
   evicted at once. */
void lru_insert(struct lru *lru, struct lru_entry *entry, const void *key, size_t key_bytes);
void lru_remove(struct lru *lru, struct lru_entry *entry);
/* The least recently used entry, or NULL. */
struct lru_entry *lru_oldest(const struct lru *lru);
uint64_t lru_count(const struct lru *lru);

#endif
