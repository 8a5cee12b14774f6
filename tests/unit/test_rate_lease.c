/* Replicas that lend each other what they do not use: together they have the rate, whoever is asked, dies or is cut off. */
#include "tests/unit/unit.h"

#include <math.h>

#include "proxy/fleet/rate_lease.h"
#include "steady/rng.h"

#define REPLICAS_MOST 8
#define MS_US UINT64_C(1000)
#define ANSWER_MS 2
#define MINUTES_MS(minutes) ((minutes)*60 * 1000)

/* The token bucket of the store, as the script has it. */
struct sim_store {
    double full_ms;
    bool away;
};

struct sim_replica {
    struct rate_leases *leases;
    struct rate_lease *lease; /* of its one key, as soon as it was used */
    double demand, owed;      /* requests per second, and those that are due */
    unsigned ask_ms;          /* when it asks next */
    unsigned answer_ms;       /* when the answer comes; 0: none is awaited */
    long long answer;
    struct rate_lease_word word;
    unsigned admitted;
    bool dead, busy;
};

struct sim {
    struct rate_settings whole;
    struct rate_lease_terms terms;
    struct sim_store store;
    struct sim_replica replicas[REPLICAS_MOST];
    unsigned count, now_ms;
    bool gives_all; /* a store that lends whatever is asked for */
    struct rng rng;
};

static void set_replica_count(struct sim *sim, unsigned count)
{
    sim->terms.replica_count = count;
    const struct rate_settings share = rate_lease_share(&sim->whole, count);
    const struct token_rate rate = token_rate(&share);
    for (unsigned i = 0; i < sim->count; i++) {
        rate_leases_set_share(sim->replicas[i].leases, &rate);
    }
}

static void begin(struct sim *sim, double per_second, unsigned count, const double *demands)
{
    *sim = (struct sim){.whole = {.per_second = per_second},
                        .terms = {.per_second = per_second, .replica_count = count},
                        .count = count,
                        .now_ms = 1000000};
    const struct token_rate whole = token_rate(&sim->whole);
    rng_init(&sim->rng, 7);
    for (unsigned i = 0; i < count; i++) {
        sim->replicas[i] = (struct sim_replica){
            .leases = rate_leases_create(1, &whole),
            .demand = demands[i],
            .ask_ms = sim->now_ms + (unsigned)rng_below(&sim->rng, RATE_LEASE_PERIOD_MS)};
        assert_non_null(sim->replicas[i].leases);
    }
    set_replica_count(sim, count);
}

static void end(struct sim *sim)
{
    for (unsigned i = 0; i < sim->count; i++) {
        rate_leases_free(&sim->replicas[i].leases);
    }
}

static long long tell_store(struct sim *sim, const struct rate_lease_word *word)
{
    double each_ms = 1e3 / sim->terms.per_second, now_ms = sim->now_ms;
    double depth_ms = (rate_lease_depth(&sim->terms) - 1) * each_ms;
    double most_ms = now_ms + depth_ms + each_ms + rate_lease_debt_s(&sim->terms) * 1e3;
    double spent = (double)word->used_count - word->back_count;
    double full_ms =
        fmin(fmax(fmax(sim->store.full_ms, now_ms) + spent * each_ms, now_ms), most_ms);
    double got = fmin(floor((now_ms + depth_ms - full_ms) / each_ms) + 1, word->want_count);
    got = sim->gives_all ? 1e12 : got;
    if (got > 0) {
        sim->store.full_ms = full_ms + got * each_ms;
        return (long long)got;
    }
    sim->store.full_ms = full_ms;
    return word->want_count > 0 ? -(long long)ceil(full_ms - now_ms - depth_ms) : 0;
}

static enum rate_lease_visit note_lease(struct rate_lease *lease, void *owner)
{
    *(struct rate_lease **)owner = lease;
    return RATE_LEASE_IDLE;
}

static void ask(struct sim *sim, struct sim_replica *replica)
{
    struct rate_lease *used = NULL;
    replica->ask_ms = sim->now_ms + RATE_LEASE_PERIOD_MS + (unsigned)rng_below(&sim->rng, 21);
    assert_true(rate_leases_visit(replica->leases, note_lease, &used));
    if (used == NULL && !replica->busy) {
        return;
    }
    replica->lease = used != NULL ? used : replica->lease;
    const struct rate_lease_seen seen =
        rate_lease_look(replica->leases, replica->lease, sim->now_ms * MS_US);
    struct rate_lease_word word =
        rate_lease_decide(&sim->terms, &replica->lease->memory, &seen, sim->now_ms, &replica->busy);
    if (sim->store.away) {
        return;
    }
    word.back_count = rate_lease_take_back(replica->lease, word.back_count);
    if (word.used_count + word.back_count + word.want_count > 0) {
        replica->word = word;
        replica->answer = tell_store(sim, &word);
        replica->answer_ms = sim->now_ms + ANSWER_MS;
    }
}

static void take_answer(struct sim *sim, struct sim_replica *replica)
{
    uint32_t lent = rate_lease_answer(&replica->lease->memory, replica->word.want_count,
                                      replica->answer, sim->now_ms);
    rate_lease_lend(replica->lease, replica->lease->memory.key, lent);
    replica->answer_ms = 0;
}

static unsigned step(struct sim *sim, struct sim_replica *replica)
{
    unsigned admitted = 0;
    if (replica->dead) {
        return 0;
    }
    replica->owed += replica->demand / 1e3;
    while (replica->owed >= 1) {
        uint64_t wait_ms;
        replica->owed -= 1;
        admitted += rate_leases_take(replica->leases, 0, false, sim->now_ms * MS_US, &wait_ms);
    }
    if (replica->answer_ms != 0 && sim->now_ms >= replica->answer_ms) {
        take_answer(sim, replica);
    }
    if (replica->answer_ms == 0 && sim->now_ms >= replica->ask_ms) {
        ask(sim, replica);
    }
    replica->admitted += admitted;
    return admitted;
}

/* How many were admitted meanwhile. */
static unsigned run(struct sim *sim, unsigned span_ms)
{
    unsigned admitted = 0;
    for (unsigned end_ms = sim->now_ms + span_ms; sim->now_ms < end_ms; sim->now_ms++) {
        for (unsigned i = 0; i < sim->count; i++) {
            admitted += step(sim, &sim->replicas[i]);
        }
    }
    return admitted;
}

/* Any five seconds have the rate, within a twentieth. */
static void assert_exact(struct sim *sim, unsigned windows)
{
    for (unsigned i = 0; i < windows; i++) {
        double per_second = run(sim, 5000) / 5.0;
        assert_in_range((unsigned)per_second, (unsigned)(0.95 * sim->terms.per_second),
                        (unsigned)(1.05 * sim->terms.per_second));
    }
}

static void the_rate_holds_however_the_demand_lies(void **state)
{
    (void)state;
    static const double demands[][5] = {{200, 200, 200, 200, 200},
                                        {500, 300, 100, 60, 40},
                                        {1000, 0, 0, 0, 0},
                                        {600, 391, 3, 3, 3},
                                        {10, 20, 30, 40, 900}};
    for (size_t i = 0; i < sizeof demands / sizeof demands[0]; i++) {
        struct sim sim;
        begin(&sim, 300, 5, demands[i]);
        run(&sim, 1000);
        assert_exact(&sim, 5);
        end(&sim);
    }
}

static void demand_below_the_rate_is_never_refused(void **state)
{
    (void)state;
    static const struct {
        double per_second, demands[5];
    } cases[] = {{300, {180, 50, 20, 5, 5}},
                 {300, {270, 0, 0, 0, 0}},
                 {300, {50, 50, 50, 50, 50}},
                 {1, {0.8, 0, 0, 0, 0}},
                 {0.1, {0.05, 0, 0, 0, 0}}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sim sim;
        double sum = 0;
        begin(&sim, cases[i].per_second, 5, cases[i].demands);
        run(&sim, 1000); /* until the store has been asked */
        unsigned span_ms = cases[i].per_second < 10 ? MINUTES_MS(10) : 10000;
        for (unsigned k = 0; k < 5; k++) {
            sum += cases[i].demands[k];
        }
        unsigned admitted = run(&sim, span_ms);
        assert_in_range(admitted, (unsigned)(sum * span_ms / 1e3) - 2,
                        (unsigned)(sum * span_ms / 1e3) + 2);
        end(&sim);
    }
}

/* Nobody's share is taken by who asks for more. */
static void each_replica_has_its_share(void **state)
{
    (void)state;
    struct sim sim;
    begin(&sim, 300, 5, (const double[]){5000, 5000, 5000, 5000, 59});
    run(&sim, 1000);
    unsigned before = sim.replicas[4].admitted;
    run(&sim, 10000);
    assert_in_range(sim.replicas[4].admitted - before, 588, 592);
    end(&sim);
}

static void what_a_dead_replica_had_goes_to_the_others(void **state)
{
    (void)state;
    struct sim sim;
    begin(&sim, 300, 5, (const double[]){500, 300, 100, 60, 40});
    run(&sim, 2000);
    sim.replicas[0].dead = true; /* with what it was lent */
    assert_exact(&sim, 1);
    set_replica_count(&sim, 4); /* it is missed */
    assert_exact(&sim, 3);
    end(&sim);
}

static void without_the_store_the_shares_remain(void **state)
{
    (void)state;
    struct sim sim;
    begin(&sim, 300, 5, (const double[]){500, 300, 100, 60, 40});
    run(&sim, 2000);
    sim.store.away = true;
    run(&sim, 500);
    unsigned admitted = run(&sim, 5000); /* 60 of each, and 40 of the last */
    assert_in_range(admitted, 5 * 278, 5 * 282);
    sim.store.away = false;
    run(&sim, 2000);
    assert_exact(&sim, 3);
    end(&sim);
}

static void a_new_replica_comes_in(void **state)
{
    (void)state;
    struct sim sim;
    begin(&sim, 300, 5, (const double[]){250, 250, 250, 250, 0});
    set_replica_count(&sim, 4);
    run(&sim, 2000);
    sim.replicas[4].demand = 250;
    run(&sim, 1000); /* until the others have heard of it: its share is on top */
    set_replica_count(&sim, 5);
    run(&sim, 1000);
    assert_exact(&sim, 2);
    end(&sim);
}

/* Its own configuration holds, whatever the store lends. */
static void a_store_that_lies_cannot_raise_the_limit(void **state)
{
    (void)state;
    struct sim sim;
    begin(&sim, 300, 5, (const double[]){5000, 0, 0, 0, 0});
    sim.gives_all = true;
    run(&sim, 1000);
    assert_in_range(run(&sim, 10000), 2850, 3000 + 2 * 60);
    end(&sim);
    struct rate_lease_memory memory = {.begun = true};
    assert_int_equal(rate_lease_answer(&memory, 7, 1000000000000, 5), 7);
    assert_int_equal(rate_lease_answer(&memory, 0, 1000000000000, 5), 0);
    assert_int_equal(rate_lease_answer(&memory, 7, INT64_MIN, 5), 0);
    assert_int_equal(memory.awaited_ms, 60005);
}

/* What is said in one period, from what was seen in it. */
static void the_words_of_a_period(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        unsigned replica_count;
        struct rate_lease_seen seen;
        unsigned used, back, want;
    } cases[] = {
        /* 300 a second over 5: a share of 60; seen over 100 ms, asked for 150 ms */
        {"nothing", 5, {0, 0, 0, 0, 6}, 0, 0, 0},
        {"within the share", 5, {5, 0, 0, 0, 1}, 5, 0, 0},
        {"the share is used up, and more came", 5, {6, 0, 24, 0, 0}, 6, 0, 36},
        {"as much as the whole allows", 5, {6, 0, 94, 0, 0}, 6, 0, 60},
        {"enough is left", 5, {5, 10, 0, 14, 0}, 5, 0, 0},
        {"too much is left", 5, {6, 0, 0, 13, 0}, 6, 12, 0},
        {"nobody comes any more", 5, {0, 0, 0, 13, 6}, 0, 13, 0},
        {"one replica has nobody to borrow from", 1, {30, 0, 70, 0, 0}, 30, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct rate_lease_terms terms = {.per_second = 300,
                                               .replica_count = cases[i].replica_count};
        struct rate_lease_memory memory = {0};
        bool busy;
        const struct rate_lease_word word =
            rate_lease_decide(&terms, &memory, &cases[i].seen, 1000000, &busy);
        print_message("%s: used %u, back %u, want %u\n", cases[i].what, word.used_count,
                      word.back_count, word.want_count);
        assert_int_equal(word.used_count, cases[i].used);
        assert_int_equal(word.back_count, cases[i].back);
        assert_int_equal(word.want_count, cases[i].want);
    }
}

/* A slow rate: one token is held for as long as somebody may come back for it, then nothing is said any more. */
static void a_key_that_nobody_uses_is_let_go(void **state)
{
    (void)state;
    const struct rate_lease_terms terms = {.per_second = 1, .replica_count = 5};
    struct rate_lease_memory memory = {0};
    struct rate_lease_seen seen = {.used_count = 1};
    bool busy;
    struct rate_lease_word word = rate_lease_decide(&terms, &memory, &seen, 1000000, &busy);
    assert_int_equal(word.want_count, 0); /* its own configuration has no more than one */
    assert_true(busy);
    seen = (struct rate_lease_seen){.used_count = 0};
    word = rate_lease_decide(&terms, &memory, &seen, 1001000, &busy);
    assert_int_equal(word.want_count, 1);
    assert_int_equal(rate_lease_answer(&memory, 1, 1, 1001002), 1);
    seen.lent_count = 1;
    word = rate_lease_decide(&terms, &memory, &seen, 1001900, &busy);
    assert_int_equal(word.back_count, 0);
    word = rate_lease_decide(&terms, &memory, &seen, 1002100, &busy);
    assert_int_equal(word.back_count, 1);
    seen.lent_count = 0;
    word = rate_lease_decide(&terms, &memory, &seen, 1002200, &busy);
    assert_int_equal(word.used_count + word.back_count + word.want_count, 0);
    assert_false(busy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_words_of_a_period),
        cmocka_unit_test(a_key_that_nobody_uses_is_let_go),
        cmocka_unit_test(the_rate_holds_however_the_demand_lies),
        cmocka_unit_test(demand_below_the_rate_is_never_refused),
        cmocka_unit_test(each_replica_has_its_share),
        cmocka_unit_test(what_a_dead_replica_had_goes_to_the_others),
        cmocka_unit_test(without_the_store_the_shares_remain),
        cmocka_unit_test(a_new_replica_comes_in),
        cmocka_unit_test(a_store_that_lies_cannot_raise_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
