/*
 * The results of the calls of the last seconds, and the number of failures in a row.
 *
 * Owns: nothing on the heap; embedded. Thread: any; a local belongs to one thread. Time base: milliseconds, monotonic.
 *
 * Successes go through locals (window.h), so decisions may lack up to 1/WINDOW_LAG of them. Failures and slow calls
 * are exact, and so is everything while there are few calls.
 */
#ifndef EVENKEEL_BREAKER_OUTCOME_WINDOW_H
#define EVENKEEL_BREAKER_OUTCOME_WINDOW_H

#include <stdint.h>

#include "breaker/window.h"
#include "steady/enum_names.h"
#include "steady/strata.h"

/* What a call says about the upstream or endpoint. UNREACHED: a failure in which the call had no part, because there
   was no connection. IGNORED: nothing (Evenkeel refused, the client left, another hop had decided). */
#define OUTCOMES(X)                   \
    X(OUTCOME_SUCCESS, "success")     \
    X(OUTCOME_FAILURE, "failure")     \
    X(OUTCOME_UNREACHED, "unreached") \
    X(OUTCOME_SLOW, "slow")           \
    X(OUTCOME_IGNORED, "ignored")

enum outcome { ENUM_VALUES(OUTCOMES) };

static inline bool outcome_failed(enum outcome outcome)
{
    return outcome == OUTCOME_FAILURE || outcome == OUTCOME_UNREACHED;
}

#define OUTCOME_WINDOW_SLOTS 10

enum { OUTCOME_SUM_CALLS, OUTCOME_SUM_FAILURES, OUTCOME_SUM_SLOW };

struct outcome_window {
    uint64_t in_a_row; /* failures since the last call that did not fail */
    struct window window;
    struct strata_row row; /* the same failures by stratum */
};

struct outcome_counts {
    uint64_t calls, failures, slow;
    uint64_t in_a_row;
};

void outcome_window_init(struct outcome_window *outcomes, unsigned worker_count);
void outcome_window_add_success(struct outcome_window *outcomes, struct window_local *local,
                                uint64_t now_ms, uint64_t window_ms);
/* Adds a failure or a slow call. First hands over the local's successes, which came before it. */
void outcome_window_add_bad(struct outcome_window *outcomes, struct window_local *local,
                            struct strata strata, enum outcome outcome, uint64_t now_ms,
                            uint64_t window_ms);
struct outcome_counts outcome_window_count(const struct outcome_window *outcomes, uint64_t now_ms,
                                           uint64_t window_ms);
void outcome_window_clear(struct outcome_window *outcomes);

static inline uint64_t outcome_window_slot_ms(uint64_t window_ms)
{
    return window_ms < OUTCOME_WINDOW_SLOTS ? 1 : window_ms / OUTCOME_WINDOW_SLOTS;
}

/* False: nothing was done, because the current slot is over. */
__attribute__((warn_unused_result)) static inline bool outcome_window_try_success(
    struct outcome_window *outcomes, struct window_local *local, uint64_t now_ms)
{
    if (window_is_over(&outcomes->window, now_ms)) {
        return false;
    }
    /* Read first: while all calls succeed no thread writes it, and every thread has it in its cache. */
    if (__builtin_expect(__atomic_load_n(&outcomes->in_a_row, __ATOMIC_RELAXED) != 0, 0)) {
        __atomic_store_n(&outcomes->in_a_row, 0, __ATOMIC_RELAXED);
    }
    window_local_add(&outcomes->window, local, OUTCOME_SUM_CALLS);
    return true;
}

#endif
