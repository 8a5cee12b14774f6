/* xoshiro256** by Blackman and Vigna, seeded through SplitMix64 or from the kernel. */
#include "steady/rng.h"

#include <string.h>
#include <sys/auxv.h>
#include <sys/random.h>
#include <time.h>

#include "steady/check.h"
#include "steady/fault.h"

static uint64_t rotate_left(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

void rng_init(struct rng *rng, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        rng->state[i] = splitmix(&seed);
    }
}

/* Where a sandbox denies getrandom(): the 16 random bytes the kernel gave at exec, told apart by time and place. */
static uint64_t poor_seed(const struct rng *rng)
{
    uint64_t given[2] = {0, 0};
    const void *at_random = (const void *)getauxval(AT_RANDOM);
    if (at_random != NULL) {
        memcpy(given, at_random, sizeof given);
    }
    struct timespec now = {0, 0};
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t now_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
    return given[0] ^ rotate_left(given[1], 32) ^ now_ns ^ (uintptr_t)rng;
}

/* Requests of up to 256 bytes are neither cut short nor interrupted. */
void rng_init_random(struct rng *rng)
{
    ssize_t got = fault_hits(FAULT_READ) ? -1 : getrandom(rng->state, sizeof rng->state, 0);
    if (got != (ssize_t)sizeof rng->state) {
        rng_init(rng, poor_seed(rng));
    }
}

uint64_t rng_next(struct rng *rng)
{
    uint64_t *s = rng->state;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

/* Lemire's method: the high half of a product is uniform once the few low halves that would bias it are refused. */
uint64_t rng_below(struct rng *rng, uint64_t limit)
{
    CHECK(limit > 0);
    __uint128_t product = (__uint128_t)rng_next(rng) * limit;
    if ((uint64_t)product < limit) {
        uint64_t biased = -limit % limit;
        while ((uint64_t)product < biased) {
            product = (__uint128_t)rng_next(rng) * limit;
        }
    }
    return (uint64_t)(product >> 64);
}

/* How far a value may move: not at all when the share is none. */
static uint64_t share_of(uint64_t value, double share)
{
    double wanted = share > 0 ? (double)value * share : 0;
    return wanted < (double)value ? (uint64_t)wanted : value;
}

uint64_t rng_jitter(struct rng *rng, uint64_t value, double share)
{
    uint64_t span = share_of(value, share);
    if (span > UINT64_MAX - value) {
        span = UINT64_MAX - value;
    }
    return value - span + rng_below(rng, 2 * span + 1);
}

uint64_t rng_shorten(struct rng *rng, uint64_t value, double share)
{
    uint64_t span = share_of(value, share);
    return value - (span == UINT64_MAX ? rng_next(rng) : rng_below(rng, span + 1));
}
