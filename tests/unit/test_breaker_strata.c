/*
 * Mixes of traffic before a breaker: what one client or one path meets opens nothing for the others, and what all meet opens it as
 * soon as if there were no strata.
 *
 * Every play is run with many seeds: the seed says who falls into which stratum, when calls come and which of them fail. Beside
 * the breaker stands another one that is told the same calls as if all were of one client and one path: the measure of "as soon".
 */
#include "tests/unit/unit.h"

#include "breaker/breaker.h"
#include "breaker/usual_time.h"
#include "steady/rng.h"

#define WORKERS 4
#define SEEDS 40
#define OUTAGES 200
#define SITE_STRATA 4 /* that clients of one network can reach */

static const struct breaker_settings defaults = {
    .enabled = true,
    .window_ms = 10000,
    .min_requests_count = 20,
    .failure_rate = 0.5,
    .slow_rate = 0.8,
    .slow_after_ms = 10000,
    .consecutive_count = 10,
    .open_share = 0.1,
    .open_min_ms = 250,
    .open_max_ms = 5000,
    .probes_count = 3,
    .ramp_ms = 1000,
};

/* ---- the stage ---- */

/* Clients and paths are numbers; a crowd has some of each, and asks for the first ones of them more often where it is skewed. */
struct crowd {
    double per_second;
    unsigned first_client, clients_count;
    unsigned first_path, paths_count;
    double skew;    /* how much more often the first than the last of all: 1 is not at all */
    double failing; /* share of its calls */
    bool of_one_site;
};

enum { NAMES = 256, CROWDS = 4 };

struct crowd_figures {
    uint64_t calls, refused;
};

struct stage {
    struct rng rng;
    struct breaker *breaker, *unstratified;
    uint64_t now_ms;
    bool origin_is_down;
    enum outcome down_outcome;
    const struct crowd *crowds;
    unsigned from, crowds_count; /* those before `from` do not call */
    uint64_t next_us[CROWDS];
    uint8_t client_strata[NAMES], path_strata[NAMES];
    uint8_t site_strata[SITE_STRATA];
    struct crowd_figures figures[CROWDS], unstratified_figures[CROWDS];
    uint64_t calls;
};

static double fraction(struct rng *rng)
{
    return (double)rng_below(rng, 1 << 30) / (1 << 30);
}

static void stage_init(struct stage *stage, uint64_t seed, const struct crowd *crowds,
                       unsigned crowds_count)
{
    *stage = (struct stage){
        .now_ms = 1000000,
        .down_outcome = OUTCOME_FAILURE,
        .crowds = crowds,
        .crowds_count = crowds_count,
        .breaker = breaker_create(WORKERS, NULL, NULL),
        .unstratified = breaker_create(WORKERS, NULL, NULL),
    };
    rng_init(&stage->rng, seed);
    for (unsigned i = 0; i < NAMES; i++) {
        stage->client_strata[i] = (uint8_t)rng_below(&stage->rng, STRATA_COUNT);
        stage->path_strata[i] = (uint8_t)rng_below(&stage->rng, STRATA_COUNT);
    }
    for (unsigned i = 0; i < SITE_STRATA; i++) {
        stage->site_strata[i] = (uint8_t)rng_below(&stage->rng, STRATA_COUNT);
    }
}

static void stage_end(struct stage *stage)
{
    breaker_free(&stage->breaker);
    breaker_free(&stage->unstratified);
}

/* Of `count`, the first `skew` times as often as the last. */
static unsigned pick(struct rng *rng, unsigned count, double skew)
{
    if (count == 1) {
        return 0;
    }
    for (;;) {
        unsigned i = (unsigned)rng_below(rng, count);
        double weight = 1 / (1 + (skew - 1) * i / (count - 1));
        if (fraction(rng) < weight) {
            return i;
        }
    }
}

static struct strata strata_of(struct stage *stage, const struct crowd *crowd)
{
    unsigned client = crowd->first_client + pick(&stage->rng, crowd->clients_count, crowd->skew);
    unsigned path = crowd->first_path + pick(&stage->rng, crowd->paths_count, crowd->skew);
    return (struct strata){
        .client = crowd->of_one_site ? stage->site_strata[client % SITE_STRATA]
                                     : stage->client_strata[client],
        .path = stage->path_strata[path],
    };
}

static void tell(struct stage *stage, struct breaker *breaker, struct crowd_figures *figures,
                 struct strata strata, enum outcome outcome)
{
    struct breaker_ticket ticket = {.word = 0};
    uint64_t retry_after_ms;
    unsigned worker = (unsigned)rng_below(&stage->rng, WORKERS);
    figures->calls++;
    if (breaker_admit(breaker,
                      &(struct breaker_caller){&defaults, NULL, stage->now_ms, worker, strata},
                      &ticket, &retry_after_ms) == BREAKER_REFUSED) {
        figures->refused++;
        return;
    }
    breaker_report(breaker,
                   &(struct breaker_caller){&defaults, &stage->rng, stage->now_ms, worker, strata},
                   &ticket, outcome);
}

static void call(struct stage *stage, unsigned which)
{
    const struct crowd *crowd = &stage->crowds[which];
    const struct strata strata = strata_of(stage, crowd);
    enum outcome outcome = stage->origin_is_down                    ? stage->down_outcome
                           : fraction(&stage->rng) < crowd->failing ? OUTCOME_FAILURE
                                                                    : OUTCOME_SUCCESS;
    stage->calls++;
    tell(stage, stage->breaker, &stage->figures[which], strata, outcome);
    tell(stage, stage->unstratified, &stage->unstratified_figures[which], (struct strata){0, 0},
         outcome);
}

/* Lets each crowd call as often as it does, at random, until then. */
static void run_until(struct stage *stage, uint64_t end_ms)
{
    for (; stage->now_ms < end_ms; stage->now_ms++) {
        for (unsigned i = stage->from; i < stage->crowds_count; i++) {
            double mean_us = 1e6 / stage->crowds[i].per_second;
            while (stage->next_us[i] < stage->now_ms * 1000) {
                uint64_t wait_us = (uint64_t)(2 * mean_us * fraction(&stage->rng)) + 1;
                if (stage->next_us[i] > 0) {
                    call(stage, i);
                    stage->next_us[i] += wait_us;
                } else {
                    stage->next_us[i] = stage->now_ms * 1000 + wait_us;
                }
            }
        }
    }
}

static void run_for(struct stage *stage, uint64_t seconds)
{
    run_until(stage, stage->now_ms + seconds * 1000);
}

/* Calls, and time, until a breaker opened. */
struct opening {
    uint64_t calls, took_ms;
};

/* From now on, for the breaker and the unstratified one. */
static void until_both_open(struct stage *stage, struct opening ret_openings[2])
{
    const struct breaker *breakers[2] = {stage->breaker, stage->unstratified};
    uint64_t calls = stage->calls, start_ms = stage->now_ms;
    unsigned open_count = 0;
    bool open[2] = {false, false};
    while (open_count < 2 && stage->now_ms < start_ms + 60000) {
        run_until(stage, stage->now_ms + 1);
        for (unsigned i = 0; i < 2; i++) {
            if (!open[i] && breaker_state(breakers[i]) != BREAKER_CLOSED) {
                ret_openings[i] = (struct opening){stage->calls - calls, stage->now_ms - start_ms};
                open[i] = true;
                open_count++;
            }
        }
    }
    assert_int_equal(open_count, 2);
}

static double refused_share(const struct crowd_figures *figures)
{
    return (double)figures->refused / (double)figures->calls;
}

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
    uint64_t seed = unit_seed();
    (void)state;
    for (unsigned others = 1; others <= 2; others++) {
        const struct crowd crowds[] = {
            {10, 0, 1, 0, 1, 1, 1, false},
            {4, 1, others, 1, others, 1, 0.002, false},
        };
        for (unsigned i = 0; i < SEEDS; i++) {
            struct stage stage;
            stage_init(&stage, seed + i, crowds, 2);
            for (unsigned j = 0; j <= others; j++) {
                stage.client_strata[j] = stage.path_strata[j] = (uint8_t)(3 * j);
            }
            run_for(&stage, 300);
            assert_int_equal(stage.figures[1].refused, 0);
            stage_end(&stage);
        }
    }
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

/* ---- probes ---- */

static enum breaker_result admit_as(struct stage *stage, struct strata strata,
                                    struct breaker_ticket *ret_ticket)
{
    uint64_t retry_after_ms;
    const struct breaker_caller caller = {&defaults, &stage->rng, stage->now_ms, 0, strata};
    return breaker_admit(stage->breaker, &caller, ret_ticket, &retry_after_ms);
}

static void report_as(struct stage *stage, struct strata strata, struct breaker_ticket *ticket,
                      enum outcome outcome)
{
    const struct breaker_caller caller = {&defaults, &stage->rng, stage->now_ms, 0, strata};
    breaker_report(stage->breaker, &caller, ticket, outcome);
}

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

/* ---- slow calls ---- */

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
        cmocka_unit_test(a_bad_probe_lets_others_be_probes),
        cmocka_unit_test(bad_probes_of_two_open_again),
        cmocka_unit_test(bad_probes_of_one_open_again_when_no_others_come),
        cmocka_unit_test(after_a_good_probe_it_takes_more_bad_ones),
        cmocka_unit_test(a_probe_that_reaches_nobody_opens_again_at_once),
        cmocka_unit_test(who_asks_while_it_is_open_is_not_forgotten),
        cmocka_unit_test(what_always_takes_long_is_not_slow),
        cmocka_unit_test(what_takes_more_than_three_times_as_long_is_slow),
        cmocka_unit_test(one_slow_path_opens_nothing),
        cmocka_unit_test(what_goes_on_taking_long_becomes_usual),
    };
    return cmocka_run_group_tests_name("breaker strata", tests, NULL, NULL);
}
