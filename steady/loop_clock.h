/*
 * The clock of an event loop: read at most once a pass, however many callbacks ask.
 *
 * Owns nothing. Thread: its loop's. Time base: CLOCK_MONOTONIC. The loop calls loop_clock_expire() before it waits.
 */
#ifndef EVENKEEL_STEADY_LOOP_CLOCK_H
#define EVENKEEL_STEADY_LOOP_CLOCK_H

#include <stdint.h>

struct loop_clock {
    uint64_t now_us; /* 0: to be read at the next question */
    uint64_t now_ms; /* the same time cut */
};

/* Lets it stand at a time, which is not 0, until it expires. */
static inline void loop_clock_set(struct loop_clock *clock, uint64_t now_us)
{
    clock->now_us = now_us;
    clock->now_ms = now_us / 1000u;
}

static inline void loop_clock_expire(struct loop_clock *clock)
{
    clock->now_us = 0;
}

/* Asks the system. Not inline: its stack frame is not for every function that asks what time it is. */
__attribute__((cold, noinline)) uint64_t loop_clock_read(struct loop_clock *clock);

/* For who has no loop's clock: asks the system each time. */
static inline uint64_t loop_clock_now_us(void)
{
    struct loop_clock clock = {0};
    return loop_clock_read(&clock);
}

static inline uint64_t loop_clock_now_ms(void)
{
    return loop_clock_now_us() / 1000u;
}

static inline uint64_t loop_clock_us(struct loop_clock *clock)
{
    return __builtin_expect(clock->now_us != 0, 1) ? clock->now_us : loop_clock_read(clock);
}

static inline uint64_t loop_clock_ms(struct loop_clock *clock)
{
    (void)loop_clock_us(clock);
    return clock->now_ms;
}

#endif
