/* A breaker's tickets, pauses and memory: what is reported twice, drawn at random, missing, or went on from before. */
#include "tests/unit/breaker_rig.h"

#include "breaker/breaker.h"
#include "steady/fault.h"
#include "steady/rng.h"

#define LANES 4

static const struct strata lone = {3, 5}; /* all calls are of one client and one path */

static void report_twice(void *argument)
{
    struct breaker_ticket ticket;
    uint64_t retry_after_ms;
    struct rng rng;
    rng_init(&rng, 1);
    if (breaker_admit(argument, &(struct breaker_caller){&defaults, NULL, 0, 0, lone}, &ticket,
                      &retry_after_ms) != BREAKER_ADMITTED) {
        return;
    }
    breaker_report(argument, &(struct breaker_caller){&defaults, &rng, 0, 0, lone}, &ticket,
                   OUTCOME_SUCCESS);
    breaker_report(argument, &(struct breaker_caller){&defaults, &rng, 0, 0, lone}, &ticket,
                   OUTCOME_SUCCESS);
}

static void a_ticket_is_reported_once(void **state)
{
    (void)state;
    struct breaker *breaker = breaker_create(1, NULL, NULL);
    assert_aborts(report_twice, breaker, "breaker/breaker.c:");
    breaker_free(&breaker);
    breaker_free(&breaker);
}

static void open_times_spread_over_their_whole_range(void **state)
{
    (void)state;
    enum { ROUNDS = 2000 };
    uint64_t seed = unit_seed(), sum = 0, least = UINT64_MAX, most = 0;
    struct rng rng;
    rng_init(&rng, seed);
    for (int i = 0; i < ROUNDS; i++) {
        struct breaker *breaker = breaker_create(1, NULL, NULL);
        struct breaker_ticket ticket;
        uint64_t wait_ms = 0;
        while (breaker_admit(breaker, &(struct breaker_caller){&defaults, NULL, 1000, 0, lone},
                             &ticket, &wait_ms) == BREAKER_ADMITTED) {
            breaker_report(breaker, &(struct breaker_caller){&defaults, &rng, 1000, 0, lone},
                           &ticket, OUTCOME_FAILURE);
        }
        sum += wait_ms;
        least = wait_ms < least ? wait_ms : least;
        most = wait_ms > most ? wait_ms : most;
        breaker_free(&breaker);
    }
    /* Uniform in 200..250: the mean's standard deviation is 0.32. */
    assert_in_range(least, 200, 202);
    assert_in_range(most, 248, 250);
    assert_in_range(sum / ROUNDS, 223, 227);
}

/* Only where memory can be made to fail: a skipped test would look like a failed one in TAP. */
#ifdef EVENKEEL_FAULT_INJECTION
static void memory_that_is_not_there_is_told(void **state)
{
    (void)state;
    fault_arm(FAULT_ALLOC, 1);
    assert_null(breaker_create(1, NULL, NULL));
    assert_true(fault_disarm(FAULT_ALLOC));
}
#endif

static void an_outage_of_an_earlier_process_goes_on(void **state)
{
    (void)state;
    struct breaker *breaker = breaker_create(LANES, NULL, NULL);
    struct breaker_settings off = defaults;
    struct breaker_ticket ticket;
    uint64_t retry_after_ms = 0;
    off.enabled = false;
    assert_non_null(breaker);
    assert_false(breaker_resume(breaker, &off, 60000, 100000));
    assert_true(breaker_resume(breaker, &defaults, 60000, 100000));
    assert_false(breaker_resume(breaker, &defaults, 60000, 100000));
    assert_int_equal(breaker_admit(breaker,
                                   &(struct breaker_caller){&defaults, NULL, 100000, 0, lone},
                                   &ticket, &retry_after_ms),
                     BREAKER_REFUSED);
    assert_int_equal(retry_after_ms, 250);
    assert_int_equal(breaker_figures(breaker, &defaults, 100000).outage_since_ms, 40000);
    assert_int_equal(breaker_admit(breaker,
                                   &(struct breaker_caller){&defaults, NULL, 100250, 0, lone},
                                   &ticket, &retry_after_ms),
                     BREAKER_PROBE);
    struct rng rng;
    rng_init(&rng, 1);
    breaker_report(breaker, &(struct breaker_caller){&defaults, &rng, 100260, 0, lone}, &ticket,
                   OUTCOME_FAILURE);
    /* a tenth of a minute and more, so the longest pause: the age of the outage counts */
    assert_int_equal(breaker_admit(breaker,
                                   &(struct breaker_caller){&defaults, NULL, 100260, 0, lone},
                                   &ticket, &retry_after_ms),
                     BREAKER_REFUSED);
    assert_in_range(retry_after_ms, 4000, 6000);
    breaker_free(&breaker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ticket_is_reported_once),
        cmocka_unit_test(an_outage_of_an_earlier_process_goes_on),
        cmocka_unit_test(open_times_spread_over_their_whole_range),
#ifdef EVENKEEL_FAULT_INJECTION
        cmocka_unit_test(memory_that_is_not_there_is_told),
#endif
    };
    return cmocka_run_group_tests_name("breaker life", tests, NULL, NULL);
}
