/* Probes of several clients and paths: those of one say nothing for all others. */
#include "tests/unit/strata_stage.h"

static void probe_as(struct stage *stage, struct strata strata, enum outcome outcome)
{
    struct breaker_ticket ticket;
    assert_int_equal(admit_as(stage, strata, &ticket), BREAKER_PROBE);
    report_as(stage, strata, &ticket, outcome);
}

static void assert_state(const struct stage *stage, enum breaker_state wanted)
{
    assert_string_equal(breaker_state_name(breaker_state(stage->breaker)),
                        breaker_state_name(wanted));
}

static const struct strata one = {1, 11}, another = {2, 12}, third = {3, 13};

/* Open for `askers`, who have had calls before, and about to be tried again. */
static void stage_opened_for(struct stage *stage, const struct strata *askers, unsigned count)
{
    stage_init(stage, unit_seed(), NULL, 0);
    for (unsigned i = 0; breaker_state(stage->breaker) == BREAKER_CLOSED; i++) {
        struct breaker_ticket ticket;
        assert_int_equal(admit_as(stage, askers[i % count], &ticket), BREAKER_ADMITTED);
        report_as(stage, askers[i % count], &ticket, OUTCOME_FAILURE);
    }
    stage->now_ms += 250;
}

static void a_bad_probe_lets_others_be_probes(void **state)
{
    struct stage stage;
    struct breaker_ticket ticket;
    (void)state;
    stage_opened_for(&stage, (const struct strata[]){one, another}, 2);
    probe_as(&stage, one, OUTCOME_FAILURE);
    assert_state(&stage, BREAKER_HALF_OPEN);
    assert_int_equal(admit_as(&stage, one, &ticket), BREAKER_REFUSED);
    assert_int_equal(admit_as(&stage, (struct strata){one.client, another.path}, &ticket),
                     BREAKER_REFUSED);
    assert_int_equal(admit_as(&stage, (struct strata){another.client, one.path}, &ticket),
                     BREAKER_REFUSED);
    for (unsigned i = 0; i < 3; i++) {
        probe_as(&stage, another, OUTCOME_SUCCESS);
    }
    assert_state(&stage, BREAKER_RAMP);
    stage_end(&stage);
}

static void bad_probes_of_two_open_again(void **state)
{
    struct stage stage;
    (void)state;
    stage_opened_for(&stage, (const struct strata[]){one, another, third}, 3);
    probe_as(&stage, one, OUTCOME_FAILURE);
    probe_as(&stage, another, OUTCOME_SLOW);
    assert_state(&stage, BREAKER_OPEN);
    stage_end(&stage);
}

/* After a while without others the same ones have another turn, and three bad ones are enough. */
static void bad_probes_of_one_open_again_when_no_others_come(void **state)
{
    struct stage stage;
    (void)state;
    stage_opened_for(&stage, (const struct strata[]){one, another}, 2);
    for (unsigned i = 0; i < 3; i++) {
        assert_state(&stage, i == 0 ? BREAKER_OPEN : BREAKER_HALF_OPEN);
        probe_as(&stage, one, OUTCOME_FAILURE);
        stage.now_ms += 250;
    }
    assert_state(&stage, BREAKER_OPEN);
    stage_end(&stage);
}

/* It is there for some: others decide, unless so many bad ones come in a row. */
static void after_a_good_probe_it_takes_more_bad_ones(void **state)
{
    struct stage stage;
    (void)state;
    stage_opened_for(&stage, (const struct strata[]){one, another, third}, 3);
    probe_as(&stage, third, OUTCOME_SUCCESS);
    probe_as(&stage, one, OUTCOME_FAILURE);
    probe_as(&stage, another, OUTCOME_FAILURE);
    assert_state(&stage, BREAKER_HALF_OPEN);
    probe_as(&stage, third, OUTCOME_FAILURE);
    assert_state(&stage, BREAKER_OPEN);
    stage_end(&stage);
}

static void a_probe_that_reaches_nobody_opens_again_at_once(void **state)
{
    struct stage stage;
    (void)state;
    stage_opened_for(&stage, (const struct strata[]){one, another}, 2);
    probe_as(&stage, one, OUTCOME_UNREACHED);
    assert_state(&stage, BREAKER_OPEN);
    stage_end(&stage);
}

/* Those who are refused are traffic, too. */
static void who_asks_while_it_is_open_is_not_forgotten(void **state)
{
    struct stage stage;
    struct breaker_ticket ticket;
    (void)state;
    stage_opened_for(&stage, &one, 1);
    stage.now_ms -= 250;
    assert_int_equal(admit_as(&stage, another, &ticket), BREAKER_REFUSED);
    stage.now_ms += 250;
    probe_as(&stage, one, OUTCOME_FAILURE);
    assert_state(&stage, BREAKER_HALF_OPEN);
    stage_end(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bad_probe_lets_others_be_probes),
        cmocka_unit_test(bad_probes_of_two_open_again),
        cmocka_unit_test(bad_probes_of_one_open_again_when_no_others_come),
        cmocka_unit_test(after_a_good_probe_it_takes_more_bad_ones),
        cmocka_unit_test(a_probe_that_reaches_nobody_opens_again_at_once),
        cmocka_unit_test(who_asks_while_it_is_open_is_not_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
