/*
 * Shards: to which of N shards a key belongs.
 *
 * Owns nothing; pure. Thread: any. Spec: Lamping and Veach, "A fast, minimal memory, consistent hash algorithm"
 * (2014).
 *
 * There is no table: the same key and count give the same shard on every machine. From N to N + 1 shards, 1/(N + 1) of
 * the keys move, all of them to the new shard. With shuffling a key has two shards and may use the emptier: a tenant
 * that fills one leaves the keys that share it their other shard.
 */
#ifndef EVENKEEL_BREAKER_SHARD_MAP_H
#define EVENKEEL_BREAKER_SHARD_MAP_H

#include <stdint.h>

/* 0..shard_count-1; shard_count > 0. The hash is hash_bytes() of the key, with the same seed wherever keys must map
   alike. */
uint32_t shard_of(uint64_t hash, uint32_t shard_count);

struct shard_pair {
    uint32_t first, second; /* different; first is shard_of() */
};
/* shard_count > 1. */
struct shard_pair shard_pair_of(uint64_t hash, uint32_t shard_count);

#endif
