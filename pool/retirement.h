/*
 * Retirements ahead: how many connections of a local reach the end of their lifetime in each of the coming steps of
 * time.
 *
 * Owns: counts by absolute step, in a ring. Private to pool/. Thread: written by the local's worker, read by any. Time
 * base: the loop clock, ms. A step is a twelfth of the longest lifetime. If the settings change it, older connections
 * stay in their steps, so the figures are imprecise until those connections are gone.
 */
#ifndef EVENKEEL_POOL_RETIREMENT_H
#define EVENKEEL_POOL_RETIREMENT_H

#include <stdint.h>

#include "pool/upstream.h"

struct retirements {
    uint64_t step_ms;
    uint32_t counts[RETIREMENT_STEPS];
};

static inline void retirements_init(struct retirements *retirements, uint64_t lifetime_ms,
                                    double jitter_share)
{
    uint64_t longest_ms = lifetime_ms + (uint64_t)((double)lifetime_ms * jitter_share);
    __atomic_store_n(&retirements->step_ms, longest_ms / (RETIREMENT_AHEAD - 1) + 1,
                     __ATOMIC_RELAXED);
}

static inline void retirements_change(struct retirements *retirements, unsigned step,
                                      uint32_t change)
{
    uint32_t count = retirements->counts[step] + change;
    __atomic_store_n(&retirements->counts[step], count, __ATOMIC_RELAXED);
}

/* Counts a connection. Returns its step, for retirements_change(..., -1). */
static inline unsigned retirements_add(struct retirements *retirements, uint64_t retire_ms)
{
    unsigned step = (unsigned)(retire_ms / retirements->step_ms % RETIREMENT_STEPS);
    retirements_change(retirements, step, 1);
    return step;
}

/* Adds the counts of a local to the figures, which begin with the current step. */
static inline void retirements_sum(const struct retirements *retirements, uint64_t now_ms,
                                   struct endpoint_figures *figures)
{
    uint64_t step_ms = __atomic_load_n(&retirements->step_ms, __ATOMIC_RELAXED);
    if (step_ms == 0) {
        return;
    }
    figures->retiring_step_ms = step_ms;
    for (unsigned i = 0; i < RETIREMENT_STEPS; i++) {
        unsigned step = (unsigned)((now_ms / step_ms + i) % RETIREMENT_STEPS);
        figures->retiring[i] += __atomic_load_n(&retirements->counts[step], __ATOMIC_RELAXED);
    }
}

#endif
