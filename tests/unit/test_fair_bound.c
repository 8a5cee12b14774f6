/* No holder of a fair bound uses it up, whoever comes anew finds something, and the limit is exact. */
#include "tests/unit/unit.h"

#include "steady/fair_bound.h"

static uint64_t take_all(struct fair_bound *fair, unsigned slot)
{
    uint64_t taken = 0;
    while (fair_bound_take(fair, slot, 1)) {
        taken++;
    }
    return taken;
}

static void one_holder_gets_half(void **state)
{
    (void)state;
    struct fair_bound fair;
    fair_bound_init(&fair, "bytes", 1000);
    assert_int_equal(take_all(&fair, 7), 500);
    assert_int_equal(bound_refused(&fair.bound), 1);
}

static void two_holders_that_take_by_turns_get_a_third_each(void **state)
{
    (void)state;
    struct fair_bound fair;
    uint64_t taken[2] = {0, 0};
    fair_bound_init(&fair, "bytes", 999);
    for (unsigned turn = 0; turn < 2000; turn++) {
        taken[turn % 2] += fair_bound_take(&fair, turn % 2, 1);
    }
    assert_in_range(taken[0], 332, 334);
    assert_in_range(taken[1], 332, 334);
}

static void who_comes_last_finds_something(void **state)
{
    (void)state;
    struct fair_bound fair;
    fair_bound_init(&fair, "bytes", 1 << 20);
    for (unsigned slot = 0; slot < 10; slot++) {
        assert_true(take_all(&fair, slot) > 0);
    }
    assert_true(bound_used(&fair.bound) < bound_limit(&fair.bound));
}

static void what_is_given_back_can_be_taken_again(void **state)
{
    (void)state;
    struct fair_bound fair;
    fair_bound_init(&fair, "bytes", 100);
    assert_true(fair_bound_take(&fair, 1, 50));
    assert_false(fair_bound_take(&fair, 1, 1));
    fair_bound_give(&fair, 1, 50);
    assert_int_equal(bound_used(&fair.bound), 0);
    assert_true(fair_bound_take(&fair, 1, 50));
    assert_false(fair_bound_take(&fair, 2, 51));
    assert_true(fair_bound_take(&fair, 2, 50));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_holder_gets_half),
        cmocka_unit_test(two_holders_that_take_by_turns_get_a_third_each),
        cmocka_unit_test(who_comes_last_finds_something),
        cmocka_unit_test(what_is_given_back_can_be_taken_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
