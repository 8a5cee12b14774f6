/*
 * Latency of an endpoint: an estimate that rises with the peaks and fades with time.
 *
 * Owns nothing; pure but for the fields it is given. Thread: any number of writers and readers without order; an
 * update that gets lost is one sample among many. Time base: microseconds, passed in.
 */
#ifndef EVENKEEL_POOL_LATENCY_H
#define EVENKEEL_POOL_LATENCY_H

#include <stdbool.h>
#include <stdint.h>

/* In this time an estimate that nothing confirms falls to a third: who was slow is tried again. */
#define LATENCY_FADE_US 5000000.0
/* Differences much below this say nothing: loops that turn, interrupts. */
#define LATENCY_GRAIN_US 1000u
#define LATENCY_MOST_US UINT32_MAX

struct latency {
    uint64_t at_us;       /* of the last sample */
    uint32_t estimate_us; /* as of then; 0: unknown */
};

/* exp(-x) within a few percent where it matters. */
static inline double latency_fade(uint64_t elapsed_us)
{
    double x = (double)elapsed_us / LATENCY_FADE_US;
    return 1 / (1 + x + x * x / 2);
}

/* Clocks of workers differ by a pass of their loops. */
static inline uint64_t latency_elapsed_us(uint64_t at_us, uint64_t now_us)
{
    return now_us > at_us ? now_us - at_us : 0;
}

/* What it is worth now; 0: unknown. */
static inline double latency_now_us(const struct latency *latency, uint64_t now_us)
{
    uint64_t at_us = __atomic_load_n(&latency->at_us, __ATOMIC_RELAXED);
    uint32_t estimate_us = __atomic_load_n(&latency->estimate_us, __ATOMIC_RELAXED);
    return estimate_us * latency_fade(latency_elapsed_us(at_us, now_us));
}

/* A rise is believed at once, but one sample at most doubles the estimate: an outlier must not turn all away. A sample
   of an attempt that failed says "slow" whatever it took: who fails fast must not look attractive. */
static inline void latency_add(struct latency *latency, uint64_t sample_us, bool failed,
                               uint64_t now_us)
{
    uint64_t at_us = __atomic_load_n(&latency->at_us, __ATOMIC_RELAXED);
    double before = __atomic_load_n(&latency->estimate_us, __ATOMIC_RELAXED), after;
    double most = 2 * before + LATENCY_GRAIN_US;
    double sample = failed ? (double)sample_us + most : (double)sample_us;
    if (before == 0 && !failed) {
        after = sample;
    } else if (sample >= before) {
        after = sample < most ? sample : most;
    } else {
        double kept = latency_fade(latency_elapsed_us(at_us, now_us));
        after = before * kept + sample * (1 - kept);
    }
    after = after < 1 ? 1 : after > LATENCY_MOST_US ? LATENCY_MOST_US : after;
    __atomic_store_n(&latency->estimate_us, (uint32_t)after, __ATOMIC_RELAXED);
    __atomic_store_n(&latency->at_us, now_us, __ATOMIC_RELAXED);
}

#endif
