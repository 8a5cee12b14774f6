/*
 * Waiting for a condition of another thread, for a bounded time that no change of the clock moves.
 *
 * Owns nothing. Thread: any. Time base: monotonic.
 */
#ifndef EVENKEEL_STEADY_TIMED_WAIT_H
#define EVENKEEL_STEADY_TIMED_WAIT_H

#include <pthread.h>
#include <stdint.h>
#include <time.h>

/* For pthread_cond_timedwait() with a time of timed_wait_until(). */
static inline void timed_wait_init(pthread_cond_t *condition)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

static inline struct timespec timed_wait_until(uint64_t within_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    uint64_t until_ns = (uint64_t)until.tv_nsec + within_ms % 1000 * 1000000;
    until.tv_sec += (time_t)(within_ms / 1000 + until_ns / 1000000000);
    until.tv_nsec = (long)(until_ns % 1000000000);
    return until;
}

#endif
