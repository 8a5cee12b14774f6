/* Endpoints are chosen by their method and weight; full ones and the one to avoid are passed over. */
#include "tests/unit/pool_rig.h"

#include "pool/endpoint.h"
#include "pool/health_status.h"

enum { MOST = 4 };

struct chooser {
    struct rig rig;
    const struct upstream_view *view;
};

static void chooser_init(struct chooser *chooser, const char *endpoints, const char *method)
{
    rig_init(&chooser->rig, 2, 100);
    rng_init(&chooser->rig.workers[0].loop.rng, unit_seed());
    rig_adopt(
        &chooser->rig,
        rig_settings(
            "upstreams = { app = { endpoints = [ \"%s\" ]; balance = \"%s\"; pool = { warm_min = 0; max = 2; }; }; };",
            endpoints, method));
    chooser->view = &chooser->rig.set->views[0];
}

/* Makes it look as loaded or as full as the test wants; undone before the end. */
static void load(struct chooser *chooser, size_t i, uint64_t in_flight)
{
    chooser->view->endpoints[i]->in_flight = in_flight;
}

static void fill(struct chooser *chooser, size_t i, bool full)
{
    struct bound *connections = &chooser->view->endpoints[i]->connections;
    bound_set_used(connections, full ? bound_limit(connections) : 0);
}

static void chooser_end(struct chooser *chooser)
{
    for (size_t i = 0; i < chooser->view->endpoint_count; i++) {
        load(chooser, i, 0);
        fill(chooser, i, false);
    }
    rig_end(&chooser->rig);
}

static size_t pick(struct chooser *chooser, const struct endpoint *avoid)
{
    const struct pick_options options = {.avoid = &avoid, .avoid_count = avoid != NULL};
    struct endpoint *endpoint = NULL;
    enum pick_result result =
        upstream_pick(chooser->rig.workers[0].pool, chooser->view, &options, &endpoint);
    assert_true((result == PICK_OK) == (endpoint != NULL));
    for (size_t i = 0; i < chooser->view->endpoint_count; i++) {
        if (chooser->view->endpoints[i] == endpoint) {
            return i;
        }
    }
    assert_null(endpoint);
    return SIZE_MAX;
}

#define A "127.0.0.1:1"
#define B "127.0.0.1:2"
#define C "127.0.0.1:3"
#define AND "\", \""
#define WEIGHTED(address, weight) address " weight=" #weight

static void round_robin_takes_each_in_turn(void **state)
{
    struct chooser chooser;
    (void)state;
    chooser_init(&chooser, A AND B AND C, "round_robin");
    size_t first = pick(&chooser, NULL);
    for (size_t i = 1; i < 30; i++) {
        assert_int_equal(pick(&chooser, NULL), (first + i) % 3);
    }
    chooser_end(&chooser);
}

static void round_robin_gives_each_its_weight_in_every_round_and_spreads_it(void **state)
{
    struct chooser chooser;
    size_t counts[3] = {0}, run = 0, longest = 0, last = SIZE_MAX;
    (void)state;
    chooser_init(&chooser, WEIGHTED(A, 5) AND WEIGHTED(B, 2) AND WEIGHTED(C, 1), "round_robin");
    for (int i = 0; i < 8 * 10; i++) {
        size_t chosen = pick(&chooser, NULL);
        counts[chosen]++;
        run = chosen == last ? run + 1 : 1;
        longest = run > longest ? run : longest;
        last = chosen;
        if (i % 8 == 7) {
            assert_int_equal(counts[0], 5 * (i + 1) / 8);
            assert_int_equal(counts[1], 2 * (i + 1) / 8);
            assert_int_equal(counts[2], (i + 1) / 8);
        }
    }
    assert_true(longest <= 3);
    chooser_end(&chooser);
}

static void round_robin_follows_small_weights_too(void **state)
{
    struct chooser chooser;
    size_t counts[2] = {0};
    (void)state;
    chooser_init(&chooser, WEIGHTED(A, 2) AND B, "round_robin");
    for (int i = 0; i < 30; i++) {
        counts[pick(&chooser, NULL)]++;
    }
    assert_int_equal(counts[0], 20);
    assert_int_equal(counts[1], 10);
    chooser_end(&chooser);
}

static void least_in_flight_finds_the_least_loaded_for_its_weight(void **state)
{
    struct chooser chooser;
    (void)state;
    chooser_init(&chooser, A AND WEIGHTED(B, 4) AND C, "least_in_flight");
    load(&chooser, 0, 2);
    load(&chooser, 1, 5); /* 5/4 for its weight */
    load(&chooser, 2, 3);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(pick(&chooser, NULL), 1);
    }
    load(&chooser, 1, 20);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(pick(&chooser, NULL), 0);
    }
    chooser_end(&chooser);
}

static void equals_share(struct chooser *chooser)
{
    size_t counts[MOST] = {0};
    for (int i = 0; i < 3000; i++) {
        counts[pick(chooser, NULL)]++;
    }
    for (int i = 0; i < 3; i++) {
        assert_in_range(counts[i], 800, 1200);
    }
}

static void equally_loaded_endpoints_share(void **state)
{
    struct chooser chooser;
    (void)state;
    chooser_init(&chooser, A AND B AND C, "least_in_flight");
    equals_share(&chooser);
    chooser_end(&chooser);
    chooser_init(&chooser, A AND B AND C, "p2c");
    equals_share(&chooser);
    chooser_end(&chooser);
}

static void two_choices_never_take_the_most_loaded(void **state)
{
    struct chooser chooser;
    size_t counts[3] = {0};
    (void)state;
    chooser_init(&chooser, A AND B AND C, "p2c");
    load(&chooser, 0, 9);
    load(&chooser, 1, 3);
    load(&chooser, 2, 6);
    for (int i = 0; i < 3000; i++) {
        counts[pick(&chooser, NULL)]++;
    }
    assert_int_equal(counts[0], 0);
    assert_in_range(counts[1], 1800, 2200); /* in two of three pairs */
    chooser_end(&chooser);
}

static void two_choices_follow_the_weights_under_load(void **state)
{
    struct chooser chooser;
    size_t counts[2] = {0};
    (void)state;
    chooser_init(&chooser, WEIGHTED(A, 3) AND B, "p2c");
    for (int i = 0; i < 4000; i++) {
        size_t chosen = pick(&chooser, NULL);
        counts[chosen]++;
        load(&chooser, chosen, chooser.view->endpoints[chosen]->in_flight + 1);
    }
    assert_in_range(counts[0], 2900, 3100);
    chooser_end(&chooser);
}

/* 95 to 5: both draws are the heavy one in 90 of 100 choices, the light one in a quarter of one. */
static void two_choices_keep_the_weights_whatever_load_says(void **state)
{
    struct chooser chooser;
    (void)state;
    for (size_t loaded = 0; loaded < 2; loaded++) {
        size_t counts[2] = {0};
        chooser_init(&chooser, WEIGHTED(A, 95) AND WEIGHTED(B, 5), "p2c");
        load(&chooser, loaded, 1000);
        for (int i = 0; i < 4000; i++) {
            counts[pick(&chooser, NULL)]++;
        }
        assert_in_range(counts[0], loaded == 0 ? 3500 : 3960, loaded == 0 ? 3720 : 4000);
        chooser_end(&chooser);
    }
}

static void idle_endpoints_share_by_weight(void **state)
{
    static const char *const methods[] = {"p2c", "least_in_flight"};
    (void)state;
    for (int m = 0; m < 2; m++) {
        struct chooser chooser;
        size_t counts[3] = {0};
        chooser_init(&chooser, WEIGHTED(A, 3) AND B AND WEIGHTED(C, 4), methods[m]);
        for (int i = 0; i < 8000; i++) {
            counts[pick(&chooser, NULL)]++;
        }
        assert_in_range(counts[0], 2800, 3200);
        assert_in_range(counts[1], 850, 1150);
        chooser_end(&chooser);
    }
}

static void without_a_key_a_hash_method_is_two_choices(void **state)
{
    struct chooser chooser;
    (void)state;
    chooser_init(&chooser, A AND B, "hash:client");
    load(&chooser, 0, 9);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(pick(&chooser, NULL), 1);
    }
    chooser_end(&chooser);
}

static void the_one_to_avoid_is_taken_only_if_there_is_no_other(void **state)
{
    static const char *const methods[] = {"round_robin", "least_in_flight", "p2c"};
    (void)state;
    for (int m = 0; m < 3; m++) {
        struct chooser chooser;
        chooser_init(&chooser, A AND B, methods[m]);
        const struct endpoint *avoid = chooser.view->endpoints[0];
        for (int i = 0; i < 20; i++) {
            assert_int_equal(pick(&chooser, avoid), 1);
        }
        fill(&chooser, 1, true);
        for (int i = 0; i < 20; i++) {
            assert_int_equal(pick(&chooser, avoid), 0);
        }
        fill(&chooser, 0, true);
        assert_int_equal(pick(&chooser, avoid), SIZE_MAX);
        assert_int_equal(pick(&chooser, NULL), SIZE_MAX);
        fill(&chooser, 1, false);
        assert_int_equal(pick(&chooser, NULL), 1);
        chooser_end(&chooser);
    }
}

static void a_full_endpoint_with_a_connection_to_spare_is_not_full(void **state)
{
    struct chooser chooser;
    (void)state;
    chooser_init(&chooser, A, "p2c");
    struct endpoint *endpoint = chooser.view->endpoints[0];
    fill(&chooser, 0, true);
    assert_int_equal(pick(&chooser, NULL), SIZE_MAX);
    endpoint->locals[1].idle_count = 2;
    assert_int_equal(pick(&chooser, NULL), 0);
    assert_int_equal(pick(&chooser, endpoint), 0);
    endpoint->locals[1].coming.asked_count = 2; /* they are as good as gone */
    assert_int_equal(pick(&chooser, NULL), SIZE_MAX);
    endpoint->locals[1].idle_count = endpoint->locals[1].coming.asked_count = 0;
    chooser_end(&chooser);
}

/* May all but those whose bit is set be taken? */
static bool not_barred(const struct endpoint *endpoint, void *owner)
{
    const struct chooser *chooser = ((void **)owner)[0];
    const unsigned *barred = ((void **)owner)[1];
    for (size_t i = 0; i < chooser->view->endpoint_count; i++) {
        if (chooser->view->endpoints[i] == endpoint) {
            return (*barred >> i & 1) == 0;
        }
    }
    return false;
}

static void a_refused_endpoint_is_never_taken(void **state)
{
    static const char *const methods[] = {"round_robin", "least_in_flight", "p2c"};
    (void)state;
    for (int m = 0; m < 3; m++) {
        struct chooser chooser;
        unsigned barred = 1;
        void *owner[] = {&chooser, &barred};
        chooser_init(&chooser, A AND B, methods[m]);
        struct pool_worker *worker = chooser.rig.workers[0].pool;
        const struct endpoint *avoid = chooser.view->endpoints[1];
        struct endpoint *endpoint = NULL;
        const struct pick_options options = {
            .avoid = &avoid, .avoid_count = 1, .usable = not_barred, .owner = owner};
        for (int i = 0; i < 20; i++) {
            assert_int_equal(upstream_pick(worker, chooser.view, &options, &endpoint), PICK_OK);
            assert_ptr_equal(endpoint, chooser.view->endpoints[1]);
        }
        fill(&chooser, 1, true);
        assert_int_equal(upstream_pick(worker, chooser.view, &options, &endpoint), PICK_FULL);
        barred = 3;
        fill(&chooser, 1, false);
        assert_int_equal(upstream_pick(worker, chooser.view, &options, &endpoint), PICK_NONE);
        chooser_end(&chooser);
    }
}

/* ---- latency, warmth, health, keys ---- */

static void offer(struct chooser *chooser, size_t i, uint32_t part)
{
    chooser->view->endpoints[i]->verdict.traffic_share = part;
}

static void answers_in(struct chooser *chooser, size_t i, uint64_t us)
{
    struct latency *latency = &chooser->view->endpoints[i]->latency;
    latency->mean_us = (uint32_t)us;
    latency->at_us = loop_clock_us(&chooser->rig.workers[0].pool->env.loop->clock);
}

static void two_choices_prefer_who_answers_sooner(void **state)
{
    struct chooser chooser;
    (void)state;
    chooser_init(&chooser, A AND B, "p2c");
    answers_in(&chooser, 0, 50000);
    answers_in(&chooser, 1, 10000);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(pick(&chooser, NULL), 1);
    }
    load(&chooser, 1, 9); /* ten times 11 ms against 51 ms */
    for (int i = 0; i < 100; i++) {
        assert_int_equal(pick(&chooser, NULL), 0);
    }
    chooser_end(&chooser);
}

static void who_is_not_known_yet_is_judged_by_load_alone(void **state)
{
    struct chooser chooser;
    size_t counts[2] = {0};
    (void)state;
    chooser_init(&chooser, A AND B, "p2c");
    answers_in(&chooser, 0, 50000);
    for (int i = 0; i < 2000; i++) {
        counts[pick(&chooser, NULL)]++;
    }
    assert_in_range(counts[0], 800, 1200);
    load(&chooser, 1, 1);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(pick(&chooser, NULL), 0);
    }
    chooser_end(&chooser);
}

static void latencies_are_followed_under_load(void **state)
{
    struct chooser chooser;
    size_t counts[2] = {0};
    (void)state;
    chooser_init(&chooser, A AND B, "p2c");
    answers_in(&chooser, 0, 30000);
    answers_in(&chooser, 1, 10000);
    for (int i = 0; i < 4000; i++) {
        size_t chosen = pick(&chooser, NULL);
        counts[chosen]++;
        load(&chooser, chosen, chooser.view->endpoints[chosen]->in_flight + 1);
    }
    assert_in_range(counts[1], 2780, 3000); /* 31 to 11, but for near ties */
    chooser_end(&chooser);
}

static void at_a_near_tie_who_still_dials_its_connections_waits(void **state)
{
    struct chooser chooser;
    (void)state;
    chooser_init(&chooser, A AND B, "p2c");
    struct endpoint_upkeep *upkeep_a = &chooser.view->endpoints[0]->upkeep;
    struct endpoint_upkeep *upkeep_b = &chooser.view->endpoints[1]->upkeep;
    answers_in(&chooser, 0, 10000);
    answers_in(&chooser, 1, 10500);
    upkeep_a->warm_count = upkeep_b->warm_count = 2;
    upkeep_b->ready_count = 1;
    for (int i = 0; i < 100; i++) {
        assert_int_equal(pick(&chooser, NULL), 1);
    }
    answers_in(&chooser, 1, 20000); /* not near any more */
    for (int i = 0; i < 100; i++) {
        assert_int_equal(pick(&chooser, NULL), 0);
    }
    upkeep_a->warm_count = upkeep_b->warm_count = upkeep_b->ready_count = 0;
    chooser_end(&chooser);
}

/* One of two keeps its connections, the other closes each after its response. */
static void who_keeps_no_connections_gets_its_share(void **state)
{
    struct chooser chooser;
    size_t counts[2] = {0};
    (void)state;
    chooser_init(&chooser, A AND B, "p2c");
    chooser.view->endpoints[1]->locals[1].idle_count = 1;
    chooser.view->endpoints[1]->upkeep.ready_count = 1;
    for (int i = 0; i < 2000; i++) {
        counts[pick(&chooser, NULL)]++;
    }
    assert_in_range(counts[0], 800, 1200);
    chooser.view->endpoints[1]->locals[1].idle_count = 0;
    chooser.view->endpoints[1]->upkeep.ready_count = 0;
    chooser_end(&chooser);
}

static const char *const all_methods[] = {"p2c", "round_robin", "least_in_flight", "hash:client"};

static void who_is_offered_nothing_gets_nothing_and_the_others_share(void **state)
{
    (void)state;
    for (int m = 0; m < 3; m++) {
        struct chooser chooser;
        size_t counts[MOST] = {0};
        chooser_init(&chooser, A AND B AND C, all_methods[m]);
        offer(&chooser, 1, 0);
        for (int i = 0; i < 3000; i++) {
            counts[pick(&chooser, NULL)]++;
        }
        assert_int_equal(counts[1], 0);
        assert_in_range(counts[0], 1300, 1700);
        const struct endpoint *avoid = chooser.view->endpoints[0];
        assert_int_equal(pick(&chooser, avoid), 2);
        offer(&chooser, 0, 0);
        offer(&chooser, 2, 0);
        assert_int_equal(pick(&chooser, NULL), SIZE_MAX);
        assert_int_equal(pick(&chooser, avoid), SIZE_MAX);
        chooser_end(&chooser);
    }
}

static void a_slow_start_takes_its_part(void **state)
{
    (void)state;
    for (int m = 0; m < 3; m++) {
        struct chooser chooser;
        size_t counts[MOST] = {0};
        chooser_init(&chooser, A AND B AND C AND "127.0.0.1:4", all_methods[m]);
        offer(&chooser, 0, TRAFFIC_SHARE_WHOLE / 4);
        for (int i = 0; i < 8000; i++) {
            counts[pick(&chooser, NULL)]++;
        }
        assert_in_range(counts[0], 350, 750); /* a quarter of 2000, and what pairs make of it */
        assert_in_range(counts[2], 2200, 2800);
        /* whoever is alone gets all */
        for (size_t i = 1; i < 4; i++) {
            offer(&chooser, i, 0);
        }
        for (int i = 0; i < 20; i++) {
            assert_int_equal(pick(&chooser, NULL), 0);
        }
        chooser_end(&chooser);
    }
}

static size_t pick_key(struct chooser *chooser, uint64_t key_hash)
{
    const struct pick_options options = {.key_hash = key_hash, .keyed = true};
    struct endpoint *endpoint = NULL;
    if (upstream_pick(chooser->rig.workers[0].pool, chooser->view, &options, &endpoint) !=
        PICK_OK) {
        return SIZE_MAX;
    }
    for (size_t i = 0; i < chooser->view->endpoint_count; i++) {
        if (chooser->view->endpoints[i] == endpoint) {
            return i;
        }
    }
    return SIZE_MAX;
}

static void a_key_stays_where_it_is_and_only_those_of_the_missing_move(void **state)
{
    struct chooser chooser;
    struct rng rng;
    size_t counts[3] = {0}, second[3] = {0};
    (void)state;
    chooser_init(&chooser, A AND B AND C, "hash:client");
    rng_init(&rng, unit_seed());
    for (int i = 0; i < 9000; i++) {
        uint64_t key = rng_next(&rng);
        size_t home = pick_key(&chooser, key);
        counts[home]++;
        load(&chooser, home, 50); /* whatever the load */
        assert_int_equal(pick_key(&chooser, key), home);
        offer(&chooser, 1, 0);
        size_t other = pick_key(&chooser, key);
        assert_true(home == 1 ? other != 1 : other == home);
        second[other] += home == 1;
        assert_int_equal(pick_key(&chooser, key), other);
        offer(&chooser, 1, TRAFFIC_SHARE_WHOLE);
        fill(&chooser, 1, true); /* full: the same second choice */
        assert_int_equal(pick_key(&chooser, key), other);
        fill(&chooser, 1, false);
    }
    for (size_t i = 0; i < 3; i++) {
        assert_in_range(counts[i], 2700, 3300);
    }
    assert_in_range(second[0], 1200, 1800);
    assert_in_range(second[2], 1200, 1800);
    chooser_end(&chooser);
}

/* The keys that have come back stay: a slow start moves each at most once. */
static void keys_come_back_once_during_a_slow_start(void **state)
{
    struct chooser chooser;
    struct rng rng;
    size_t homes = 0, halfway = 0;
    (void)state;
    chooser_init(&chooser, A AND B AND C, "hash:client");
    rng_init(&rng, unit_seed());
    for (int i = 0; i < 3000; i++) {
        uint64_t key = rng_next(&rng);
        bool home = pick_key(&chooser, key) == 1, before = false;
        homes += home;
        for (uint32_t part = 0; part <= TRAFFIC_SHARE_WHOLE; part += 32) {
            offer(&chooser, 1, part);
            bool there = pick_key(&chooser, key) == 1;
            assert_true(there >= before);
            before = there;
            halfway += part == TRAFFIC_SHARE_WHOLE / 2 && there;
        }
        assert_true(before == home);
    }
    assert_in_range(halfway, homes * 4 / 10, homes * 6 / 10);
    chooser_end(&chooser);
}

/* With the same endpoints another process, or this one after a reload, sends a key to the same one. */
static void keys_stay_through_a_reload_and_another_order(void **state)
{
    struct chooser chooser;
    struct rng rng;
    struct endpoint *homes[500];
    uint64_t keys[500];
    (void)state;
    chooser_init(&chooser, A AND B AND C, "hash:header:X-User");
    rng_init(&rng, unit_seed());
    for (size_t i = 0; i < 500; i++) {
        homes[i] = chooser.view->endpoints[pick_key(&chooser, keys[i] = rng_next(&rng))];
    }
    rig_adopt(&chooser.rig,
              rig_settings("upstreams = { app = { endpoints = [ \"%s\" ]; balance = "
                           "\"hash:header:X-User\"; pool = { warm_min = 0; max = 2; }; }; };",
                           C AND A AND B));
    chooser.view = &chooser.rig.set->views[0];
    for (size_t i = 0; i < 500; i++) {
        assert_ptr_equal(chooser.view->endpoints[pick_key(&chooser, keys[i])], homes[i]);
    }
    chooser_end(&chooser);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_robin_takes_each_in_turn),
        cmocka_unit_test(round_robin_gives_each_its_weight_in_every_round_and_spreads_it),
        cmocka_unit_test(round_robin_follows_small_weights_too),
        cmocka_unit_test(least_in_flight_finds_the_least_loaded_for_its_weight),
        cmocka_unit_test(equally_loaded_endpoints_share),
        cmocka_unit_test(two_choices_never_take_the_most_loaded),
        cmocka_unit_test(two_choices_follow_the_weights_under_load),
        cmocka_unit_test(two_choices_keep_the_weights_whatever_load_says),
        cmocka_unit_test(idle_endpoints_share_by_weight),
        cmocka_unit_test(without_a_key_a_hash_method_is_two_choices),
        cmocka_unit_test(the_one_to_avoid_is_taken_only_if_there_is_no_other),
        cmocka_unit_test(a_refused_endpoint_is_never_taken),
        cmocka_unit_test(two_choices_prefer_who_answers_sooner),
        cmocka_unit_test(who_is_not_known_yet_is_judged_by_load_alone),
        cmocka_unit_test(latencies_are_followed_under_load),
        cmocka_unit_test(at_a_near_tie_who_still_dials_its_connections_waits),
        cmocka_unit_test(who_keeps_no_connections_gets_its_share),
        cmocka_unit_test(who_is_offered_nothing_gets_nothing_and_the_others_share),
        cmocka_unit_test(a_slow_start_takes_its_part),
        cmocka_unit_test(a_key_stays_where_it_is_and_only_those_of_the_missing_move),
        cmocka_unit_test(keys_come_back_once_during_a_slow_start),
        cmocka_unit_test(keys_stay_through_a_reload_and_another_order),
        cmocka_unit_test(a_full_endpoint_with_a_connection_to_spare_is_not_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
