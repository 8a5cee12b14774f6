/*
 * Warmth: how many connections to keep ready, for how long, and how soon to try again. Decisions only.
 *
 * Owns nothing; pure. Thread: its caller's. Time base: milliseconds, monotonic; randomness is an argument.
 */
#ifndef EVENKEEL_POOL_WARMTH_H
#define EVENKEEL_POOL_WARMTH_H

#include <stdint.h>

#include "steady/rng.h"

/* The waits between dials to an endpoint that refuses: the first at most, and the longest. */
#define WARMTH_BACKOFF_BASE_MS 50
#define WARMTH_BACKOFF_MAX_MS 1000

/* What a worker dials of an endpoint's level at the start. The shares of all workers add up to the level; `turn` shifts
   who has one more, so that not the same worker dials for every endpoint. */
uint64_t warmth_share_count(uint64_t level_count, unsigned worker, unsigned worker_count,
                            uint64_t turn);

/* A connection's life: uniform between lifetime_ms * (1 - jitter_share) and lifetime_ms, and never 0. */
uint64_t warmth_lifetime_ms(uint64_t lifetime_ms, double jitter_share, struct rng *rng);

/* How long to wait after the n-th failure in a row (n > 0): twice as long each time up to the longest, less up to a
   half, so that workers and processes do not keep step. */
uint64_t warmth_backoff_ms(uint64_t failures_count, struct rng *rng);

#endif
