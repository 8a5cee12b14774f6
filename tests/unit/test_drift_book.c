/* The drift book: what is kept is bounded, is found by its key, and follows the load of its own upstream. */
#include "proxy/admin/drift_book.h"
#include "proxy/policy/service_time.h"
#include "steady/rng.h"
#include "unit.h"

static struct drift_key part(uint64_t number)
{
    return (struct drift_key){DRIFT_OF_PART, number};
}

/* Adds and removes at random, and compares with a plain set. */
static void a_book_holds_what_was_added_and_no_more_than_it_may(void **state)
{
    struct drift_book *book = drift_book_create(1000);
    struct rng rng;
    bool held[600] = {false};
    size_t held_count = 0, most_count = 0;
    (void)state;
    assert_non_null(book);
    rng_init(&rng, unit_seed());
    for (int i = 0; i < 20000; i++) {
        uint64_t number = rng_below(&rng, 600);
        struct drift_item *item = drift_book_find(book, part(number));
        assert_int_equal(item != NULL, held[number]);
        if (item != NULL && rng_below(&rng, 2) == 0) {
            drift_book_remove(book, item);
            held[number] = false;
            held_count--;
        } else if (item == NULL) {
            held[number] = drift_book_add(book, part(number), "upstream_queued", "app") != NULL;
            held_count += held[number];
        }
        most_count = held_count > most_count ? held_count : most_count;
        assert_int_equal(drift_book_count(book), held_count);
    }
    assert_true(most_count > 100 && most_count < DRIFT_ITEMS);
    for (size_t i = 1; i < drift_book_count(book); i++) {
        assert_true(drift_book_at(book, i - 1)->key.number < drift_book_at(book, i)->key.number);
    }
    drift_book_free(&book);
    assert_null(book);
}

static void the_lightest_gives_its_place_unless_it_drifts(void **state)
{
    struct drift_book *book = drift_book_create(1000);
    (void)state;
    assert_null(drift_book_lightest(book, DRIFT_OF_PART));
    for (uint64_t i = 1; i <= 3; i++) {
        drift_book_add(book, part(i), "upstream_queued", "app")->weight = (double)i;
    }
    assert_int_equal(drift_book_lightest(book, DRIFT_OF_PART)->key.number, 1);
    drift_book_find(book, part(1))->drift.state = DRIFT_DRIFTING;
    assert_int_equal(drift_book_lightest(book, DRIFT_OF_PART)->key.number, 2);
    drift_book_free(&book);
}

/* Compares with a search for each who asks, over rounds in which weights change. */
static void who_asks_gets_the_place_of_the_lightest_if_it_is_worth_it(void **state)
{
    struct drift_book *book = drift_book_create(1000);
    struct rng rng;
    (void)state;
    rng_init(&rng, unit_seed());
    for (uint64_t i = 1; i <= 20; i++) {
        drift_book_add(book, part(i), "upstream_queued", "app");
    }
    for (uint64_t round = 1; round < 200; round++) {
        drift_book_begin_round(book);
        for (size_t i = 0; i < drift_book_count(book); i++) {
            drift_book_at(book, i)->weight = (double)rng_below(&rng, 1000);
            drift_book_at(book, i)->drift.state =
                rng_below(&rng, 9) == 0 ? DRIFT_DRIFTING : DRIFT_STEADY;
        }
        for (uint64_t asks = 0; asks < 50; asks++) {
            double weight = (double)rng_below(&rng, 2000);
            const struct drift_item *lightest = drift_book_lightest(book, DRIFT_OF_PART);
            struct drift_item *yielding = drift_book_yielding(book, DRIFT_OF_PART, weight);
            bool worth_it = lightest != NULL && weight > 2 * lightest->weight;
            assert_ptr_equal(yielding, worth_it ? lightest : NULL);
            if (yielding != NULL) {
                drift_book_remove(book, yielding);
                drift_book_add(book, part(round * 1000 + asks), "upstream_queued", "app")->weight =
                    weight;
            }
        }
    }
    drift_book_free(&book);
}

static void a_figure_that_drifts_keeps_those_of_its_upstream(void **state)
{
    struct drift_book *book = drift_book_create(1000);
    (void)state;
    for (uint64_t i = 0; i < 2 * UPSTREAM_FIGURE_COUNT; i++) {
        const struct drift_key key = {DRIFT_OF_UPSTREAM, 3 * UPSTREAM_FIGURE_COUNT + i};
        drift_book_add(book, key, "upstream_median_seconds", "app")->weight = (double)i;
    }
    const struct drift_key median = {DRIFT_OF_UPSTREAM,
                                     3 * UPSTREAM_FIGURE_COUNT + FIGURE_UPSTREAM_MEDIAN};
    drift_book_find(book, median)->drift.state = DRIFT_DRIFTING;
    assert_int_equal(drift_book_lightest(book, DRIFT_OF_UPSTREAM)->key.number,
                     4 * UPSTREAM_FIGURE_COUNT);
    drift_book_free(&book);
}

static void a_part_follows_the_load_of_its_upstream(void **state)
{
    struct drift_book *book = drift_book_create(1000);
    const struct drift_key app = {DRIFT_OF_UPSTREAM,
                                  7 * UPSTREAM_FIGURE_COUNT + FIGURE_UPSTREAM_ANSWERS};
    const struct drift_key all = {DRIFT_OF_PROCESS, FIGURE_REQUESTS};
    (void)state;
    struct drift_item *load = drift_book_add(book, app, "upstream_answers_per_second", "app");
    struct drift_item *whole = drift_book_add(book, all, "requests_per_second", NULL);
    struct drift_item *queued = drift_book_add(book, part(1), "upstream_queued", "app");
    struct drift_item *line =
        drift_book_add(book, part(2), "endpoint_connections", "app/10.0.0.7:80");
    struct drift_item *other = drift_book_add(book, part(3), "upstream_queued", "apple");
    struct drift_item *sessions =
        drift_book_add(book, (struct drift_key){DRIFT_OF_BOUND, 4}, "generations", NULL);
    assert_ptr_equal(drift_book_terms(book, queued).follow.load, &load->history);
    assert_ptr_equal(drift_book_terms(book, line).follow.load, &load->history);
    assert_ptr_equal(drift_book_terms(book, other).follow.load, &whole->history);
    assert_null(drift_book_terms(book, sessions).follow.load);
    assert_true(drift_book_terms(book, queued).follow.power >
                drift_book_terms(book, line).follow.power);
    drift_book_free(&book);
}

static void what_fills_by_design_never_drifts(void **state)
{
    struct drift_book *book = drift_book_create(1000);
    (void)state;
    struct drift_item *item =
        drift_book_add(book, (struct drift_key){DRIFT_OF_BOUND, 1}, "tls_sessions", NULL);
    for (uint64_t tick = 1; tick < 200; tick++) {
        assert_int_equal(drift_book_sample(book, item, tick, (double)tick, 300), DRIFT_NO_EVENT);
    }
    assert_true(drift_book_estimate(book, item).slope > 0.9);
    drift_book_free(&book);
}

static void the_median_and_the_tail_follow_what_answers_take(void **state)
{
    struct service_time service = {0};
    struct rng rng;
    (void)state;
    rng_init(&rng, unit_seed());
    for (int round = 1; round <= 3; round++) {
        uint64_t base_us = 20000u * (uint64_t)round;
        for (int i = 0; i < 20000; i++) {
            bool slow = rng_below(&rng, 50) == 0; /* the slowest fiftieth takes ten times as long */
            service_time_note(&service, rng_jitter(&rng, slow ? 10 * base_us : base_us, 0.2));
        }
        assert_in_range(service.median_us, base_us * 85 / 100, base_us * 115 / 100);
        assert_in_range(service.most_us, base_us * 6, base_us * 14);
    }
    assert_int_equal(service.answers_count, 60000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_book_holds_what_was_added_and_no_more_than_it_may),
        cmocka_unit_test(the_lightest_gives_its_place_unless_it_drifts),
        cmocka_unit_test(who_asks_gets_the_place_of_the_lightest_if_it_is_worth_it),
        cmocka_unit_test(a_figure_that_drifts_keeps_those_of_its_upstream),
        cmocka_unit_test(a_part_follows_the_load_of_its_upstream),
        cmocka_unit_test(what_fills_by_design_never_drifts),
        cmocka_unit_test(the_median_and_the_tail_follow_what_answers_take),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
