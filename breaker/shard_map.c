/* Jump consistent hashing. */
#include "breaker/shard_map.h"

#include "steady/check.h"

/* Tries for a second shard. At worst all of them fail with a probability of 2^-64. */
#define SECOND_TRIES 64

/* A step of the generator in the paper. Its period is full, so each hash is the seed of a sequence of its own. */
static uint64_t next(uint64_t sequence)
{
    return sequence * UINT64_C(2862933555777941757) + 1;
}

/* A hash that is independent of the one it is made from (the finaliser of SplitMix64). */
static uint64_t another(uint64_t hash)
{
    hash += UINT64_C(0x9e3779b97f4a7c15);
    hash = (hash ^ hash >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    hash = (hash ^ hash >> 27) * UINT64_C(0x94d049bb133111eb);
    return hash ^ hash >> 31;
}

/* Follows the shard counts at which the key would have moved: with b + 1 shards it moved to b, and the next such count
   is above (b + 1) / r for r uniform in 0..1. */
uint32_t shard_of(uint64_t hash, uint32_t shard_count)
{
    CHECK(shard_count > 0);
    double candidate = 0;
    uint32_t shard;
    do {
        shard = (uint32_t)candidate;
        hash = next(hash);
        candidate = ((double)shard + 1) * (0x1p31 / (double)((hash >> 33) + 1));
    } while (candidate < (double)shard_count);
    return shard;
}

struct shard_pair shard_pair_of(uint64_t hash, uint32_t shard_count)
{
    CHECK(shard_count > 1);
    struct shard_pair pair = {.first = shard_of(hash, shard_count)};
    for (int i = 0; i < SECOND_TRIES; i++) {
        hash = another(hash);
        pair.second = shard_of(hash, shard_count);
        if (pair.second != pair.first) {
            return pair;
        }
    }
    pair.second = (pair.first + 1) % shard_count;
    return pair;
}
