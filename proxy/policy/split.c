/* By chance, or by rendezvous. */
#include "proxy/policy/split.h"

#include <string.h>

#include "steady/hash.h"

size_t split_draw(const struct route_upstream *upstreams, size_t count, struct rng *rng)
{
    uint64_t total = 0;
    for (size_t i = 0; i < count; i++) {
        total += upstreams[i].weight;
    }
    uint64_t drawn = rng_below(rng, total);
    size_t i = 0;
    while (drawn >= upstreams[i].weight) {
        drawn -= upstreams[i++].weight;
    }
    return i;
}

#define FRACTION_BITS 32

/* -log2(value / 2^64) in units of 2^-FRACTION_BITS, below 2^38. Whole numbers, so that every machine finds the same. */
static uint64_t rarity_of(uint64_t value)
{
    unsigned zeros = (unsigned)__builtin_clzll(value | 1);
    uint64_t mantissa = (value | 1) << zeros, fraction = 0; /* 2^63 stands for 1 */
    for (unsigned bit = 0; bit < FRACTION_BITS; bit++) {
        unsigned __int128 square = (unsigned __int128)mantissa * mantissa >> 63;
        unsigned doubled = (unsigned)(square >> 64);
        mantissa = (uint64_t)(square >> doubled);
        fraction = fraction << 1 | doubled;
    }
    return ((uint64_t)(zeros + 1) << FRACTION_BITS) - fraction;
}

/* Each upstream has a random time for the key, shorter on average the greater its weight is; the shortest wins. With exponential times the
   chance of each is its share of the weights. */
size_t split_by_key(const struct route_upstream *upstreams, size_t count, uint64_t key_hash)
{
    size_t best = 0;
    uint64_t best_rarity = 0, best_weight = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t weight = upstreams[i].weight;
        uint64_t rarity =
            rarity_of(hash_bytes(key_hash, upstreams[i].name, strlen(upstreams[i].name)));
        if (weight > 0 && (best_weight == 0 || rarity * best_weight < best_rarity * weight)) {
            best = i;
            best_rarity = rarity;
            best_weight = weight;
        }
    }
    return best;
}
