/*
 * The clock of an event loop: read at most once a pass, however many callbacks ask.
 *
 * Owns nothing. Thread: its loop's. Time base: CLOCK_MONOTONIC. The loop calls loop_clock_expire() before it waits.
 */
#ifndef EVENKEEL_STEADY_LOOP_CLOCK_H
#define EVENKEEL_STEADY_LOOP_CLOCK_H

#include <stdint.h>
#include <time.h>

struct loop_clock {
    uint64_t now_us; /* 0: to be read at the next question */
};

static inline void loop_clock_expire(struct loop_clock *clock)
{
    clock->now_us = 0;
}

static inline uint64_t loop_clock_us(struct loop_clock *clock)
{
    if (clock->now_us == 0) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        clock->now_us = (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
    }
    return clock->now_us;
}

static inline uint64_t loop_clock_ms(struct loop_clock *clock)
{
    return loop_clock_us(clock) / 1000u;
}

#endif
