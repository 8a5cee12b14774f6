/*
 * The results of the calls of the last seconds in each stratum (steady/strata.h), and the share of failures if strata
 * are counted instead of calls.
 *
 * Owns: nothing on the heap; embedded, zero-initialised. Thread: a local belongs to one thread and is read by any;
 * everything else is protected by the owner's lock. Time base: milliseconds, monotonic. Errors: none.
 *
 * Running sums wrap around, so the count of a span is a difference. The window is the current span, and as much of the
 * one before as makes a whole window.
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
    uint64_t end_ms;                      /* end of the current span */
    struct strata_calls bad[STRATA_SUMS]; /* running sums; those of STRATA_GOOD are in the locals */
    struct strata_calls mark[STRATA_SUMS]; /* the running sums at the start of the current span */
    struct strata_calls past[STRATA_SUMS]; /* the counts of the span before it */
};

/* Adds a thread's good call to its running sums. */
static inline void strata_add_good(struct strata_calls *local, struct strata strata)
{
    uint32_t *by_client = local->of[STRATA_BY_CLIENT] + strata.client;
    uint32_t *by_path = local->of[STRATA_BY_PATH] + strata.path;
    __atomic_store_n(by_client, __atomic_load_n(by_client, __ATOMIC_RELAXED) + 1, __ATOMIC_RELAXED);
    __atomic_store_n(by_path, __atomic_load_n(by_path, __ATOMIC_RELAXED) + 1, __ATOMIC_RELAXED);
}

/* Adds one thread's counts to the sum of all. */
void strata_gather(struct strata_calls *sum, const struct strata_calls *local);

void strata_window_add_bad(struct strata_window *window, struct strata strata, enum strata_sum sum);

/* Begins a span; to be called at end_ms. `good` is the sum of all locals, here and below. */
void strata_window_turn(struct strata_window *window, const struct strata_calls *good,
                        uint64_t now_ms, uint64_t window_ms);
/* Removes all earlier calls from the window. */
void strata_window_clear(struct strata_window *window, const struct strata_calls *good,
                         uint64_t now_ms, uint64_t window_ms);

struct strata_shares {
    double failed, slow;
};

/* The mean of the strata's shares, on the side where it is smaller. The worst stratum of a side is left out, because
   alone it says nothing about the others. A side with one stratum does not count: 1. */
struct strata_shares strata_window_shares(const struct strata_window *window,
                                          const struct strata_calls *good, uint64_t now_ms,
                                          uint64_t window_ms);
/* The strata with a call in the window. */
uint32_t strata_window_set(const struct strata_window *window, const struct strata_calls *good,
                           uint64_t now_ms, uint64_t window_ms);

#endif
