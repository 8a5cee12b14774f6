/* A loop's clock stands still within a pass and goes on in the next one. */
#include "tests/unit/unit.h"

#include "steady/loop_clock.h"

#include <time.h>

static uint64_t monotonic_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void the_clock_stands_still_until_it_expires(void **state)
{
    (void)state;
    struct loop_clock clock = {.now_us = 0};
    uint64_t before_us = monotonic_us();
    uint64_t first_us = loop_clock_us(&clock);
    assert_true(first_us >= before_us);
    while (monotonic_us() <= first_us) {
    }
    assert_int_equal(loop_clock_us(&clock), first_us);
    loop_clock_expire(&clock);
    assert_true(loop_clock_us(&clock) > first_us);
    assert_true(loop_clock_us(&clock) <= monotonic_us());
}

static void milliseconds_are_the_same_time_cut(void **state)
{
    (void)state;
    struct loop_clock clock;
    loop_clock_set(&clock, 1999999);
    assert_int_equal(loop_clock_ms(&clock), 1999);
    loop_clock_expire(&clock);
    assert_int_equal(loop_clock_ms(&clock), loop_clock_us(&clock) / 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_clock_stands_still_until_it_expires),
        cmocka_unit_test(milliseconds_are_the_same_time_cut),
    };
    return cmocka_run_group_tests_name("loop_clock", tests, NULL, NULL);
}
