/* Endpoints are chosen by their method and weight; full ones and the one to avoid are passed over. */
#include "tests/unit/pool_rig.h"

enum { MOST = 4 };

struct chooser {
    struct rig rig;
    const struct upstream_view *view;
};

static void chooser_init(struct chooser *chooser, const char *endpoints, const char *method)
{
    rig_init(&chooser->rig, 2, 100);
    rng_init(&chooser->rig.workers[0].rng, unit_seed());
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
    const struct endpoint_wish wish = {.avoid = &avoid, .avoid_count = avoid != NULL};
    struct endpoint *endpoint = NULL;
    enum pick_result result =
        upstream_pick(chooser->rig.workers[0].pool, chooser->view, &wish, &endpoint);
    assert_true((result == PICK_OK) == (endpoint != NULL));
    for (size_t i = 0; i < chooser->view->endpoint_count; i++)
        if (chooser->view->endpoints[i] == endpoint)
            return i;
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
    for (size_t i = 1; i < 30; i++)
        assert_int_equal(pick(&chooser, NULL), (first + i) % 3);
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
    for (int i = 0; i < 30; i++)
        counts[pick(&chooser, NULL)]++;
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
    for (int i = 0; i < 20; i++)
        assert_int_equal(pick(&chooser, NULL), 1);
    load(&chooser, 1, 20);
    for (int i = 0; i < 20; i++)
        assert_int_equal(pick(&chooser, NULL), 0);
    chooser_end(&chooser);
}

static void equals_share(struct chooser *chooser)
{
    size_t counts[MOST] = {0};
    for (int i = 0; i < 3000; i++)
        counts[pick(chooser, NULL)]++;
    for (int i = 0; i < 3; i++)
        assert_in_range(counts[i], 800, 1200);
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
    for (int i = 0; i < 3000; i++)
        counts[pick(&chooser, NULL)]++;
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

static void idle_endpoints_share_by_weight(void **state)
{
    static const char *const methods[] = {"p2c", "least_in_flight"};
    (void)state;
    for (int m = 0; m < 2; m++) {
        struct chooser chooser;
        size_t counts[3] = {0};
        chooser_init(&chooser, WEIGHTED(A, 3) AND B AND WEIGHTED(C, 4), methods[m]);
        for (int i = 0; i < 8000; i++)
            counts[pick(&chooser, NULL)]++;
        assert_in_range(counts[0], 2800, 3200);
        assert_in_range(counts[1], 850, 1150);
        chooser_end(&chooser);
    }
}

static void a_hash_method_falls_back_to_two_choices(void **state)
{
    struct chooser chooser;
    (void)state;
    chooser_init(&chooser, A AND B, "hash:client");
    load(&chooser, 0, 9);
    for (int i = 0; i < 20; i++)
        assert_int_equal(pick(&chooser, NULL), 1);
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
        for (int i = 0; i < 20; i++)
            assert_int_equal(pick(&chooser, avoid), 1);
        fill(&chooser, 1, true);
        for (int i = 0; i < 20; i++)
            assert_int_equal(pick(&chooser, avoid), 0);
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
    endpoint->slots[1].idle_count = 2;
    assert_int_equal(pick(&chooser, NULL), 0);
    assert_int_equal(pick(&chooser, endpoint), 0);
    endpoint->slots[1].asked_count = 2; /* they are as good as gone */
    assert_int_equal(pick(&chooser, NULL), SIZE_MAX);
    endpoint->slots[1].idle_count = endpoint->slots[1].asked_count = 0;
    chooser_end(&chooser);
}

/* May all but those whose bit is set be taken? */
static bool not_barred(const struct endpoint *endpoint, void *owner)
{
    const struct chooser *chooser = ((void **)owner)[0];
    const unsigned *barred = ((void **)owner)[1];
    for (size_t i = 0; i < chooser->view->endpoint_count; i++)
        if (chooser->view->endpoints[i] == endpoint)
            return (*barred >> i & 1) == 0;
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
        const struct endpoint_wish wish = {
            .avoid = &avoid, .avoid_count = 1, .usable = not_barred, .owner = owner};
        for (int i = 0; i < 20; i++) {
            assert_int_equal(upstream_pick(worker, chooser.view, &wish, &endpoint), PICK_OK);
            assert_ptr_equal(endpoint, chooser.view->endpoints[1]);
        }
        fill(&chooser, 1, true);
        assert_int_equal(upstream_pick(worker, chooser.view, &wish, &endpoint), PICK_FULL);
        barred = 3;
        fill(&chooser, 1, false);
        assert_int_equal(upstream_pick(worker, chooser.view, &wish, &endpoint), PICK_NONE);
        chooser_end(&chooser);
    }
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
        cmocka_unit_test(idle_endpoints_share_by_weight),
        cmocka_unit_test(a_hash_method_falls_back_to_two_choices),
        cmocka_unit_test(the_one_to_avoid_is_taken_only_if_there_is_no_other),
        cmocka_unit_test(a_refused_endpoint_is_never_taken),
        cmocka_unit_test(a_full_endpoint_with_a_connection_to_spare_is_not_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
