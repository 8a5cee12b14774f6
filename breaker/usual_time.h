/*
 * What the calls of each path stratum usually take, so that what always takes long is not taken for slow.
 *
 * A stratum's usual time is a mean that follows within some ten minutes: what takes three times as long as usual is seen for long
 * enough to be acted upon, and what goes on taking so long becomes usual. As it is a mean, of calls that are as ever no more than a
 * third can exceed it three times.
 *
 * Owns: nothing on the heap; embedded, zero-initialised. Thread: one; each worker learns for itself. Time base: milliseconds,
 * monotonic. Errors: none.
 */
#ifndef EVENKEEL_BREAKER_USUAL_TIME_H
#define EVENKEEL_BREAKER_USUAL_TIME_H

#include <stdbool.h>
#include <stdint.h>

#include "steady/strata.h"

/* So much slower than usual is slow. */
#define USUAL_TIME_SLOW_FACTOR 3
/* Fewer first calls do not tell what is usual. */
#define USUAL_TIME_FIRST_CALLS 16

struct usual_time_of {
    uint64_t sum_us; /* of the calls of this period */
    uint32_t calls_count;
    uint32_t periods_count; /* that were learned from; 0: nothing is known */
    double mean_us;
};

struct usual_time {
    uint64_t period_end_ms;
    struct usual_time_of by_path[STRATA_COUNT];
};

/* Not for direct use. */
void usual_time_learn(struct usual_time *usual, struct usual_time_of *of, uint64_t now_ms);

/* A call of the stratum took so long. */
static inline void usual_time_note(struct usual_time *usual, struct strata strata, uint64_t took_us,
                                   uint64_t now_ms)
{
    struct usual_time_of *of = &usual->by_path[strata.path];
    of->sum_us += took_us;
    of->calls_count++;
    if (__builtin_expect(
            now_ms >= usual->period_end_ms || of->calls_count == USUAL_TIME_FIRST_CALLS, 0)) {
        usual_time_learn(usual, of, now_ms);
    }
}

/* Whether a call of the stratum that took so long was slow: longer than slow_after_us and than USUAL_TIME_SLOW_FACTOR times what is
   usual there. */
static inline bool usual_time_exceeded(const struct usual_time *usual, struct strata strata,
                                       uint64_t took_us, uint64_t slow_after_us)
{
    const struct usual_time_of *of = &usual->by_path[strata.path];
    return __builtin_expect(took_us >= slow_after_us, 0) && of->periods_count > 0 &&
           (double)took_us > USUAL_TIME_SLOW_FACTOR * of->mean_us;
}

#endif
