/* A queue is under stress when it stands for an interval, not when it absorbs a burst; then the newest are served and no capacity
   is lost. */
#include "tests/unit/unit.h"

#include "pool/codel.h"
#include "steady/rng.h"

#define TARGET CODEL_TARGET_MS
#define INTERVAL CODEL_INTERVAL_MS

static void a_queue_that_stands_for_an_interval_is_under_stress(void **state)
{
    (void)state;
    struct codel codel;
    codel_init(&codel, TARGET, INTERVAL);
    assert_false(codel_stressed(&codel, 0));
    for (uint64_t now_ms = 1000; now_ms < 1000 + INTERVAL; now_ms++) {
        codel_look(&codel, now_ms, TARGET);
        assert_false(codel_stressed(&codel, now_ms));
    }
    codel_look(&codel, 1000 + INTERVAL, TARGET);
    assert_true(codel_stressed(&codel, 1000 + INTERVAL));
}

static void one_short_wait_within_the_interval_is_enough(void **state)
{
    (void)state;
    struct codel codel;
    codel_init(&codel, TARGET, INTERVAL);
    for (uint64_t now_ms = 1000; now_ms < 20000; now_ms++) {
        codel_look(&codel, now_ms, now_ms % INTERVAL == 0 ? TARGET - 1 : 100 * TARGET);
        assert_false(codel_stressed(&codel, now_ms));
    }
}

static void stress_ends_an_interval_after_the_last_late_one(void **state)
{
    (void)state;
    struct codel codel;
    codel_init(&codel, TARGET, INTERVAL);
    codel_look(&codel, 1000, TARGET);
    codel_look(&codel, 2000, TARGET);
    assert_true(codel_stressed(&codel, 2000));
    codel_look(&codel, 2001, 0);
    assert_true(codel_stressed(&codel, 2000 + INTERVAL - 1));
    assert_false(codel_stressed(&codel, 2000 + INTERVAL));
    /* A late one before that prolongs it at once, without another interval of proof. */
    codel_look(&codel, 2050, TARGET);
    assert_true(codel_stressed(&codel, 2050 + INTERVAL - 1));
    assert_false(codel_stressed(&codel, 2050 + INTERVAL));
    /* One after it does not. */
    codel_look(&codel, 2051, 0);
    codel_look(&codel, 2050 + INTERVAL, TARGET);
    assert_false(codel_stressed(&codel, 2050 + INTERVAL));
}

static void nothing_served_is_stress_too(void **state)
{
    (void)state;
    /* Only newcomers look, the oldest gets older and older. */
    struct codel codel;
    codel_init(&codel, TARGET, INTERVAL);
    for (uint64_t now_ms = 1000; now_ms <= 1000 + TARGET + INTERVAL; now_ms++) {
        codel_look(&codel, now_ms, now_ms - 1000);
    }
    assert_true(codel_stressed(&codel, 1000 + TARGET + INTERVAL));
}

/* Who has waited long has gone, or soon will; who has just come still waits for an answer. */
static void the_newest_is_next_as_long_as_there_is_stress(void **state)
{
    (void)state;
    struct codel codel;
    codel_init(&codel, TARGET, INTERVAL);
    codel_look(&codel, 1000, 100 * TARGET);
    assert_int_equal(codel_next(&codel, 1000), CODEL_OLDEST);
    codel_look(&codel, 1000 + INTERVAL, TARGET);
    assert_int_equal(codel_next(&codel, 1000 + INTERVAL), CODEL_NEWEST);
    assert_int_equal(codel_next(&codel, 1000 + 2 * INTERVAL - 1), CODEL_NEWEST);
    assert_int_equal(codel_next(&codel, 1000 + 2 * INTERVAL), CODEL_OLDEST);
}

static void only_the_late_are_dropped_and_never_the_last(void **state)
{
    (void)state;
    struct codel codel;
    codel_init(&codel, TARGET, INTERVAL);
    assert_false(codel_drops(&codel, 1000, 100000, 50));
    codel_look(&codel, 1000, TARGET);
    codel_look(&codel, 2000, TARGET);
    assert_true(codel_drops(&codel, 2000, TARGET, 2));
    assert_false(codel_drops(&codel, 2000, TARGET - 1, 2));
    assert_false(codel_drops(&codel, 2000, 100000, 1));
    assert_false(codel_drops(&codel, 2000 + INTERVAL, 100000, 50));
}

/* ---- a queue before some servers, in steps of a millisecond ---- */

enum { QUEUE_MAX = 256, WAIT_MAX_MS = 1000, SERVERS = 8, SERVICE_MS = 20 };

struct queue {
    struct codel codel;
    bool discipline;
    uint64_t since_ms[QUEUE_MAX]; /* oldest first */
    size_t count;
    uint64_t served, dropped, refused;
    uint64_t waits[WAIT_MAX_MS + 1]; /* of the served */
};

static void look(struct queue *queue, uint64_t now_ms)
{
    codel_look(&queue->codel, now_ms, queue->count > 0 ? now_ms - queue->since_ms[0] : 0);
}

static void remove_at(struct queue *queue, size_t index)
{
    queue->count--;
    memmove(&queue->since_ms[index], &queue->since_ms[index + 1],
            (queue->count - index) * sizeof queue->since_ms[0]);
}

static void drop_the_late(struct queue *queue, uint64_t now_ms)
{
    look(queue, now_ms);
    while (queue->count > 0) {
        uint64_t wait_ms = now_ms - queue->since_ms[0];
        bool drops = queue->discipline && codel_drops(&queue->codel, now_ms, wait_ms, queue->count);
        if (!drops && wait_ms < WAIT_MAX_MS) {
            break;
        }
        remove_at(queue, 0);
        queue->dropped++;
    }
}

static void arrive(struct queue *queue, uint64_t now_ms)
{
    drop_the_late(queue, now_ms);
    if (queue->count == QUEUE_MAX) {
        queue->refused++;
        return;
    }
    queue->since_ms[queue->count++] = now_ms;
}

static bool serve(struct queue *queue, uint64_t now_ms)
{
    drop_the_late(queue, now_ms);
    if (queue->count == 0) {
        return false;
    }
    enum codel_end end = queue->discipline ? codel_next(&queue->codel, now_ms) : CODEL_OLDEST;
    size_t index = end == CODEL_NEWEST ? queue->count - 1 : 0;
    queue->waits[now_ms - queue->since_ms[index]]++;
    remove_at(queue, index);
    queue->served++;
    return true;
}

/* Arrivals per second at random; each server takes from the queue when it is free. */
static void run(struct queue *queue, struct rng *rng, uint64_t per_second, uint64_t from_ms,
                uint64_t to_ms)
{
    static uint64_t free_ms[SERVERS];
    if (from_ms == 0) {
        memset(free_ms, 0, sizeof free_ms);
    }
    for (uint64_t now_ms = from_ms; now_ms < to_ms; now_ms++) {
        for (int i = 0; i < 20; i++) {
            if (rng_below(rng, 20000) < per_second) {
                arrive(queue, now_ms);
            }
        }
        for (int i = 0; i < SERVERS; i++) {
            if (now_ms >= free_ms[i] && serve(queue, now_ms)) {
                free_ms[i] = now_ms + SERVICE_MS;
            }
        }
    }
}

static uint64_t wait_quantile(const struct queue *queue, double q)
{
    uint64_t rank = (uint64_t)((double)queue->served * q), below = 0, wait_ms = 0;
    while (wait_ms < WAIT_MAX_MS && (below += queue->waits[wait_ms]) <= rank) {
        wait_ms++;
    }
    return wait_ms;
}

/* Capacity is 400 a second. */
static void under_overload_waits_are_short_and_no_capacity_is_lost(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, unit_seed());
    for (uint64_t times = 2; times <= 8; times *= 2) {
        static struct queue with, without;
        with = (struct queue){.discipline = true};
        without = (struct queue){.discipline = false};
        codel_init(&with.codel, TARGET, INTERVAL);
        codel_init(&without.codel, TARGET, INTERVAL);
        run(&with, &rng, 400 * times, 0, 20000);
        run(&without, &rng, 400 * times, 0, 20000);
        printf("# %" PRIu64 "x: served %" PRIu64 " of 8000, median wait %" PRIu64 ", 99%% %" PRIu64
               " ms; first come first served: %" PRIu64 ", %" PRIu64 ", %" PRIu64 "\n",
               times, with.served, wait_quantile(&with, 0.5), wait_quantile(&with, 0.99),
               without.served, wait_quantile(&without, 0.5), wait_quantile(&without, 0.99));
        assert_in_range(with.served, 7900, 8008);
        assert_in_range(wait_quantile(&with, 0.5), 0, TARGET);
        assert_in_range(wait_quantile(&with, 0.99), 0, INTERVAL + TARGET);
        assert_in_range(wait_quantile(&without, 0.5), 400, WAIT_MAX_MS);
    }
}

static void after_overload_it_is_as_if_nothing_had_been(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, unit_seed());
    static struct queue queue;
    queue = (struct queue){.discipline = true};
    codel_init(&queue.codel, TARGET, INTERVAL);
    run(&queue, &rng, 3200, 0, 5000);
    run(&queue, &rng, 200, 5000, 5000 + INTERVAL + 2 * SERVICE_MS);
    uint64_t dropped = queue.dropped + queue.refused;
    run(&queue, &rng, 200, 5000 + INTERVAL + 2 * SERVICE_MS, 20000);
    assert_int_equal(queue.dropped + queue.refused, dropped);
    assert_false(codel_stressed(&queue.codel, 20000));
}

static void a_burst_is_absorbed(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, unit_seed());
    static struct queue queue;
    queue = (struct queue){.discipline = true};
    codel_init(&queue.codel, TARGET, INTERVAL);
    /* Thirty more than the servers can take at once: gone in 80 ms. */
    for (uint64_t second = 0; second < 20; second++) {
        uint64_t now_ms = second * 1000;
        for (int i = 0; i < SERVERS + 30; i++) {
            arrive(&queue, now_ms);
        }
        run(&queue, &rng, 0, now_ms, now_ms + 1000);
    }
    assert_int_equal(queue.served, 20 * (SERVERS + 30));
    assert_int_equal(queue.dropped + queue.refused, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_queue_that_stands_for_an_interval_is_under_stress),
        cmocka_unit_test(one_short_wait_within_the_interval_is_enough),
        cmocka_unit_test(stress_ends_an_interval_after_the_last_late_one),
        cmocka_unit_test(nothing_served_is_stress_too),
        cmocka_unit_test(the_newest_is_next_as_long_as_there_is_stress),
        cmocka_unit_test(only_the_late_are_dropped_and_never_the_last),
        cmocka_unit_test(under_overload_waits_are_short_and_no_capacity_is_lost),
        cmocka_unit_test(after_overload_it_is_as_if_nothing_had_been),
        cmocka_unit_test(a_burst_is_absorbed),
    };
    return cmocka_run_group_tests_name("codel", tests, NULL, NULL);
}
