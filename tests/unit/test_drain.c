/* The stages of a drain come in order and in time, whatever the settings. */
#include "tests/unit/unit.h"

#include "proxy/control/drain.h"
#include "steady/rng.h"

static const struct drain_settings usual = {
    .grace_ms = 25000, .pause_ms = 5000, .tunnels_ms = 10000};

static void every_stage_has_its_time(void **state)
{
    (void)state;
    const struct drain_plan plan = drain_plan(&usual, false);
    const struct {
        uint64_t at_ms;
        bool closed;
        enum drain_stage before, after;
    } rows[] = {
        {0, false, DRAIN_UNREADY, DRAIN_UNREADY},
        {4999, false, DRAIN_UNREADY, DRAIN_UNREADY},
        {5000, false, DRAIN_UNREADY, DRAIN_CLOSING},
        {5000, false, DRAIN_CLOSING, DRAIN_CLOSING},
        {5001, true, DRAIN_CLOSING, DRAIN_FINISHING},
        {6000, false, DRAIN_CLOSING, DRAIN_FINISHING}, /* not waited for any longer */
        {14999, true, DRAIN_FINISHING, DRAIN_FINISHING},
        {15000, true, DRAIN_FINISHING, DRAIN_RUSHING},
        {23999, true, DRAIN_RUSHING, DRAIN_RUSHING},
        {24000, true, DRAIN_RUSHING, DRAIN_CUTTING},
        {24000, false, DRAIN_UNREADY, DRAIN_CUTTING}, /* the clock leapt */
        {99999, true, DRAIN_CUTTING, DRAIN_CUTTING},
        {3, true, DRAIN_SERVING, DRAIN_SERVING},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(drain_next(&plan, rows[i].before, rows[i].at_ms, rows[i].closed),
                         rows[i].after);
    }
    assert_int_equal(plan.exit_ms, 24750);
}

static void whoever_is_replaced_does_not_pause(void **state)
{
    (void)state;
    const struct drain_plan plan = drain_plan(&usual, true);
    assert_int_equal(plan.unready_ms, 0);
    assert_int_equal(plan.tunnels_ms, 10000);
}

static void no_settings_outlast_the_grace(void **state)
{
    struct rng rng;
    (void)state;
    rng_init(&rng, unit_seed());
    for (int i = 0; i < 10000; i++) {
        const struct drain_settings settings = {.grace_ms = 100 + rng_below(&rng, 100000),
                                                .pause_ms = rng_below(&rng, 200000),
                                                .tunnels_ms = rng_below(&rng, 200000)};
        const struct drain_plan plan = drain_plan(&settings, false);
        assert_true(plan.unready_ms <= plan.closing_ms);
        assert_true(plan.closing_ms <= plan.cut_ms);
        assert_true(plan.tunnels_ms <= plan.cut_ms);
        assert_true(plan.cut_ms < plan.exit_ms);
        assert_true(plan.exit_ms < settings.grace_ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_stage_has_its_time),
        cmocka_unit_test(whoever_is_replaced_does_not_pause),
        cmocka_unit_test(no_settings_outlast_the_grace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
