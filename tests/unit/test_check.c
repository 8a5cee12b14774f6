/* CHECK() and fault injection: what they do when it matters, and nothing otherwise. */
#include "tests/unit/unit.h"

#include "steady/check.h"
#include "steady/fault.h"

static void fail_the_check(void *argument)
{
    const int *n = argument;
    CHECK(*n == 2);
}

static void a_failed_check_names_place_and_condition_and_aborts(void **state)
{
    (void)state;
    int n = 1;
    assert_aborts(fail_the_check, &n, "tests/unit/test_check.c:");
    assert_aborts(fail_the_check, &n, ": check failed: *n == 2\n");
}

static void name_the_largest_line(void *argument)
{
    (void)argument;
    check_failed("file:", 4294967295, ": words\n");
}

static void every_line_number_is_written_whole(void **state)
{
    (void)state;
    assert_aborts(name_the_largest_line, NULL, "file:4294967295: words\n");
}

static void a_check_that_holds_evaluates_its_condition_once(void **state)
{
    (void)state;
    int evaluations = 0;
    CHECK(++evaluations == 1);
    assert_int_equal(evaluations, 1);
}

#ifdef EVENKEEL_FAULT_INJECTION

static void the_nth_call_fails_once_and_no_other(void **state)
{
    (void)state;
    fault_arm(FAULT_WRITE, 3);
    for (int i = 1; i <= 10; i++) {
        assert_int_equal(fault_hits(FAULT_WRITE), i == 3);
    }
    assert_true(fault_disarm(FAULT_WRITE));
}

static void kinds_are_counted_apart(void **state)
{
    (void)state;
    fault_arm(FAULT_READ, 1);
    assert_false(fault_hits(FAULT_ALLOC));
    assert_false(fault_hits(FAULT_WRITE));
    assert_true(fault_hits(FAULT_READ));
    assert_true(fault_disarm(FAULT_READ));
}

static void a_disarmed_fault_does_not_strike(void **state)
{
    (void)state;
    fault_arm(FAULT_ALLOC, 2);
    assert_false(fault_hits(FAULT_ALLOC));
    assert_false(fault_disarm(FAULT_ALLOC));
    assert_false(fault_hits(FAULT_ALLOC));
}

#else

static void without_fault_injection_no_call_fails(void **state)
{
    (void)state;
    for (int kind = 0; kind < FAULT_KINDS; kind++) {
        assert_false(fault_hits((enum fault_kind)kind));
    }
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failed_check_names_place_and_condition_and_aborts),
        cmocka_unit_test(every_line_number_is_written_whole),
        cmocka_unit_test(a_check_that_holds_evaluates_its_condition_once),
#ifdef EVENKEEL_FAULT_INJECTION
        cmocka_unit_test(the_nth_call_fails_once_and_no_other),
        cmocka_unit_test(kinds_are_counted_apart),
        cmocka_unit_test(a_disarmed_fault_does_not_strike),
#else
        cmocka_unit_test(without_fault_injection_no_call_fails),
#endif
    };
    return cmocka_run_group_tests_name("check", tests, NULL, NULL);
}
