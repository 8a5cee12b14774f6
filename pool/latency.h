/*
 * Latency of an endpoint: its mean, and how far samples are from the mean, both fading with time.
 *
 * Owns nothing; pure except for the fields that it is given. Thread: any number of writers and readers without
 * synchronisation; a lost update is one sample of many. Time base: microseconds, passed in. Mean and deviation are kept
 * as RFC 6298 section 2 keeps those of round-trip times.
 */
#ifndef EVENKEEL_POOL_LATENCY_H
#define EVENKEEL_POOL_LATENCY_H

#include <stdbool.h>
#include <stdint.h>

/* In this time a mean without new samples falls to a third, so that a slow endpoint is tried again. */
#define LATENCY_FADE_US 5000000.0
/* Smaller differences are noise, such as a pass of an event loop or an interrupt. */
#define LATENCY_GRAIN_US 1000u
#define LATENCY_MOST_US UINT32_MAX

/* How much a sample counts for the mean; for the deviation it counts twice as much. */
#define LATENCY_GAIN 0.125
/* Differences of two means are noise up to this part of both deviations. A sample moves the deviation by twice what it moves the
   mean, so one outlier, or the first sample of an endpoint, is never a difference. */
#define LATENCY_NOISE 0.75

struct latency {
    uint64_t at_us;        /* time of the last sample */
    uint32_t mean_us;      /* at that time; 0: unknown */
    uint32_t deviation_us; /* mean distance of samples from the mean, at that time */
};

/* At a time. */
struct latency_view {
    double mean_us, deviation_us;
    double fade; /* what is left of them */
};

/* exp(-x), as the fourth power of 1 / (1 + y + y^2 / 2) with y a quarter of x: within a percent up to a third, and still steep when it
   is small. A fall that flattens would keep an endpoint whose attempts timed out away from requests for an hour. */
static inline double latency_fade(uint64_t elapsed_us)
{
    double y = (double)elapsed_us / (4 * LATENCY_FADE_US);
    double root = 1 + y + y * y / 2, square = root * root;
    return 1 / (square * square);
}

/* The clocks of workers differ by up to a pass of their loops. */
static inline uint64_t latency_elapsed_us(uint64_t at_us, uint64_t now_us)
{
    return now_us > at_us ? now_us - at_us : 0;
}

static inline struct latency_view latency_view(const struct latency *latency, uint64_t now_us)
{
    uint64_t at_us = __atomic_load_n(&latency->at_us, __ATOMIC_RELAXED);
    return (struct latency_view){
        .mean_us = __atomic_load_n(&latency->mean_us, __ATOMIC_RELAXED),
        .deviation_us = __atomic_load_n(&latency->deviation_us, __ATOMIC_RELAXED),
        .fade = latency_fade(latency_elapsed_us(at_us, now_us)),
    };
}

/* The mean now; 0: unknown. */
static inline double latency_now_us(const struct latency *latency, uint64_t now_us)
{
    struct latency_view view = latency_view(latency, now_us);
    return view.mean_us * view.fade;
}

/* How many times as long a takes as b; 1 unless a is slower by more than chance. A mean that has faded makes nobody faster than
   another: else an endpoint that is rarely asked would look fast. An unknown latency differs from none. */
static inline double latency_times(const struct latency_view *a, const struct latency_view *b)
{
    double slow_us = a->mean_us * a->fade;
    double noise_us =
        LATENCY_NOISE * (a->deviation_us * a->fade + b->deviation_us) + LATENCY_GRAIN_US;
    if (b->mean_us == 0 || slow_us - b->mean_us <= noise_us) {
        return 1;
    }
    return (slow_us + LATENCY_GRAIN_US) / (b->mean_us + LATENCY_GRAIN_US);
}

static inline uint32_t latency_bounded(double us)
{
    return (uint32_t)(us < 1 ? 1 : us > LATENCY_MOST_US ? LATENCY_MOST_US : us);
}

/* The older the mean is, the more counts a sample. */
static inline void latency_add_answer(struct latency *latency, double sample, uint64_t elapsed_us)
{
    double mean = __atomic_load_n(&latency->mean_us, __ATOMIC_RELAXED);
    double deviation = __atomic_load_n(&latency->deviation_us, __ATOMIC_RELAXED);
    double aged = 1 - latency_fade(elapsed_us);
    double gain = aged > LATENCY_GAIN ? aged : LATENCY_GAIN;
    double distance = sample > mean ? sample - mean : mean - sample;
    if (mean == 0) {
        mean = sample;
        deviation = 2 * sample;
    } else {
        mean += gain * (sample - mean);
        deviation += (gain < 0.5 ? 2 * gain : 1) * (distance - deviation);
    }
    __atomic_store_n(&latency->mean_us, latency_bounded(mean), __ATOMIC_RELAXED);
    __atomic_store_n(&latency->deviation_us, latency_bounded(deviation), __ATOMIC_RELAXED);
}

/* A failed attempt doubles the mean whatever it took, so that an endpoint that fails quickly does not attract requests. */
static inline void latency_add(struct latency *latency, uint64_t sample_us, bool failed,
                               uint64_t now_us)
{
    uint64_t at_us = __atomic_load_n(&latency->at_us, __ATOMIC_RELAXED);
    if (failed) {
        double mean = __atomic_load_n(&latency->mean_us, __ATOMIC_RELAXED);
        mean += mean + (double)sample_us + LATENCY_GRAIN_US;
        __atomic_store_n(&latency->mean_us, latency_bounded(mean), __ATOMIC_RELAXED);
    } else {
        latency_add_answer(latency, (double)sample_us, latency_elapsed_us(at_us, now_us));
    }
    __atomic_store_n(&latency->at_us, now_us, __ATOMIC_RELAXED);
}

#endif
