/* Outcomes are counted for what they are, and failures in a row end with any call that did not fail. */
#include "tests/unit/unit.h"

#include "breaker/outcome_window.h"
#include "steady/rng.h"

#define WINDOW_MS 10000

static const struct strata strata = {3, 5};

static void assert_counts(const struct outcome_window *outcomes, uint64_t now_ms, uint64_t calls,
                          uint64_t failures, uint64_t slow, uint64_t in_a_row)
{
    struct outcome_counts counts = outcome_window_count(outcomes, now_ms, WINDOW_MS);
    assert_int_equal(counts.calls, calls);
    assert_int_equal(counts.failures, failures);
    assert_int_equal(counts.slow, slow);
    assert_int_equal(counts.in_a_row, in_a_row);
}

static void each_outcome_is_counted_for_what_it_is(void **state)
{
    (void)state;
    struct outcome_window outcomes;
    struct window_local local = {.serial = 0};
    outcome_window_init(&outcomes, 1);
    assert_counts(&outcomes, 5000, 0, 0, 0, 0);
    outcome_window_add_success(&outcomes, &local, 5000, WINDOW_MS);
    outcome_window_add_bad(&outcomes, &local, strata, OUTCOME_FAILURE, 5000, WINDOW_MS);
    outcome_window_add_bad(&outcomes, &local, strata, OUTCOME_FAILURE, 5000, WINDOW_MS);
    assert_counts(&outcomes, 5000, 3, 2, 0, 2);
    outcome_window_add_bad(&outcomes, &local, strata, OUTCOME_SLOW, 6000, WINDOW_MS);
    assert_counts(&outcomes, 6000, 4, 2, 1, 0);
    outcome_window_add_bad(&outcomes, &local, strata, OUTCOME_FAILURE, 6000, WINDOW_MS);
    assert_counts(&outcomes, 6000, 5, 3, 1, 1);
    outcome_window_add_success(&outcomes, &local, 6000, WINDOW_MS);
    assert_counts(&outcomes, 6000, 6, 3, 1, 0);
    assert_counts(&outcomes, 15000, 3, 1, 1, 0);
}

static void failures_in_a_row_are_counted_over_any_time(void **state)
{
    (void)state;
    struct outcome_window outcomes;
    struct window_local local = {.serial = 0};
    outcome_window_init(&outcomes, 1);
    for (uint64_t i = 1; i <= 20; i++) {
        outcome_window_add_bad(&outcomes, &local, strata, OUTCOME_FAILURE, i * 60000, WINDOW_MS);
    }
    assert_counts(&outcomes, 20 * 60000, 1, 1, 0, 20);
    outcome_window_clear(&outcomes);
    assert_counts(&outcomes, 20 * 60000, 0, 0, 0, 0);
}

static void what_a_lane_keeps_back_comes_before_its_failure(void **state)
{
    (void)state;
    struct outcome_window outcomes;
    struct window_local local = {.serial = 0};
    outcome_window_init(&outcomes, 1);
    for (int i = 0; i < 123457; i++) {
        outcome_window_add_success(&outcomes, &local, 5000, WINDOW_MS);
    }
    assert_true(outcome_window_count(&outcomes, 5000, WINDOW_MS).calls < 123457);
    outcome_window_add_bad(&outcomes, &local, strata, OUTCOME_FAILURE, 5000, WINDOW_MS);
    assert_counts(&outcomes, 5000, 123458, 1, 0, 1);
}

static void windows_of_any_length_work(void **state)
{
    (void)state;
    static const uint64_t windows_ms[] = {1, 9, 10, 100, 3600000};
    for (size_t i = 0; i < sizeof windows_ms / sizeof windows_ms[0]; i++) {
        struct outcome_window outcomes;
        struct window_local local = {.serial = 0};
        outcome_window_init(&outcomes, 1);
        uint64_t now_ms = 7200001;
        outcome_window_add_success(&outcomes, &local, now_ms, windows_ms[i]);
        assert_int_equal(outcome_window_count(&outcomes, now_ms, windows_ms[i]).calls, 1);
        now_ms += windows_ms[i] + 10;
        assert_int_equal(outcome_window_count(&outcomes, now_ms, windows_ms[i]).calls, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_outcome_is_counted_for_what_it_is),
        cmocka_unit_test(failures_in_a_row_are_counted_over_any_time),
        cmocka_unit_test(what_a_lane_keeps_back_comes_before_its_failure),
        cmocka_unit_test(windows_of_any_length_work),
    };
    return cmocka_run_group_tests_name("outcome_window", tests, NULL, NULL);
}
