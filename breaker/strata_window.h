/*
 * What became of the calls of the last seconds in each stratum (steady/strata.h), and what share of the traffic failed when it is
 * not the calls that are counted but the strata.
 *
 * Owns: nothing on the heap; embedded, zero-initialised. Thread: a local belongs to one thread and is read by any; all else is
 * guarded by the owner's lock. Time base: milliseconds, monotonic. Errors: none.
 *
 * Running sums that wrap around: what a span had is a difference. The window is the present span, and of the one before as much as
 * makes up a whole.
 */
#ifndef EVENKEEL_BREAKER_STRATA_WINDOW_H
#define EVENKEEL_BREAKER_STRATA_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "steady/strata.h"

enum strata_sum { STRATA_GOOD, STRATA_FAILED, STRATA_SLOW };
#define STRATA_SUMS 3

/* Calls by stratum. */
struct strata_calls {
    uint32_t of[STRATA_SIDES][STRATA_COUNT];
};

struct strata_window {
    uint64_t end_ms;                       /* of the present span */
    struct strata_calls bad[STRATA_SUMS];  /* running; those of STRATA_GOOD are in the locals */
    struct strata_calls mark[STRATA_SUMS]; /* the running sums when the present span began */
    struct strata_calls past[STRATA_SUMS]; /* what the span before it had */
};

/* A thread's good calls, running. */
static inline void strata_add_good(struct strata_calls *local, struct strata strata)
{
    uint32_t *by_client = local->of[STRATA_BY_CLIENT] + strata.client;
    uint32_t *by_path = local->of[STRATA_BY_PATH] + strata.path;
    __atomic_store_n(by_client, __atomic_load_n(by_client, __ATOMIC_RELAXED) + 1, __ATOMIC_RELAXED);
    __atomic_store_n(by_path, __atomic_load_n(by_path, __ATOMIC_RELAXED) + 1, __ATOMIC_RELAXED);
}

/* Adds one thread's to the sum of all. */
void strata_gather(struct strata_calls *sum, const struct strata_calls *local);

void strata_window_add_bad(struct strata_window *window, struct strata strata, enum strata_sum sum);

/* Begins a span; due at end_ms. `good` is the sum of all locals, here and below. */
void strata_window_turn(struct strata_window *window, const struct strata_calls *good,
                        uint64_t now_ms, uint64_t window_ms);
/* Everything before is out of the window. */
void strata_window_clear(struct strata_window *window, const struct strata_calls *good,
                         uint64_t now_ms, uint64_t window_ms);

struct strata_shares {
    double failed, slow;
};

/* The mean of the strata's shares on the side where it is smaller. The worst stratum of a side is left out: alone it says nothing
   of the others. A side with one stratum has no say: 1. */
struct strata_shares strata_window_shares(const struct strata_window *window,
                                          const struct strata_calls *good, uint64_t now_ms,
                                          uint64_t window_ms);
/* Those with a call in the window. */
uint32_t strata_window_set(const struct strata_window *window, const struct strata_calls *good,
                           uint64_t now_ms, uint64_t window_ms);

#endif
