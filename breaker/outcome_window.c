/* Calls, failures and slow calls over a sliding window. */
#include "breaker/outcome_window.h"

#include "steady/check.h"

void outcome_window_init(struct outcome_window *outcomes, unsigned worker_count)
{
    *outcomes = (struct outcome_window){.in_a_row = 0};
    window_init(&outcomes->window, worker_count);
}

static void go_on_failing(struct outcome_window *outcomes, struct strata strata,
                          enum outcome outcome)
{
    bool first = __atomic_fetch_add(&outcomes->in_a_row, 1, __ATOMIC_RELAXED) == 0;
    if (outcome == OUTCOME_UNREACHED) {
        strata_row_add_unreached(&outcomes->row, first);
    } else {
        strata_row_add(&outcomes->row, strata, first);
    }
}

void outcome_window_add_bad(struct outcome_window *outcomes, struct window_local *local,
                            struct strata strata, enum outcome outcome, uint64_t now_ms,
                            uint64_t window_ms)
{
    CHECK(outcome_failed(outcome) || outcome == OUTCOME_SLOW);
    if (outcome_failed(outcome)) {
        go_on_failing(outcomes, strata, outcome);
    } else {
        __atomic_store_n(&outcomes->in_a_row, 0, __ATOMIC_RELAXED);
    }
    uint64_t slot_ms = outcome_window_slot_ms(window_ms);
    window_local_flush(&outcomes->window, local, OUTCOME_SUM_CALLS);
    window_add(&outcomes->window, OUTCOME_SUM_CALLS, 1, now_ms, slot_ms);
    window_add(&outcomes->window, outcome_failed(outcome) ? OUTCOME_SUM_FAILURES : OUTCOME_SUM_SLOW,
               1, now_ms, slot_ms);
}

void outcome_window_add_success(struct outcome_window *outcomes, struct window_local *local,
                                uint64_t now_ms, uint64_t window_ms)
{
    if (!outcome_window_try_success(outcomes, local, now_ms)) {
        window_turn(&outcomes->window, now_ms, outcome_window_slot_ms(window_ms));
        __atomic_store_n(&outcomes->in_a_row, 0, __ATOMIC_RELAXED);
        window_local_add(&outcomes->window, local, OUTCOME_SUM_CALLS);
    }
}

struct outcome_counts outcome_window_count(const struct outcome_window *outcomes, uint64_t now_ms,
                                           uint64_t window_ms)
{
    uint64_t sums[WINDOW_SUMS];
    window_sum(&outcomes->window, now_ms, outcome_window_slot_ms(window_ms), OUTCOME_WINDOW_SLOTS,
               sums);
    return (struct outcome_counts){
        .calls = sums[OUTCOME_SUM_CALLS],
        .failures = sums[OUTCOME_SUM_FAILURES],
        .slow = sums[OUTCOME_SUM_SLOW],
        .in_a_row = __atomic_load_n(&outcomes->in_a_row, __ATOMIC_RELAXED),
    };
}

void outcome_window_clear(struct outcome_window *outcomes)
{
    window_clear(&outcomes->window);
    __atomic_store_n(&outcomes->in_a_row, 0, __ATOMIC_RELAXED);
}
