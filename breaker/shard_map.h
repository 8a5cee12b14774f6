/*
 * Shards: which of N a key belongs to.
 *
 * Owns nothing; pure. Thread: any. Spec: Lamping and Veach, "A fast, minimal memory, consistent hash algorithm" (2014).
 *
 * No table: the same key and count give the same shard on every machine. From N to N + 1 shards 1/(N + 1) of the keys move, all of
 * them to the new one. With shuffling a key has two shards and may use the emptier: a tenant that floods one leaves those it shares
 * it with their other.
 */
#ifndef EVENKEEL_BREAKER_SHARD_MAP_H
#define EVENKEEL_BREAKER_SHARD_MAP_H

#include <stdint.h>

/* 0..shard_count-1; shard_count > 0. The hash is hash_bytes() of the key, under the same seed wherever keys have to map alike. */
uint32_t shard_of(uint64_t hash, uint32_t shard_count);

struct shard_pair {
    uint32_t first, second; /* differ; first is shard_of() */
};
/* shard_count > 1. */
struct shard_pair shard_pair_of(uint64_t hash, uint32_t shard_count);

#endif
