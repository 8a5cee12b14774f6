/* Deadlines saturate, and pass in their own millisecond. */
#include "tests/unit/unit.h"

#include "steady/deadline.h"

static void a_deadline_saturates_instead_of_wrapping(void **state)
{
    (void)state;
    assert_int_equal(deadline_after(1000, 250), 1250);
    assert_int_equal(deadline_after(1000, 0), 1000);
    assert_true(deadline_after(UINT64_MAX - 1, 1) == UINT64_MAX);
    assert_true(deadline_after(UINT64_MAX - 1, 2) == UINT64_MAX);
    assert_true(deadline_after(1, UINT64_MAX) == UINT64_MAX);
    assert_true(deadline_after(UINT64_MAX, UINT64_MAX) == UINT64_MAX);
}

static void the_earlier_deadline_wins(void **state)
{
    (void)state;
    assert_int_equal(deadline_earlier(1, 2), 1);
    assert_int_equal(deadline_earlier(2, 1), 1);
    assert_int_equal(deadline_earlier(2, 2), 2);
    assert_int_equal(deadline_earlier(UINT64_MAX, 7), 7);
}

static void nothing_is_left_of_a_passed_deadline(void **state)
{
    (void)state;
    assert_int_equal(deadline_left_ms(1250, 1000), 250);
    assert_int_equal(deadline_left_ms(1250, 1249), 1);
    assert_int_equal(deadline_left_ms(1250, 1250), 0);
    assert_int_equal(deadline_left_ms(1250, 9999), 0);
}

static void a_deadline_passes_exactly_when_nothing_is_left(void **state)
{
    (void)state;
    for (uint64_t now_ms = 0; now_ms < 20; now_ms++) {
        assert_int_equal(deadline_passed(10, now_ms), deadline_left_ms(10, now_ms) == 0);
    }
    assert_false(deadline_passed(10, 9));
    assert_true(deadline_passed(10, 10));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_deadline_saturates_instead_of_wrapping),
        cmocka_unit_test(the_earlier_deadline_wins),
        cmocka_unit_test(nothing_is_left_of_a_passed_deadline),
        cmocka_unit_test(a_deadline_passes_exactly_when_nothing_is_left),
    };
    return cmocka_run_group_tests_name("deadline", tests, NULL, NULL);
}
