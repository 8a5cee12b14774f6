/* What is kept of answers and when it is asked for again, as transcripts: one line per lookup. */
#include "tests/unit/unit.h"

#include "pool/name_state.h"

#define S 1000ull

static const struct resolver_settings defaults = {
    .min_ttl_ms = 5 * S,
    .max_ttl_ms = 300 * S,
    .stale_ms = 3600 * S,
    .negative_count = 3,
    .negative_span_ms = 60 * S,
};

struct play {
    struct resolver_settings rules;
    struct name_state state;
    struct rng rng;
};

static struct play play(void)
{
    struct play play = {.rules = defaults};
    rng_init(&play.rng, unit_seed());
    name_state_init(&play.state, 0);
    assert_int_equal(name_state_due_ms(&play.state, &play.rules), 0);
    return play;
}

static const char *step_name(enum name_step step)
{
    static const char *const names[] = {"keep", "take", "drop"};
    return names[step];
}

/* At `at`, the lookup ends so: what is done, and between when and when it is asked again, counted from then. */
static void says(struct play *play, uint64_t at_ms, enum lookup_result result, uint64_t ttl_ms,
                 enum name_step step, uint64_t least_ms, uint64_t most_ms)
{
    const struct name_outcome outcome = {.result = result, .ttl_ms = ttl_ms};
    assert_string_equal(
        step_name(name_state_ended(&play->state, &play->rules, &outcome, at_ms, &play->rng)),
        step_name(step));
    assert_in_range(play->state.next_ms - at_ms, least_ms, most_ms);
    assert_int_equal(play->state.last, result);
    assert_true(play->state.ended);
}

/* ---- yes ---- */

static void an_answer_is_asked_for_again_before_its_ttl_is_over(void **state)
{
    (void)state;
    uint64_t least_ms = UINT64_MAX, most_ms = 0;
    struct play p = play();
    for (unsigned i = 0; i < 1000; i++) {
        says(&p, 0, LOOKUP_FOUND, 100 * S, NAME_TAKE, 80 * S, 95 * S);
        least_ms = p.state.next_ms < least_ms ? p.state.next_ms : least_ms;
        most_ms = p.state.next_ms > most_ms ? p.state.next_ms : most_ms;
    }
    assert_true(least_ms < 82 * S && most_ms > 93 * S);
    assert_false(name_state_stale(&p.state, 99 * S));
    assert_true(name_state_stale(&p.state, 100 * S));
}

static void a_ttl_is_used_within_its_clamp(void **state)
{
    (void)state;
    struct play p = play();
    says(&p, 0, LOOKUP_FOUND, 0, NAME_TAKE, 4 * S, 4750);
    says(&p, 0, LOOKUP_FOUND, 7 * 24 * 3600 * S, NAME_TAKE, 240 * S, 285 * S);
    p.rules.min_ttl_ms = 1;
    says(&p, 0, LOOKUP_FOUND, 0, NAME_TAKE, 50, 50);
}

/* ---- failure ---- */

static void failures_are_spaced_further_and_further_and_change_nothing(void **state)
{
    (void)state;
    struct play p = play();
    says(&p, 0, LOOKUP_FOUND, 10 * S, NAME_TAKE, 8 * S, 9500);
    says(&p, 9 * S, LOOKUP_TIMEOUT, 0, NAME_KEEP, 500, 1 * S);
    says(&p, 10 * S, LOOKUP_FAILED, 0, NAME_KEEP, 1 * S, 2 * S);
    says(&p, 12 * S, LOOKUP_MALFORMED, 0, NAME_KEEP, 2 * S, 4 * S);
    says(&p, 16 * S, LOOKUP_NO_MEMORY, 0, NAME_KEEP, 4 * S, 8 * S);
    says(&p, 24 * S, LOOKUP_TIMEOUT, 0, NAME_KEEP, 8 * S, 16 * S);
    for (unsigned i = 0; i < 20; i++) {
        says(&p, 40 * S, LOOKUP_TIMEOUT, 0, NAME_KEEP, 15 * S, 30 * S);
    }
    assert_true(p.state.holding && name_state_stale(&p.state, 40 * S));
    says(&p, 60 * S, LOOKUP_FOUND, 10 * S, NAME_TAKE, 8 * S, 9500);
    says(&p, 69 * S, LOOKUP_TIMEOUT, 0, NAME_KEEP, 500, 1 * S);
}

static void an_answer_that_cannot_be_renewed_goes_after_stale_and_not_before(void **state)
{
    (void)state;
    struct play p = play();
    says(&p, 0, LOOKUP_FOUND, 10 * S, NAME_TAKE, 8 * S, 9500);
    uint64_t end_ms = 10 * S + defaults.stale_ms;
    says(&p, end_ms - 1 * S, LOOKUP_TIMEOUT, 0, NAME_KEEP, 1, 30 * S);
    for (unsigned i = 0; i < 10; i++) {
        says(&p, end_ms - 1 * S, LOOKUP_TIMEOUT, 0, NAME_KEEP, 1, 30 * S);
    }
    assert_int_equal(name_state_due_ms(&p.state, &p.rules), end_ms);
    assert_int_equal(name_state_passed(&p.state, &p.rules, end_ms - 1), NAME_KEEP);
    assert_int_equal(name_state_passed(&p.state, &p.rules, end_ms), NAME_DROP);
    assert_int_equal(name_state_passed(&p.state, &p.rules, end_ms), NAME_KEEP);
    assert_int_equal(name_state_due_ms(&p.state, &p.rules), p.state.next_ms);
    assert_false(name_state_stale(&p.state, end_ms));
}

static void a_name_that_never_resolved_is_asked_for_ever_more(void **state)
{
    (void)state;
    struct play p = play();
    for (uint64_t i = 0; i < 100; i++) {
        says(&p, i * 40 * S, LOOKUP_FAILED, 0, NAME_KEEP, 500, 30 * S);
    }
    says(&p, 5000 * S, LOOKUP_FOUND, 10 * S, NAME_TAKE, 8 * S, 9500);
}

/* ---- no ---- */

static void a_no_is_believed_when_said_three_times_over_a_minute(void **state)
{
    (void)state;
    struct play p = play();
    says(&p, 0, LOOKUP_FOUND, 10 * S, NAME_TAKE, 8 * S, 9500);
    says(&p, 9 * S, LOOKUP_UNKNOWN, 0, NAME_KEEP, 5 * S, 5500);
    says(&p, 40 * S, LOOKUP_EMPTY, 0, NAME_KEEP, 5 * S, 5500);
    assert_true(p.state.holding);
    says(&p, 71 * S, LOOKUP_UNKNOWN, 60 * S, NAME_DROP, 48 * S, 57 * S);
    assert_false(p.state.holding);
    says(&p, 130 * S, LOOKUP_UNKNOWN, 60 * S, NAME_KEEP, 48 * S, 57 * S);
}

static void three_noes_in_a_hurry_are_not_enough(void **state)
{
    (void)state;
    struct play p = play();
    says(&p, 0, LOOKUP_FOUND, 10 * S, NAME_TAKE, 8 * S, 9500);
    for (uint64_t i = 0; i < 10; i++) {
        says(&p, 9 * S + i, LOOKUP_UNKNOWN, 0, NAME_KEEP, 5 * S, 5500);
    }
    says(&p, 69 * S - 1, LOOKUP_UNKNOWN, 0, NAME_KEEP, 5 * S, 5500);
    says(&p, 69 * S, LOOKUP_UNKNOWN, 0, NAME_DROP, 4 * S, 5 * S);
}

static void noes_are_spread_over_the_span_when_that_is_short(void **state)
{
    (void)state;
    struct play p = play();
    p.rules.negative_span_ms = 1 * S;
    says(&p, 0, LOOKUP_FOUND, 10 * S, NAME_TAKE, 8 * S, 9500);
    says(&p, 9 * S, LOOKUP_UNKNOWN, 0, NAME_KEEP, 501, 552);
    says(&p, 9502, LOOKUP_UNKNOWN, 0, NAME_KEEP, 501, 552);
    says(&p, 10003, LOOKUP_UNKNOWN, 0, NAME_DROP, 4 * S, 5 * S);
}

static void two_noes_over_an_hour_are_not_enough(void **state)
{
    (void)state;
    struct play p = play();
    p.rules.stale_ms = 24 * 3600 * S;
    says(&p, 0, LOOKUP_FOUND, 10 * S, NAME_TAKE, 8 * S, 9500);
    says(&p, 9 * S, LOOKUP_UNKNOWN, 0, NAME_KEEP, 5 * S, 5500);
    says(&p, 3600 * S, LOOKUP_UNKNOWN, 0, NAME_KEEP, 5 * S, 5500);
    says(&p, 3640 * S, LOOKUP_UNKNOWN, 0, NAME_DROP, 4 * S, 5 * S);
}

static void a_yes_in_between_starts_anew_and_a_failure_does_not(void **state)
{
    (void)state;
    struct play p = play();
    says(&p, 0, LOOKUP_FOUND, 10 * S, NAME_TAKE, 8 * S, 9500);
    says(&p, 9 * S, LOOKUP_UNKNOWN, 0, NAME_KEEP, 5 * S, 5500);
    says(&p, 40 * S, LOOKUP_UNKNOWN, 0, NAME_KEEP, 5 * S, 5500);
    says(&p, 70 * S, LOOKUP_FOUND, 10 * S, NAME_TAKE, 8 * S, 9500);
    says(&p, 80 * S, LOOKUP_UNKNOWN, 0, NAME_KEEP, 5 * S, 5500);
    says(&p, 112 * S, LOOKUP_TIMEOUT, 0, NAME_KEEP, 500, 1 * S);
    says(&p, 113 * S, LOOKUP_UNKNOWN, 0, NAME_KEEP, 5 * S, 5500);
    says(&p, 146 * S, LOOKUP_UNKNOWN, 0, NAME_DROP, 4 * S, 5 * S);
}

static void a_no_may_be_believed_at_once_if_so_configured(void **state)
{
    (void)state;
    struct play p = play();
    p.rules.negative_count = 1;
    p.rules.negative_span_ms = 0;
    says(&p, 0, LOOKUP_FOUND, 10 * S, NAME_TAKE, 8 * S, 9500);
    says(&p, 9 * S, LOOKUP_EMPTY, 0, NAME_DROP, 4 * S, 5 * S);
}

static void a_name_without_any_address_is_asked_for_often(void **state)
{
    (void)state;
    struct play p = play();
    const struct name_outcome urgent = {
        .result = LOOKUP_UNKNOWN, .ttl_ms = 900 * S, .urgent = true};
    assert_int_equal(name_state_ended(&p.state, &p.rules, &urgent, 0, &p.rng), NAME_KEEP);
    assert_in_range(p.state.next_ms, 4 * S, 5 * S);
    says(&p, 5 * S, LOOKUP_EMPTY, 900 * S, NAME_KEEP, 240 * S, 285 * S);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_asked_for_again_before_its_ttl_is_over),
        cmocka_unit_test(a_ttl_is_used_within_its_clamp),
        cmocka_unit_test(failures_are_spaced_further_and_further_and_change_nothing),
        cmocka_unit_test(an_answer_that_cannot_be_renewed_goes_after_stale_and_not_before),
        cmocka_unit_test(a_name_that_never_resolved_is_asked_for_ever_more),
        cmocka_unit_test(a_no_is_believed_when_said_three_times_over_a_minute),
        cmocka_unit_test(three_noes_in_a_hurry_are_not_enough),
        cmocka_unit_test(noes_are_spread_over_the_span_when_that_is_short),
        cmocka_unit_test(two_noes_over_an_hour_are_not_enough),
        cmocka_unit_test(a_yes_in_between_starts_anew_and_a_failure_does_not),
        cmocka_unit_test(a_no_may_be_believed_at_once_if_so_configured),
        cmocka_unit_test(a_name_without_any_address_is_asked_for_often),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
