/* Retries never exceed what the requests of the last ten seconds earned, nor the cap of a minute, from any number of threads. */
#include "tests/unit/unit.h"

#include <pthread.h>

#include "breaker/retry_budget.h"
#include "breaker/window.h"
#include "steady/check.h"
#include "steady/fault.h"
#include "steady/rng.h"

#define THREADS 8

static const struct retry_settings defaults = {
    .attempts_count = 3,
    .budget_ratio = 0.1,
    .budget_per_second = 3.0,
};

static uint64_t take_all(struct retry_budget *budget, const struct retry_settings *settings,
                         uint64_t now_ms)
{
    uint64_t count = 0;
    while (retry_budget_take(budget, settings, 0, now_ms) == RETRY_BUDGET_TAKEN) {
        count++;
    }
    return count;
}

static void note_many(struct retry_budget *budget, uint64_t count, uint64_t now_ms)
{
    for (uint64_t i = 0; i < count; i++) {
        retry_budget_note_request(budget, 0, now_ms);
    }
}

static void without_requests_there_are_three_a_second(void **state)
{
    (void)state;
    struct retry_budget *budget = retry_budget_create(1);
    assert_int_equal(retry_budget_figures(budget, &defaults, 100000).left_count, 30);
    assert_int_equal(take_all(budget, &defaults, 100000), 30);
    assert_int_equal(take_all(budget, &defaults, 109999), 0);
    assert_int_equal(take_all(budget, &defaults, 110000), 30);
    retry_budget_free(&budget);
    assert_null(budget);
    retry_budget_free(&budget);
}

static void ten_requests_earn_one_retry_for_ten_seconds(void **state)
{
    (void)state;
    const struct retry_settings settings = {.budget_ratio = 0.1};
    struct retry_budget *budget = retry_budget_create(1);
    note_many(budget, 9, 100000);
    assert_int_equal(take_all(budget, &settings, 100000), 0);
    note_many(budget, 1, 100500);
    assert_int_equal(take_all(budget, &settings, 100500), 1);
    note_many(budget, 990, 105000);
    assert_int_equal(take_all(budget, &settings, 105000), 99);
    assert_int_equal(take_all(budget, &settings, 109999), 0);
    /* The first slot's ten requests have left, and its one retry. */
    assert_int_equal(take_all(budget, &settings, 110000), 0);
    assert_int_equal(take_all(budget, &settings, 115000), 0);
    retry_budget_free(&budget);
}

static void an_outage_of_everything_leaves_the_budget_as_it_was(void **state)
{
    (void)state;
    /* 200 requests a second, all fail, each wants two retries. */
    struct retry_budget *budget = retry_budget_create(1);
    uint64_t retries = 0;
    for (uint64_t now_ms = 100000; now_ms < 160000; now_ms += 5) {
        retry_budget_note_request(budget, 0, now_ms);
        for (int i = 0; i < 2; i++) {
            retries += retry_budget_take(budget, &defaults, 0, now_ms) == RETRY_BUDGET_TAKEN;
        }
    }
    /* 12000 requests: 1200 and three a second for the minute, 30 of those at once. */
    assert_in_range(retries, 1300, 1200 + 180 + 30);
    struct retry_budget_figures figures = retry_budget_figures(budget, &defaults, 159995);
    assert_int_equal(figures.taken_count, retries);
    assert_int_equal(figures.refused_count, 24000 - retries);
    assert_int_equal(figures.requests_count, 2000);
    assert_in_range(figures.retries_count, 225, 230);
    retry_budget_free(&budget);
}

static void the_cap_holds_over_any_minute(void **state)
{
    (void)state;
    struct retry_settings settings = defaults;
    settings.budget_per_second = 100;
    settings.budget_per_minute_count = 50;
    struct retry_budget *budget = retry_budget_create(1);
    uint64_t taken_ms[1000] = {0}, count = 0;
    struct rng rng;
    rng_init(&rng, unit_seed());
    for (uint64_t now_ms = 100000; now_ms < 700000; now_ms += rng_below(&rng, 700)) {
        while (retry_budget_take(budget, &settings, 0, now_ms) == RETRY_BUDGET_TAKEN) {
            taken_ms[count++] = now_ms;
        }
        assert_true(count <= 1000 - 50);
    }
    for (uint64_t i = 50; i < count; i++) {
        assert_true(taken_ms[i] - taken_ms[i - 50] >= 60000);
    }
    assert_true(count >= 50 * 600 / 66);
    assert_int_equal(retry_budget_take(budget, &settings, 0, taken_ms[count - 1]),
                     RETRY_BUDGET_MINUTE_SPENT);
    assert_int_equal(retry_budget_figures(budget, &settings, taken_ms[count - 1]).left_count, 0);
    retry_budget_free(&budget);
}

static void a_cap_by_reload_counts_what_was_made_before(void **state)
{
    (void)state;
    struct retry_settings settings = defaults;
    struct retry_budget *budget = retry_budget_create(1);
    assert_int_equal(take_all(budget, &settings, 100000), 30);
    settings.budget_per_minute_count = 35;
    assert_int_equal(take_all(budget, &settings, 130000), 5);
    assert_int_equal(retry_budget_take(budget, &settings, 0, 130000), RETRY_BUDGET_MINUTE_SPENT);
    retry_budget_free(&budget);
}

static void a_budget_of_nothing_gives_nothing(void **state)
{
    (void)state;
    const struct retry_settings settings = {.budget_ratio = 0};
    struct retry_budget *budget = retry_budget_create(1);
    note_many(budget, 100000, 100000);
    assert_int_equal(take_all(budget, &settings, 100000), 0);
    assert_int_equal(retry_budget_take(budget, &settings, 0, 100000), RETRY_BUDGET_SPENT);
    retry_budget_free(&budget);
}

static void random_use_is_decided_as_by_a_list(void **state)
{
    (void)state;
    enum { STEPS = 6000 };
    static uint64_t requests_ms[STEPS], retries_ms[STEPS];
    struct rng rng;
    rng_init(&rng, unit_seed());
    for (int round = 0; round < 10; round++) {
        /* Eighths, which both sums represent exactly. */
        struct retry_settings settings = {
            .budget_ratio = (double)rng_below(&rng, 5) / 8,
            .budget_per_second = (double)rng_below(&rng, 5) / 8,
            .budget_per_minute_count = rng_below(&rng, 2) * 40,
        };
        struct retry_budget *budget = retry_budget_create(2);
        size_t requests = 0, retries = 0;
        uint64_t now_ms = rng_below(&rng, 100000);
        for (int step = 0; step < STEPS; step++) {
            now_ms += rng_below(&rng, rng_below(&rng, 1000) == 0 ? 30000 : 100);
            unsigned worker = (unsigned)rng_below(&rng, 2);
            if (rng_below(&rng, 3) > 0) {
                retry_budget_note_request(budget, worker, now_ms);
                requests_ms[requests++] = now_ms;
                continue;
            }
            uint64_t of_requests = 0, of_retries = 0, of_minute = 0;
            for (size_t i = 0; i < requests; i++) {
                of_requests += requests_ms[i] / 1000 + 10 > now_ms / 1000;
            }
            for (size_t i = 0; i < retries; i++) {
                of_retries += retries_ms[i] / 1000 + 10 > now_ms / 1000;
                of_minute += retries_ms[i] / 6000 + 11 > now_ms / 6000;
            }
            enum retry_budget_result expected = RETRY_BUDGET_TAKEN;
            if ((double)of_retries + 1 >
                settings.budget_ratio * (double)of_requests + settings.budget_per_second * 10) {
                expected = RETRY_BUDGET_SPENT;
            } else if (settings.budget_per_minute_count > 0 &&
                       of_minute >= settings.budget_per_minute_count) {
                expected = RETRY_BUDGET_MINUTE_SPENT;
            }
            enum retry_budget_result result = retry_budget_take(budget, &settings, worker, now_ms);
            assert_int_equal(result, expected);
            if (result == RETRY_BUDGET_TAKEN) {
                retries_ms[retries++] = now_ms;
            }
        }
        retry_budget_free(&budget);
    }
}

/* ---- threads ---- */

#define REQUESTS_PER_THREAD 50000

struct spender {
    struct retry_budget *budget;
    pthread_barrier_t *all_noted;
    unsigned worker;
    bool at_once; /* take while others still note */
    uint64_t taken;
};

static void *spend(void *argument)
{
    struct spender *s = argument;
    for (int i = 0; i < REQUESTS_PER_THREAD; i++) {
        retry_budget_note_request(s->budget, s->worker, 50000);
        if (s->at_once) {
            s->taken +=
                retry_budget_take(s->budget, &defaults, s->worker, 50000) == RETRY_BUDGET_TAKEN;
        }
    }
    /* The first refusal hands over what the worker kept back. */
    s->taken += retry_budget_take(s->budget, &defaults, s->worker, 50000) == RETRY_BUDGET_TAKEN;
    pthread_barrier_wait(s->all_noted);
    while (retry_budget_take(s->budget, &defaults, s->worker, 50000) == RETRY_BUDGET_TAKEN) {
        s->taken++;
    }
    return NULL;
}

static void spend_by_threads(bool at_once)
{
    struct retry_budget *budget = retry_budget_create(THREADS);
    struct spender spenders[THREADS];
    pthread_t threads[THREADS];
    pthread_barrier_t all_noted;
    pthread_barrier_init(&all_noted, NULL, THREADS);
    for (unsigned i = 0; i < THREADS; i++) {
        spenders[i] = (struct spender){budget, &all_noted, i, at_once, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, spend, &spenders[i]), 0);
    }
    uint64_t taken = 0;
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        taken += spenders[i].taken;
    }
    pthread_barrier_destroy(&all_noted);
    assert_int_equal(taken, THREADS * REQUESTS_PER_THREAD / 10 + 30);
    assert_int_equal(retry_budget_figures(budget, &defaults, 50000).taken_count, taken);
    retry_budget_free(&budget);
}

static void eight_threads_spend_exactly_the_budget(void **state)
{
    (void)state;
    spend_by_threads(false);
    spend_by_threads(true);
}

/* Only where memory can be made to fail: a skipped test would look like a failed one in TAP. */
#ifdef EVENKEEL_FAULT_INJECTION
static void memory_that_is_not_there_is_told(void **state)
{
    (void)state;
    fault_arm(FAULT_ALLOC, 1);
    assert_null(retry_budget_create(1));
    assert_true(fault_disarm(FAULT_ALLOC));
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_requests_there_are_three_a_second),
        cmocka_unit_test(ten_requests_earn_one_retry_for_ten_seconds),
        cmocka_unit_test(an_outage_of_everything_leaves_the_budget_as_it_was),
        cmocka_unit_test(the_cap_holds_over_any_minute),
        cmocka_unit_test(a_cap_by_reload_counts_what_was_made_before),
        cmocka_unit_test(a_budget_of_nothing_gives_nothing),
        cmocka_unit_test(random_use_is_decided_as_by_a_list),
        cmocka_unit_test(eight_threads_spend_exactly_the_budget),
#ifdef EVENKEEL_FAULT_INJECTION
        cmocka_unit_test(memory_that_is_not_there_is_told),
#endif
    };
    return cmocka_run_group_tests_name("retry_budget", tests, NULL, NULL);
}
