/*
 * Mixes of traffic before a breaker: what one client or one path meets opens nothing for the others, and what all meet opens it as
 * soon as if there were no strata.
 */
#include "tests/unit/strata_stage.h"

#define OUTAGES 200

/* At most that share of the calls of others, who are the last crowd and there first. Returns what share of them the unstratified
   breaker refused. */
static double others_are_refused(const char *what, const struct crowd *crowds, unsigned count,
                                 uint64_t seconds, double at_most)
{
    uint64_t seed = unit_seed();
    double unstratified = 0;
    uint64_t refused = 0, calls = 0;
    for (unsigned i = 0; i < SEEDS; i++) {
        struct stage stage;
        stage_init(&stage, seed + i, crowds, count);
        stage.from = count - 1;
        run_for(&stage, 10);
        stage.from = 0;
        run_for(&stage, seconds);
        refused += stage.figures[count - 1].refused;
        calls += stage.figures[count - 1].calls;
        unstratified += refused_share(&stage.unstratified_figures[count - 1]) / SEEDS;
        stage_end(&stage);
    }
    printf("# %s: %" PRIu64 " of %" PRIu64 " calls of others refused, unstratified %.1f%%\n", what,
           refused, calls, 100 * unstratified);
    assert_true((double)refused <= at_most * (double)calls);
    return unstratified;
}

/* ---- what opens nothing ---- */

static void one_client_with_one_bad_url_opens_nothing(void **state)
{
    static const struct crowd crowds[] = {
        {10, 0, 1, 0, 1, 1, 1, false},
        {4, 1, 60, 1, 40, 20, 0.01, false},
    };
    (void)state;
    assert_true(
        others_are_refused("one client, one bad URL at 10/s beside 4/s", crowds, 2, 300, 0) > 0.3);
}

static void a_bad_url_at_a_thousand_a_second_opens_nothing(void **state)
{
    static const struct crowd crowds[] = {
        {1000, 0, 1, 0, 1, 1, 1, false},
        {4, 1, 60, 1, 40, 20, 0.01, false},
    };
    (void)state;
    (void)others_are_refused("one client, one bad URL at 1000/s beside 4/s", crowds, 2, 30, 0);
}

static void one_client_with_many_bad_urls_opens_nothing(void **state)
{
    static const struct crowd crowds[] = {
        {10, 0, 1, 100, 100, 1, 1, false},
        {4, 1, 60, 0, 40, 20, 0.01, false},
    };
    (void)state;
    assert_true(others_are_refused("one client, many bad URLs", crowds, 2, 300, 0) > 0.3);
}

/* It has as many addresses as it likes, in one network: four strata, so that it takes but two failures of others in a row. */
static void one_network_with_many_bad_urls_opens_nothing(void **state)
{
    static const struct crowd crowds[] = {
        {10, 100, 100, 100, 100, 1, 1, true},
        {4, 0, 60, 0, 40, 20, 0.01, false},
    };
    (void)state;
    (void)others_are_refused("one network, many bad URLs", crowds, 2, 300, 0.01);
}

static void a_popular_broken_page_opens_nothing(void **state)
{
    static const struct crowd crowds[] = {
        {40, 0, 60, 0, 1, 20, 1, false},
        {60, 0, 60, 1, 40, 20, 0.01, false},
    };
    static const struct crowd most[] = {
        {80, 0, 60, 0, 1, 20, 1, false},
        {20, 0, 60, 1, 40, 20, 0.01, false},
    };
    (void)state;
    (void)others_are_refused("a broken page with 40% of the calls", crowds, 2, 60, 0);
    assert_true(others_are_refused("a broken page with 80% of the calls", most, 2, 60, 0) > 0.3);
}

static void three_broken_pages_with_half_of_the_calls_open_nothing(void **state)
{
    static const struct crowd crowds[] = {
        {50, 0, 60, 0, 3, 1, 1, false},
        {50, 0, 60, 3, 40, 20, 0.002, false},
    };
    (void)state;
    (void)others_are_refused("three broken pages with 50% of the calls", crowds, 2, 60, 0);
}

/* Strata of its own are what keeps a part of the traffic apart, so they are given here. */
static void of_two_or_three_strata_one_opens_nothing(void **state)
{
    uint64_t seed = unit_seed(), refused = 0, calls = 0;
    (void)state;
    for (unsigned others = 1; others <= 2; others++) {
        const struct crowd crowds[] = {
            {10, 0, 1, 0, 1, 1, 1, false},
            {4, 1, others, 1, others, 1, 0, false},
        };
        for (unsigned i = 0; i < SEEDS; i++) {
            struct stage stage;
            stage_init(&stage, seed + i, crowds, 2);
            for (unsigned j = 0; j <= others; j++) {
                stage.client_strata[j] = stage.path_strata[j] = (uint8_t)(3 * j);
            }
            run_for(&stage, 300);
            refused += stage.figures[1].refused;
            calls += stage.figures[1].calls;
            stage_end(&stage);
        }
    }
    /* of so few strata, the rare one that is wrong by chance counts */
    printf("# two or three strata: %" PRIu64 " of %" PRIu64 " calls of others refused\n", refused,
           calls);
    assert_true(refused <= calls / 10000);
}

/* ---- what does not stay open ---- */

/* The share of their calls that the others, the last crowd, are refused from now on until that is over, and for how long. */
static void others_come_through(struct stage *stage, const char *what, uint64_t at_most_ms)
{
    struct crowd_figures *others = &stage->figures[stage->crowds_count - 1];
    uint64_t start_ms = stage->now_ms, last_refusal_ms = start_ms;
    while (stage->now_ms < start_ms + 60000) {
        uint64_t refused = others->refused;
        run_until(stage, stage->now_ms + 1);
        last_refusal_ms = others->refused > refused ? stage->now_ms : last_refusal_ms;
    }
    assert_string_equal(breaker_state_name(breaker_state(stage->breaker)), "closed");
    if (last_refusal_ms - start_ms > at_most_ms) {
        fail_msg("%s: others are refused for %" PRIu64 " ms", what, last_refusal_ms - start_ms);
    }
}

/* Who asks first is alone: it opens, but not for long. */
static void a_bad_url_that_is_there_first_does_not_keep_others_out(void **state)
{
    static const struct crowd crowds[] = {
        {1000, 0, 1, 0, 1, 1, 1, false},
        {10, 1, 60, 1, 40, 20, 0, false},
    };
    uint64_t seed = unit_seed();
    (void)state;
    for (unsigned i = 0; i < SEEDS; i++) {
        struct stage stage;
        stage_init(&stage, seed + i, crowds, 1);
        run_for(&stage, 2);
        assert_int_not_equal(breaker_state(stage.breaker), BREAKER_CLOSED);
        stage.crowds_count = 2;
        others_come_through(&stage, "a bad URL that is there first", 3000);
        stage_end(&stage);
    }
}

static void a_bad_url_does_not_prolong_an_outage(void **state)
{
    static const struct crowd crowds[] = {
        {10, 0, 1, 0, 1, 1, 1, false},
        {4, 1, 60, 1, 40, 20, 0, false},
    };
    uint64_t seed = unit_seed();
    (void)state;
    for (unsigned i = 0; i < SEEDS; i++) {
        struct stage stage;
        stage_init(&stage, seed + i, crowds, 2);
        run_for(&stage, 20);
        stage.origin_is_down = true;
        run_for(&stage, 20);
        assert_int_not_equal(breaker_state(stage.breaker), BREAKER_CLOSED);
        stage.origin_is_down = false;
        others_come_through(&stage, "a bad URL after an outage", 5000);
        stage_end(&stage);
    }
}

/* ---- what opens, and how soon ---- */

static const struct crowd many = {14, 0, 60, 0, 40, 20, 0.01, false};
static const struct crowd busy = {200, 0, 60, 0, 40, 20, 0.01, false};
static const struct crowd even = {100, 0, 200, 0, 200, 1, 0, false};
static const struct crowd lone_client = {14, 0, 1, 0, 40, 20, 0.01, false};
static const struct crowd lone_url = {14, 0, 60, 0, 1, 20, 0.01, false};
static const struct crowd alone = {14, 0, 1, 0, 1, 1, 0.01, false};

/* All calls fail after a good while; returns how many calls more than unstratified it takes on the mean, as a share. */
static double outage_is_seen(const char *what, const struct crowd *crowds, unsigned count,
                             enum outcome outcome)
{
    uint64_t seed = unit_seed();
    struct opening sums[2] = {{0, 0}, {0, 0}};
    uint64_t worst = 0;
    for (unsigned i = 0; i < OUTAGES; i++) {
        struct stage stage;
        struct opening openings[2] = {{0}};
        stage_init(&stage, seed + i, crowds, count);
        run_for(&stage, 20);
        stage.origin_is_down = true;
        stage.down_outcome = outcome;
        until_both_open(&stage, openings);
        for (unsigned j = 0; j < 2; j++) {
            sums[j].calls += openings[j].calls;
            sums[j].took_ms += openings[j].took_ms;
        }
        worst = openings[0].calls > worst ? openings[0].calls : worst;
        stage_end(&stage);
    }
    printf("# %s: open after %.1f calls, %" PRIu64 " ms; at most %" PRIu64
           " calls; unstratified %.1f, %" PRIu64 " ms\n",
           what, (double)sums[0].calls / OUTAGES, sums[0].took_ms / OUTAGES, worst,
           (double)sums[1].calls / OUTAGES, sums[1].took_ms / OUTAGES);
    return (double)sums[0].calls / (double)sums[1].calls - 1;
}

static void a_true_outage_opens_as_soon_as_ever(void **state)
{
    (void)state;
    assert_true(outage_is_seen("outage, 14/s", &many, 1, OUTCOME_FAILURE) < 0.2);
    assert_true(outage_is_seen("outage, 200/s", &busy, 1, OUTCOME_FAILURE) < 0.2);
    assert_true(outage_is_seen("outage, even", &even, 1, OUTCOME_FAILURE) < 0.2);
    assert_true(outage_is_seen("outage, one client", &lone_client, 1, OUTCOME_FAILURE) < 0.2);
    assert_true(outage_is_seen("outage, one URL", &lone_url, 1, OUTCOME_FAILURE) < 0.2);
}

static void a_lone_client_with_a_lone_url_opens_as_ever(void **state)
{
    (void)state;
    assert_true(outage_is_seen("one client, one URL", &alone, 1, OUTCOME_FAILURE) == 0);
}

/* Until others have called nobody knows; where nothing is reached at all, no others are needed. */
static void an_outage_amid_one_sided_traffic_opens_soon(void **state)
{
    static const struct crowd crowds[] = {
        {80, 0, 1, 0, 1, 1, 0, false},
        {20, 1, 60, 1, 40, 20, 0.01, false},
    };
    (void)state;
    assert_true(outage_is_seen("outage, 80% of one client and URL", crowds, 2, OUTCOME_FAILURE) <
                5);
    assert_true(outage_is_seen("outage, the same, not reached", crowds, 2, OUTCOME_UNREACHED) <
                0.05);
}

/* Requests go to two endpoints in turn; what fails at one is made good at the other, so the upstream's breaker hears of answers
   only. The stage's breaker is the broken endpoint's. */
static void a_broken_endpoint_of_two_is_seen_as_soon_as_ever(void **state)
{
    static const struct crowd half = {50, 0, 60, 0, 40, 20, 0, false};
    (void)state;
    assert_true(outage_is_seen("one endpoint of two", &half, 1, OUTCOME_FAILURE) < 0.2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_client_with_one_bad_url_opens_nothing),
        cmocka_unit_test(a_bad_url_at_a_thousand_a_second_opens_nothing),
        cmocka_unit_test(one_client_with_many_bad_urls_opens_nothing),
        cmocka_unit_test(one_network_with_many_bad_urls_opens_nothing),
        cmocka_unit_test(a_popular_broken_page_opens_nothing),
        cmocka_unit_test(three_broken_pages_with_half_of_the_calls_open_nothing),
        cmocka_unit_test(of_two_or_three_strata_one_opens_nothing),
        cmocka_unit_test(a_bad_url_that_is_there_first_does_not_keep_others_out),
        cmocka_unit_test(a_bad_url_does_not_prolong_an_outage),
        cmocka_unit_test(a_true_outage_opens_as_soon_as_ever),
        cmocka_unit_test(a_lone_client_with_a_lone_url_opens_as_ever),
        cmocka_unit_test(an_outage_amid_one_sided_traffic_opens_soon),
        cmocka_unit_test(a_broken_endpoint_of_two_is_seen_as_soon_as_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
