/* Waits are spread over their whole range, never shorter than asked for, never past the deadline. */
#include "tests/unit/unit.h"

#include "breaker/backoff.h"

#define DRAWS 20000

static const struct retry_settings defaults = {.backoff_base_ms = 25, .backoff_max_ms = 250};

/* Draws many waits; each value in least..most has to come up, about equally often. */
static void assert_uniform(const struct backoff_plan *plan, uint64_t least_ms, uint64_t most_ms)
{
    static unsigned counts[4096];
    uint64_t values = most_ms - least_ms + 1;
    struct rng rng;
    rng_init(&rng, unit_seed());
    memset(counts, 0, sizeof counts);
    for (int i = 0; i < DRAWS; i++) {
        uint64_t wait_ms;
        assert_int_equal(backoff_wait(&defaults, plan, 1000, &rng, &wait_ms), BACKOFF_WAIT);
        assert_in_range(wait_ms, least_ms, most_ms);
        counts[wait_ms - least_ms]++;
    }
    double expected = (double)DRAWS / (double)values, chi = 0;
    for (uint64_t i = 0; i < values; i++) {
        chi += (counts[i] - expected) * (counts[i] - expected) / expected;
    }
    /* Mean values - 1, variance twice that: seven standard deviations. */
    double freedom = (double)values - 1;
    assert_true((chi - freedom) * (chi - freedom) < 49 * 2 * freedom + 1);
}

static void full_jitter_doubles_up_to_its_maximum(void **state)
{
    (void)state;
    static const uint64_t longest_ms[] = {25, 50, 100, 200, 250, 250};
    for (unsigned i = 0; i < sizeof longest_ms / sizeof longest_ms[0]; i++) {
        assert_uniform(&(struct backoff_plan){.retry = i + 1, .attempt_ms = 1, .deadline_ms = 9000},
                       0, longest_ms[i]);
    }
    assert_uniform(
        &(struct backoff_plan){.retry = 4000000000u, .attempt_ms = 1, .deadline_ms = 9000}, 0, 250);
}

static void what_was_asked_for_is_waited_for(void **state)
{
    (void)state;
    const struct backoff_plan plan = {
        .retry = 1, .retry_after_ms = 2000, .attempt_ms = 1, .deadline_ms = 9000};
    assert_uniform(&plan, 2000, 2025);
}

static void a_wait_leaves_time_for_the_attempt(void **state)
{
    (void)state;
    /* Now is 1000. */
    assert_uniform(&(struct backoff_plan){.retry = 4, .attempt_ms = 1, .deadline_ms = 1101}, 0, 99);
    assert_uniform(&(struct backoff_plan){.retry = 4, .attempt_ms = 50, .deadline_ms = 1101}, 0,
                   50);
    assert_uniform(
        &(struct backoff_plan){
            .retry = 4, .retry_after_ms = 40, .attempt_ms = 50, .deadline_ms = 1101},
        40, 50);
}

static void what_cannot_end_before_the_deadline_is_not_begun(void **state)
{
    (void)state;
    static const struct backoff_plan plans[] = {
        {.retry = 1, .attempt_ms = 1, .deadline_ms = 0},
        {.retry = 1, .attempt_ms = 1, .deadline_ms = 1000},
        {.retry = 1, .attempt_ms = 1, .deadline_ms = 1001},
        {.retry = 1, .attempt_ms = 50, .deadline_ms = 1050},
        {.retry = 1, .retry_after_ms = 5000, .attempt_ms = 1, .deadline_ms = 6001},
        {.retry = 1, .retry_after_ms = UINT64_MAX, .attempt_ms = 1, .deadline_ms = UINT64_MAX},
        {.retry = 1, .retry_after_ms = UINT64_MAX - 1, .attempt_ms = 7, .deadline_ms = UINT64_MAX},
    };
    struct rng rng;
    rng_init(&rng, unit_seed());
    for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++) {
        uint64_t wait_ms = 4711;
        assert_int_equal(backoff_wait(&defaults, &plans[i], 1000, &rng, &wait_ms),
                         BACKOFF_TOO_LATE);
        assert_int_equal(wait_ms, 4711);
    }
}

static void random_plans_keep_their_promises(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, unit_seed());
    for (int i = 0; i < 200000; i++) {
        struct retry_settings settings = {.backoff_base_ms = 1 + rng_below(&rng, 1000)};
        settings.backoff_max_ms = settings.backoff_base_ms + rng_below(&rng, 60000);
        struct backoff_plan plan = {
            .retry = 1 + (unsigned)rng_below(&rng, 70),
            .retry_after_ms = rng_below(&rng, 2) * rng_below(&rng, 5000),
            .attempt_ms = rng_below(&rng, 300),
            .deadline_ms = rng_below(&rng, 20000),
        };
        uint64_t now_ms = rng_below(&rng, 10000), wait_ms;
        if (backoff_wait(&settings, &plan, now_ms, &rng, &wait_ms) == BACKOFF_TOO_LATE) {
            assert_true(now_ms + plan.retry_after_ms + plan.attempt_ms >= plan.deadline_ms);
            continue;
        }
        assert_true(wait_ms >= plan.retry_after_ms);
        assert_true(wait_ms - plan.retry_after_ms <= settings.backoff_max_ms);
        assert_true(now_ms + wait_ms + plan.attempt_ms < plan.deadline_ms);
    }
}

static void waits_without_end_are_waits(void **state)
{
    (void)state;
    const struct retry_settings settings = {.backoff_base_ms = UINT64_MAX,
                                            .backoff_max_ms = UINT64_MAX};
    const struct backoff_plan plan = {.retry = 3, .attempt_ms = 0, .deadline_ms = UINT64_MAX};
    struct rng rng;
    uint64_t wait_ms;
    rng_init(&rng, unit_seed());
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(backoff_wait(&settings, &plan, 0, &rng, &wait_ms), BACKOFF_WAIT);
    }
}

static void retry_after_is_honest_and_spread(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, unit_seed());
    static const struct {
        uint64_t wait_ms, least_s, most_s;
    } cases[] = {{0, 1, 2}, {1, 1, 2}, {1000, 1, 2}, {1001, 2, 4}, {5000, 5, 10}, {59999, 60, 120}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bool least_seen = false, most_seen = false;
        for (int j = 0; j < 5000; j++) {
            uint64_t s = backoff_retry_after_s(cases[i].wait_ms, &rng);
            assert_in_range(s, cases[i].least_s, cases[i].most_s);
            least_seen |= s == cases[i].least_s;
            most_seen |= s == cases[i].most_s;
        }
        assert_true(least_seen && most_seen);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_jitter_doubles_up_to_its_maximum),
        cmocka_unit_test(what_was_asked_for_is_waited_for),
        cmocka_unit_test(a_wait_leaves_time_for_the_attempt),
        cmocka_unit_test(what_cannot_end_before_the_deadline_is_not_begun),
        cmocka_unit_test(random_plans_keep_their_promises),
        cmocka_unit_test(waits_without_end_are_waits),
        cmocka_unit_test(retry_after_is_honest_and_spread),
    };
    return cmocka_run_group_tests_name("backoff", tests, NULL, NULL);
}
