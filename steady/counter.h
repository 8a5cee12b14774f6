/*
 * A counter with one writer and any reader: plain 64-bit stores, read with relaxed atomics.
 *
 * Owns nothing. Thread: add and sub on the writer's, read on any.
 */
#ifndef EVENKEEL_STEADY_COUNTER_H
#define EVENKEEL_STEADY_COUNTER_H

#include <stdint.h>

static inline void stat_add(uint64_t *counter, uint64_t n)
{
    __atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

static inline void stat_sub(uint64_t *counter, uint64_t n)
{
    __atomic_store_n(counter, *counter - n, __ATOMIC_RELAXED);
}

static inline uint64_t stat_read(const uint64_t *counter)
{
    return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

#endif
