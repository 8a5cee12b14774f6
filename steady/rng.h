/*
 * Random numbers for decisions and identifiers (xoshiro256**); not for keys or secrets.
 *
 * Owns nothing. Thread: one per thread.
 */
#ifndef EVENKEEL_STEADY_RNG_H
#define EVENKEEL_STEADY_RNG_H

#include <stdint.h>

struct rng {
    uint64_t state[4];
};

/* From a seed, for tests that must repeat. */
void rng_init(struct rng *rng, uint64_t seed);
/* From the kernel. */
void rng_init_random(struct rng *rng);
uint64_t rng_next(struct rng *rng);
/* Uniform in 0..limit-1; limit > 0. */
uint64_t rng_below(struct rng *rng, uint64_t limit);
/* value * (1 ± share), uniform; share in 0..1. */
uint64_t rng_jitter(struct rng *rng, uint64_t value, double share);
/* From value * (1 - share) to value, uniform; share in 0..1. */
uint64_t rng_shorten(struct rng *rng, uint64_t value, double share);

#endif
