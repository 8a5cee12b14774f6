/* A call is slow by what its path usually takes, and one slow path opens nothing for the others. */
#include "tests/unit/strata_stage.h"

#include "breaker/usual_time.h"

/* What calls of two kinds take: ms, in turn. */
struct pace {
    uint64_t quick_ms, long_ms;
    unsigned long_of_ten; /* calls of ten that are long */
};

/* One call each 50 ms of one of ten path strata (those of long calls are the first, unless `mixed`); returns whether it opened. */
static bool opens_when_slowed(const struct pace *pace, bool mixed, double factor, uint64_t seconds)
{
    struct stage stage;
    struct usual_time usual = {0};
    stage_init(&stage, unit_seed(), NULL, 0);
    for (uint64_t i = 0; i < 120 * 20 + seconds * 20; i++) {
        bool is_long = i % 10 < pace->long_of_ten;
        double slowed = i < 120 * 20 ? 1 : factor;
        uint64_t took_us =
            (uint64_t)(slowed * 1000 * (double)(is_long ? pace->long_ms : pace->quick_ms));
        const struct strata strata = {(uint8_t)rng_below(&stage.rng, STRATA_COUNT),
                                      (uint8_t)(mixed ? i / 10 % 10 : i % 10)};
        struct breaker_ticket ticket;
        bool slow = usual_time_exceeded(&usual, strata, took_us, defaults.slow_after_ms * 1000);
        usual_time_note(&usual, strata, took_us, stage.now_ms);
        if (admit_as(&stage, strata, &ticket) == BREAKER_REFUSED) {
            break;
        }
        report_as(&stage, strata, &ticket, slow ? OUTCOME_SLOW : OUTCOME_SUCCESS);
        stage.now_ms += 50;
    }
    bool opened = breaker_state(stage.breaker) != BREAKER_CLOSED;
    stage_end(&stage);
    return opened;
}

static void what_always_takes_long_is_not_slow(void **state)
{
    static const struct pace polls[] = {
        {20, 30000, 10}, {20, 30000, 9}, {20, 30000, 5}, {20, 30000, 1}};
    (void)state;
    for (unsigned i = 0; i < sizeof polls / sizeof polls[0]; i++) {
        assert_false(opens_when_slowed(&polls[i], false, 1, 60));
        assert_false(opens_when_slowed(&polls[i], true, 1, 60));
    }
}

static void what_takes_more_than_three_times_as_long_is_slow(void **state)
{
    static const struct pace reports = {4000, 4000, 5}, polls = {20, 30000, 10};
    (void)state;
    assert_true(opens_when_slowed(&reports, false, 3.2, 30));
    assert_false(opens_when_slowed(&reports, false, 2.9, 30));
    assert_true(opens_when_slowed(&polls, false, 3.2, 30));
    /* quick ones that are 3.2 times slower are not slow yet: slow_after */
    assert_false(opens_when_slowed(&(struct pace){20, 20, 5}, false, 3.2, 30));
}

static void one_slow_path_opens_nothing(void **state)
{
    uint64_t seed = unit_seed();
    struct stage stage;
    (void)state;
    stage_init(&stage, seed, NULL, 0);
    for (uint64_t i = 0; i < 2000; i++) {
        const struct strata strata = {(uint8_t)rng_below(&stage.rng, STRATA_COUNT),
                                      (uint8_t)(i % 10 == 0 ? 1 + rng_below(&stage.rng, 10) : 0)};
        struct breaker_ticket ticket;
        assert_int_equal(admit_as(&stage, strata, &ticket), BREAKER_ADMITTED);
        report_as(&stage, strata, &ticket, strata.path == 0 ? OUTCOME_SLOW : OUTCOME_SUCCESS);
        stage.now_ms += 10;
    }
    stage_end(&stage);
}

/* What goes on taking long becomes usual, within minutes and not sooner. */
static void what_goes_on_taking_long_becomes_usual(void **state)
{
    struct usual_time usual = {0};
    const struct strata strata = {0, 7};
    uint64_t now_ms = 5, slow_ms = 0;
    (void)state;
    for (; now_ms < 100000; now_ms += 100) {
        usual_time_note(&usual, strata, 1000000, now_ms);
    }
    for (; now_ms < 1000000; now_ms += 100) {
        usual_time_note(&usual, strata, 5000000, now_ms);
        slow_ms += usual_time_exceeded(&usual, strata, 5000000, 1000) ? 100 : 0;
    }
    assert_in_range(slow_ms, 20000, 300000);
    assert_false(usual_time_exceeded(&usual, strata, 5000000, 1000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_always_takes_long_is_not_slow),
        cmocka_unit_test(what_takes_more_than_three_times_as_long_is_slow),
        cmocka_unit_test(one_slow_path_opens_nothing),
        cmocka_unit_test(what_goes_on_taking_long_becomes_usual),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
