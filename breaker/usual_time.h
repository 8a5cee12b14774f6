/*
 * The usual time of the calls of each path stratum, so that calls that always take long do not count as slow.
 *
 * The usual time of a stratum is a mean that adapts within about ten minutes. Calls that take three times as long as
 * usual count as slow for long enough to act on; if they continue to take that long, it becomes usual. Because it is a
 * mean, at most a third of the usual calls can take more than three times as long.
 *
 * Owns: nothing on the heap; embedded, zero-initialised. Thread: one; each worker learns for itself. Time base:
 * milliseconds, monotonic. Errors: none.
 */
#ifndef EVENKEEL_BREAKER_USUAL_TIME_H
#define EVENKEEL_BREAKER_USUAL_TIME_H

#include <stdbool.h>
#include <stdint.h>

#include "steady/strata.h"

/* A call is slow if it takes this many times the usual time. */
#define USUAL_TIME_SLOW_FACTOR 3
/* Fewer first calls do not show what is usual. */
#define USUAL_TIME_FIRST_CALLS 16

struct usual_time_of {
    uint64_t sum_us; /* sum over the calls of this period */
    uint32_t calls_count;
    uint32_t periods_count; /* number of periods in the mean; 0: unknown */
    double mean_us;
};

struct usual_time {
    uint64_t period_end_ms;
    struct usual_time_of by_path[STRATA_COUNT];
};

/* Not for direct use. */
void usual_time_learn(struct usual_time *usual, struct usual_time_of *of, uint64_t now_ms);

/* Notes the time of a call of the stratum. */
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

/* Whether a call of the stratum with this time was slow: longer than slow_after_us and than USUAL_TIME_SLOW_FACTOR
   times the usual time. */
static inline bool usual_time_exceeded(const struct usual_time *usual, struct strata strata,
                                       uint64_t took_us, uint64_t slow_after_us)
{
    const struct usual_time_of *of = &usual->by_path[strata.path];
    return __builtin_expect(took_us >= slow_after_us, 0) && of->periods_count > 0 &&
           (double)took_us > USUAL_TIME_SLOW_FACTOR * of->mean_us;
}

#endif
