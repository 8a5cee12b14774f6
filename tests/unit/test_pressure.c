/* Pressure: steps begin one after another, each is counted once for each crossing, and none flutters. */
#include "steady/pressure.h"
#include "steady/rng.h"
#include "unit.h"

static void steps_begin_at_their_shares(void **state)
{
    static const struct {
        double share;
        enum pressure_step step;
    } rows[] = {
        {0, PRESSURE_NONE},      {0.79, PRESSURE_NONE},       {0.80, PRESSURE_SHRINK},
        {0.84, PRESSURE_SHRINK}, {0.85, PRESSURE_NO_RETRIES}, {0.90, PRESSURE_REFUSE},
        {0.94, PRESSURE_REFUSE}, {0.95, PRESSURE_PAUSE},      {7, PRESSURE_PAUSE},
    };
    struct pressure pressure = {0};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(pressure_note(&pressure, rows[i].share), rows[i].step);
    }
    for (unsigned step = PRESSURE_SHRINK; step < PRESSURE_STEP_COUNT; step++) {
        assert_int_equal(pressure.begun_counts[step], 1);
    }
}

static void a_jump_begins_every_step_on_its_way(void **state)
{
    struct pressure pressure = {0};
    (void)state;
    assert_int_equal(pressure_note(&pressure, 1.2), PRESSURE_PAUSE);
    for (unsigned step = PRESSURE_SHRINK; step < PRESSURE_STEP_COUNT; step++) {
        assert_int_equal(pressure.begun_counts[step], 1);
    }
    assert_int_equal(pressure_note(&pressure, 0.1), PRESSURE_NONE);
    assert_int_equal(pressure.begun_counts[PRESSURE_NONE], 1);
}

static void a_use_around_a_share_crosses_it_once(void **state)
{
    struct pressure pressure = {0};
    struct rng rng;
    (void)state;
    rng_init(&rng, unit_seed());
    pressure_note(&pressure, 0.9);
    for (int i = 0; i < 1000; i++) {
        double share = 0.9 + ((double)rng_below(&rng, 90) - 45) / 1000;
        assert_int_equal(pressure_note(&pressure, share), PRESSURE_REFUSE);
    }
    assert_int_equal(pressure.begun_counts[PRESSURE_REFUSE], 1);
    assert_int_equal(pressure_note(&pressure, 0.849), PRESSURE_NO_RETRIES);
    assert_int_equal(pressure_note(&pressure, 0.9), PRESSURE_REFUSE);
    assert_int_equal(pressure.begun_counts[PRESSURE_REFUSE], 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_begin_at_their_shares),
        cmocka_unit_test(a_jump_begins_every_step_on_its_way),
        cmocka_unit_test(a_use_around_a_share_crosses_it_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
