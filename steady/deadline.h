/*
 * Deadline arithmetic on a monotonic millisecond clock.
 *
 * Owns nothing; pure. Time base: milliseconds of CLOCK_MONOTONIC, passed in by the caller.
 * A deadline is an absolute time. There is no value for "never": every wait is finite.
 */
#ifndef EVENKEEL_STEADY_DEADLINE_H
#define EVENKEEL_STEADY_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>

/* The deadline `wait_ms` after `now_ms`; saturates instead of wrapping. */
static inline uint64_t deadline_after(uint64_t now_ms, uint64_t wait_ms)
{
    uint64_t deadline_ms = now_ms + wait_ms;
    return deadline_ms < now_ms ? UINT64_MAX : deadline_ms;
}

/* The earlier of two deadlines. */
static inline uint64_t deadline_earlier(uint64_t a_ms, uint64_t b_ms)
{
    return a_ms < b_ms ? a_ms : b_ms;
}

/* Milliseconds left, 0 when the deadline has passed. */
static inline uint64_t deadline_left_ms(uint64_t deadline_ms, uint64_t now_ms)
{
    return deadline_ms > now_ms ? deadline_ms - now_ms : 0;
}

/* A deadline has passed from its own millisecond on. */
static inline bool deadline_passed(uint64_t deadline_ms, uint64_t now_ms)
{
    return now_ms >= deadline_ms;
}

#endif
