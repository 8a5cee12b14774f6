/*
 * Latency of an endpoint: an estimate that rises at once with high samples and falls with time.
 *
 * Owns nothing; pure except for the fields that it is given. Thread: any number of writers and readers without
 * synchronisation; a lost update is one sample of many. Time base: microseconds, passed in.
 */
#ifndef EVENKEEL_POOL_LATENCY_H
#define EVENKEEL_POOL_LATENCY_H

#include <stdbool.h>
#include <stdint.h>

/* In this time an estimate without new samples falls to a third, so that a slow endpoint is tried again. */
#define LATENCY_FADE_US 5000000.0
/* Smaller differences are noise, such as a pass of an event loop or an interrupt. */
#define LATENCY_GRAIN_US 1000u
#define LATENCY_MOST_US UINT32_MAX

struct latency {
    uint64_t at_us;       /* time of the last sample */
    uint32_t estimate_us; /* the estimate at that time; 0: unknown */
};

/* exp(-x) within a few percent where it matters. */
static inline double latency_fade(uint64_t elapsed_us)
{
    double x = (double)elapsed_us / LATENCY_FADE_US;
    return 1 / (1 + x + x * x / 2);
}

/* The clocks of workers differ by up to a pass of their loops. */
static inline uint64_t latency_elapsed_us(uint64_t at_us, uint64_t now_us)
{
    return now_us > at_us ? now_us - at_us : 0;
}

/* The estimate now; 0: unknown. */
static inline double latency_now_us(const struct latency *latency, uint64_t now_us)
{
    uint64_t at_us = __atomic_load_n(&latency->at_us, __ATOMIC_RELAXED);
    uint32_t estimate_us = __atomic_load_n(&latency->estimate_us, __ATOMIC_RELAXED);
    return estimate_us * latency_fade(latency_elapsed_us(at_us, now_us));
}

/* A higher sample raises the estimate at once, but at most doubles it, so that one outlier does not turn all requests
   away. A failed attempt counts as slow whatever it took, so that an endpoint that fails quickly does not attract
   requests. */
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
