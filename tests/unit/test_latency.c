/* The mean follows, outliers are no difference, and what nothing confirms fades. */
#include "tests/unit/unit.h"

#include "pool/latency.h"

#define S UINT64_C(1000000)

static struct latency fed(uint64_t sample_us, unsigned count, uint64_t every_us, uint64_t *now_us)
{
    struct latency latency = {0};
    for (unsigned i = 0; i < count; i++) {
        latency_add(&latency, sample_us, false, *now_us += every_us);
    }
    return latency;
}

static void nothing_is_known_of_who_was_never_asked(void **state)
{
    struct latency latency = {0};
    (void)state;
    assert_true(latency_now_us(&latency, 5 * S) == 0);
}

static void steady_samples_are_the_estimate(void **state)
{
    uint64_t now_us = S;
    (void)state;
    struct latency latency = fed(20000, 50, 10000, &now_us);
    assert_in_range(latency_now_us(&latency, now_us), 19000, 21000);
}

static bool slower(const struct latency *latency, const struct latency *than, uint64_t now_us)
{
    struct latency_view a = latency_view(latency, now_us), b = latency_view(than, now_us);
    return latency_times(&a, &b) > 1;
}

static void a_rise_is_a_difference_within_a_few_samples(void **state)
{
    uint64_t now_us = S;
    (void)state;
    struct latency steady = fed(10000, 50, 1000, &now_us);
    struct latency rising = fed(10000, 50, 1000, &now_us);
    for (int i = 0; i < 5; i++) {
        latency_add(&rising, 400000, false, now_us += 1000);
    }
    assert_true(slower(&rising, &steady, now_us));
    for (int i = 0; i < 30; i++) {
        latency_add(&rising, 400000, false, now_us += 1000);
    }
    assert_in_range(latency_now_us(&rising, now_us), 390000, 400000);
}

static void one_outlier_is_no_difference_whatever_comes_after(void **state)
{
    (void)state;
    for (unsigned before = 0; before < 20; before++) {
        uint64_t now_us = S;
        struct latency steady = fed(10000, 50, 1000, &now_us);
        struct latency latency = fed(10000, before, 1000, &now_us);
        latency_add(&latency, 3 * S, false, now_us += 1000);
        for (int i = 0; i < 100; i++) {
            assert_false(slower(&latency, &steady, now_us));
            latency_add(&latency, 10000, false, now_us += 1000);
        }
        assert_in_range(latency_now_us(&latency, now_us), 9900, 10100);
    }
}

static void who_is_new_and_slow_differs_from_the_third_sample_on(void **state)
{
    uint64_t now_us = S;
    (void)state;
    struct latency steady = fed(1000, 50, 1000, &now_us), slow = {0};
    for (int i = 0; i < 3; i++) {
        assert_false(slower(&slow, &steady, now_us));
        latency_add(&slow, 250000, false, now_us += 1000);
    }
    assert_true(slower(&slow, &steady, now_us));
}

static void a_part_of_slow_answers_is_a_difference(void **state)
{
    uint64_t now_us = S;
    (void)state;
    struct latency steady = fed(1000, 50, 1000, &now_us), mixed = {0};
    int slower_count = 0;
    for (int i = 0; i < 1000; i++) {
        latency_add(&mixed, i % 2 == 0 ? 250000 : 1000, false, now_us += 1000);
        latency_add(&steady, 1000, false, now_us);
        slower_count += slower(&mixed, &steady, now_us);
    }
    assert_in_range(slower_count, 900, 1000);
}

static void who_is_rarely_asked_does_not_look_fast(void **state)
{
    uint64_t now_us = S;
    (void)state;
    struct latency rare = fed(40000, 10, 1000, &now_us);
    struct latency often = fed(40000, 1000, 20000, &now_us);
    assert_true(latency_now_us(&rare, now_us) < 10000);
    assert_false(slower(&often, &rare, now_us));
}

static void an_old_mean_counts_less_than_a_new_sample(void **state)
{
    uint64_t now_us = S;
    (void)state;
    struct latency latency = fed(100000, 10, 1000, &now_us);
    latency_add(&latency, 1000, false, now_us += 20 * S);
    assert_in_range(latency_now_us(&latency, now_us), 1000, 15000);
}

static void what_nothing_confirms_fades(void **state)
{
    uint64_t now_us = S;
    (void)state;
    struct latency latency = fed(100000, 10, 1000, &now_us);
    assert_in_range(latency_now_us(&latency, now_us + 5 * S), 35000, 45000);
    assert_true(latency_now_us(&latency, now_us + 60 * S) < 2000);
}

static void who_was_slow_is_asked_again_within_minutes(void **state)
{
    uint64_t now_us = S;
    (void)state;
    struct latency steady = fed(5000, 50, 1000, &now_us);
    struct latency slow = fed(5 * S, 50, 1000, &now_us), hung = fed(5000, 50, 1000, &now_us);
    for (int i = 0; i < 10; i++) {
        latency_add(&hung, 30 * S, true, now_us += 1000);
    }
    assert_true(slower(&slow, &steady, now_us + 20 * S));
    assert_false(slower(&slow, &steady, now_us + 60 * S));
    assert_true(slower(&hung, &steady, now_us + 60 * S));
    assert_false(slower(&hung, &steady, now_us + 180 * S));
}

static void who_fails_fast_does_not_look_fast(void **state)
{
    uint64_t now_us = S;
    (void)state;
    struct latency latency = fed(10000, 50, 1000, &now_us), unknown = {0};
    for (int i = 0; i < 5; i++) {
        latency_add(&latency, 100, true, now_us += 1000);
    }
    assert_true(latency_now_us(&latency, now_us) > 100000);
    latency_add(&unknown, 100, true, now_us);
    assert_true(latency_now_us(&unknown, now_us) >= LATENCY_GRAIN_US);
}

static void clocks_that_disagree_do_no_harm(void **state)
{
    struct latency latency = {0};
    (void)state;
    latency_add(&latency, 5000, false, 10 * S);
    latency_add(&latency, 5000, false, 9 * S);
    assert_in_range(latency_now_us(&latency, 8 * S), 4999, 5001);
    latency_add(&latency, UINT64_MAX, false, 10 * S);
    assert_true(latency_now_us(&latency, 10 * S) > 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_known_of_who_was_never_asked),
        cmocka_unit_test(steady_samples_are_the_estimate),
        cmocka_unit_test(a_rise_is_a_difference_within_a_few_samples),
        cmocka_unit_test(one_outlier_is_no_difference_whatever_comes_after),
        cmocka_unit_test(who_is_new_and_slow_differs_from_the_third_sample_on),
        cmocka_unit_test(a_part_of_slow_answers_is_a_difference),
        cmocka_unit_test(who_is_rarely_asked_does_not_look_fast),
        cmocka_unit_test(an_old_mean_counts_less_than_a_new_sample),
        cmocka_unit_test(what_nothing_confirms_fades),
        cmocka_unit_test(who_was_slow_is_asked_again_within_minutes),
        cmocka_unit_test(who_fails_fast_does_not_look_fast),
        cmocka_unit_test(clocks_that_disagree_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
