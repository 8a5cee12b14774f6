/*
 * Service time: how long the endpoints of an upstream take for an answer, as a median and a 0.99 quantile that follow the answers.
 *
 * An estimate moves by a small step with each answer, up or down, so that as many answers are above it as the quantile says. That
 * costs two comparisons and keeps no history.
 *
 * Owns nothing; zeroed is empty. Thread: one writer, any reader. Time base: microseconds, passed in. Errors: none.
 */
#ifndef EVENKEEL_PROXY_POLICY_SERVICE_TIME_H
#define EVENKEEL_PROXY_POLICY_SERVICE_TIME_H

#include <stdint.h>

#include "steady/counter.h"

struct service_time {
    uint64_t answers_count;
    uint32_t median_us, most_us; /* most: the 0.99 quantile */
};

/* The step of the median is 1/64 of it; that of the 0.99 quantile 99/4096 up and 1/4096 down. */
static inline void service_time_note(struct service_time *service, uint64_t took_us)
{
    uint32_t took = took_us < UINT32_MAX / 2 ? (uint32_t)took_us : UINT32_MAX / 2;
    uint32_t median = service->median_us, most = service->most_us;
    if (__builtin_expect(service->answers_count == 0, 0)) {
        median = most = took;
    }
    uint32_t step = median / 64 + 1, most_step = most / 4096 + 1;
    median = took > median ? median + step : median - (step < median ? step : median);
    most = took > most ? most + 99 * most_step : most - (most_step < most ? most_step : most);
    __atomic_store_n(&service->median_us, median, __ATOMIC_RELAXED);
    __atomic_store_n(&service->most_us, most, __ATOMIC_RELAXED);
    stat_add(&service->answers_count, 1);
}

#endif
