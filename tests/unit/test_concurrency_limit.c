/* The limit finds what an upstream can take, follows it when it changes, and costs nothing while there is enough. */
#include "tests/unit/unit.h"

#include <math.h>
#include <pthread.h>

#include "breaker/concurrency_limit.h"
#include "steady/check.h"
#include "steady/rng.h"

#define THREADS 8

/* An upstream of some servers with a queue of any length before them; time is simulated in microseconds. */
enum { SERVERS_MAX = 200, IN_FLIGHT_MAX = 2048, MOST = 1024, LEAST = 4 };

struct answer {
    uint64_t sent_us, due_us;
};

struct world {
    struct concurrency_limit limit;
    struct rng rng;
    uint64_t now_us;
    unsigned servers;
    double service_us; /* mean; uniform between half and one and a half of it */
    uint64_t free_us[SERVERS_MAX];
    struct answer in_flight[IN_FLIGHT_MAX]; /* a heap, the next one due first */
    uint64_t in_flight_count;
    uint64_t answered, refused; /* since the last reckoning */
    double latency_us;          /* the sum of theirs */
};

static void world_init(struct world *world, uint64_t seed, unsigned servers, double service_us)
{
    *world = (struct world){.now_us = 1000000, .servers = servers, .service_us = service_us};
    rng_init(&world->rng, seed);
    concurrency_limit_init(&world->limit, LEAST, MOST);
}

static double uniform(struct rng *rng)
{
    return (double)(rng_next(rng) >> 11) * 0x1p-53;
}

static void swap(struct answer *a, struct answer *b)
{
    struct answer c = *a;
    *a = *b;
    *b = c;
}

static void push(struct world *world, struct answer answer)
{
    struct answer *heap = world->in_flight;
    assert_true(world->in_flight_count < IN_FLIGHT_MAX);
    uint64_t i = world->in_flight_count++;
    heap[i] = answer;
    for (; i > 0 && heap[i].due_us < heap[(i - 1) / 2].due_us; i = (i - 1) / 2) {
        swap(&heap[i], &heap[(i - 1) / 2]);
    }
}

static struct answer pop(struct world *world)
{
    struct answer *heap = world->in_flight, first = heap[0];
    heap[0] = heap[--world->in_flight_count];
    for (uint64_t i = 0;;) {
        uint64_t child = 2 * i + 1;
        if (child + 1 < world->in_flight_count && heap[child + 1].due_us < heap[child].due_us) {
            child++;
        }
        if (child >= world->in_flight_count || heap[i].due_us <= heap[child].due_us) {
            return first;
        }
        swap(&heap[i], &heap[child]);
        i = child;
    }
}

static void answers_until(struct world *world, uint64_t until_us)
{
    while (world->in_flight_count > 0 && world->in_flight[0].due_us <= until_us) {
        uint64_t beside = world->in_flight_count;
        struct answer answer = pop(world);
        uint64_t latency_us = answer.due_us - answer.sent_us;
        world->answered++;
        world->latency_us += (double)latency_us;
        concurrency_limit_note(&world->limit, answer.due_us / 1000, latency_us, beside);
    }
}

static void send(struct world *world)
{
    uint64_t limit = concurrency_limit_get(&world->limit);
    assert_in_range(limit, LEAST, MOST);
    if (world->in_flight_count >= limit) {
        world->refused++;
        return;
    }
    uint64_t *server = &world->free_us[0];
    for (unsigned i = 1; i < world->servers; i++) {
        if (world->free_us[i] < *server) {
            server = &world->free_us[i];
        }
    }
    uint64_t start_us = *server > world->now_us ? *server : world->now_us;
    *server = start_us + 1 + (uint64_t)(world->service_us * (0.5 + uniform(&world->rng)));
    push(world, (struct answer){.sent_us = world->now_us, .due_us = *server});
}

/* Runs for so many seconds with requests at random times, then begins a new reckoning. */
static void run(struct world *world, double per_second, double seconds)
{
    world->answered = world->refused = 0;
    world->latency_us = 0;
    uint64_t end_us = world->now_us + (uint64_t)(seconds * 1e6);
    while (world->now_us < end_us) {
        world->now_us += (uint64_t)(-log(1 - uniform(&world->rng)) * 1e6 / per_second);
        answers_until(world, world->now_us);
        send(world);
    }
}

static void say(const struct world *world, const char *what, double seconds)
{
    printf("# %s: %.0f answered/s after %.1f ms, %.2f%% refused, limit %" PRIu64 "\n", what,
           (double)world->answered / seconds, world->latency_us / (double)world->answered / 1000,
           100.0 * (double)world->refused / (double)(world->refused + world->answered),
           concurrency_limit_get(&world->limit));
}

static void overload_is_held_near_the_knee(void **state)
{
    (void)state;
    static const struct {
        unsigned servers;
        double service_us;
    } upstreams[] = {{8, 10000}, {50, 5000}, {200, 50000}};
    uint64_t seed = unit_seed();
    for (size_t i = 0; i < sizeof upstreams / sizeof upstreams[0]; i++) {
        for (int doubled = 0; doubled < 3; doubled++) {
            double times = 1.5 * (1 << doubled);
            static struct world world;
            world_init(&world, seed, upstreams[i].servers, upstreams[i].service_us);
            double capacity = upstreams[i].servers * 1e6 / upstreams[i].service_us;
            /* A limit of 1024 before eight servers: it takes a while until that queue is gone. */
            run(&world, capacity * times, 60);
            run(&world, capacity * times, 30);
            say(&world, "overload", 30);
            assert_true((double)world.answered > 0.9 * capacity * 30);
            assert_true(world.latency_us / (double)world.answered < 2.5 * upstreams[i].service_us);
        }
    }
}

static void what_fits_is_not_refused(void **state)
{
    (void)state;
    static struct world world;
    uint64_t seed = unit_seed();
    for (int step = 0; step < 4; step++) {
        double share = 0.1 + 0.2 * step;
        world_init(&world, seed, 50, 10000);
        run(&world, 5000 * share, 60);
        say(&world, "light load", 60);
        assert_true((double)world.refused < 0.01 * (double)world.answered);
    }
}

static void an_upstream_that_slows_down_is_followed(void **state)
{
    (void)state;
    static struct world world;
    world_init(&world, unit_seed(), 50, 10000);
    run(&world, 2500, 30);
    world.service_us = 18000; /* 2778 a second: the same requests still fit */
    run(&world, 2500, 20);
    run(&world, 2500, 30);
    say(&world, "slower, all fits", 30);
    assert_true((double)world.answered > 0.93 * 2500 * 30);
    world.service_us = 40000; /* 1250 a second */
    run(&world, 2500, 20);
    run(&world, 2500, 30);
    say(&world, "slower, half fits", 30);
    assert_true((double)world.answered > 0.9 * 1250 * 30);
    assert_true(world.latency_us / (double)world.answered < 100000);
    world.service_us = 10000;
    run(&world, 2500, 10);
    run(&world, 2500, 30);
    say(&world, "fast again", 30);
    assert_true((double)world.refused < 0.01 * (double)world.answered);
}

static void overload_without_end_does_not_raise_the_floor(void **state)
{
    (void)state;
    static struct world world;
    world_init(&world, unit_seed(), 20, 10000);
    for (int minutes = 0; minutes < 20; minutes++) {
        run(&world, 6000, 60);
    }
    say(&world, "after 20 minutes", 60);
    assert_true(world.latency_us / (double)world.answered < 25000);
    assert_true((double)world.answered > 0.9 * 2000 * 60);
}

static void the_range_holds_at_once(void **state)
{
    (void)state;
    struct concurrency_limit limit;
    concurrency_limit_init(&limit, 3, 100);
    assert_int_equal(concurrency_limit_get(&limit), 100);
    concurrency_limit_set_range(&limit, 3, 50);
    assert_int_equal(concurrency_limit_get(&limit), 50);
    concurrency_limit_set_range(&limit, 70, 200);
    assert_int_equal(concurrency_limit_get(&limit), 70);
    /* Latencies that only rise cannot push it below the least. */
    concurrency_limit_set_range(&limit, 5, 200);
    for (uint64_t i = 1; i < 100000; i++) {
        concurrency_limit_note(&limit, i * 10, i * 100, 60);
        assert_in_range(concurrency_limit_get(&limit), 5, 200);
    }
}

static void odd_samples_do_no_harm(void **state)
{
    (void)state;
    struct concurrency_limit limit;
    concurrency_limit_init(&limit, 1, UINT64_C(1) << 40);
    struct rng rng;
    rng_init(&rng, unit_seed());
    for (uint64_t i = 0; i < 300000; i++) {
        uint64_t latency_us = rng_below(&rng, 4) == 0 ? rng_next(&rng) : 0;
        concurrency_limit_note(&limit, i / 3, latency_us, rng_next(&rng) >> rng_below(&rng, 64));
        assert_in_range(concurrency_limit_get(&limit), 1, UINT64_C(1) << 40);
    }
    /* More in one window than a sample can count. */
    concurrency_limit_init(&limit, 1, 1000);
    for (uint64_t i = 0; i < 3000000; i++) {
        concurrency_limit_note(&limit, i < 16 ? 1 : 50, UINT64_MAX, 1000);
    }
    assert_in_range(concurrency_limit_get(&limit), 1, 1000);
}

struct noter {
    struct concurrency_limit *limit;
    uint64_t *now_ms;
    uint64_t changes;
};

static void *note_many(void *argument)
{
    struct noter *noter = argument;
    for (uint64_t i = 0; i < 200000; i++) {
        uint64_t now_ms = __atomic_load_n(noter->now_ms, __ATOMIC_RELAXED);
        uint64_t limit = concurrency_limit_get(noter->limit);
        CHECK(limit >= LEAST && limit <= MOST);
        /* As of an upstream that takes 100 at a time. */
        uint64_t latency_us = limit <= 100 ? 10000 : limit * 100;
        noter->changes += concurrency_limit_note(noter->limit, now_ms, latency_us, limit);
        if (i % 16 == 0) {
            __atomic_fetch_add(noter->now_ms, 1, __ATOMIC_RELAXED);
        }
    }
    return NULL;
}

static void eight_threads_find_the_knee_together(void **state)
{
    (void)state;
    struct concurrency_limit limit;
    uint64_t now_ms = 1000;
    struct noter noters[THREADS];
    pthread_t threads[THREADS];
    concurrency_limit_init(&limit, LEAST, MOST);
    for (int i = 0; i < THREADS; i++) {
        noters[i] = (struct noter){&limit, &now_ms, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, note_many, &noters[i]), 0);
    }
    uint64_t changes = 0;
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        changes += noters[i].changes;
    }
    assert_true(changes > 20);
    /* In a dip it is half of what it is otherwise. */
    assert_in_range(concurrency_limit_get(&limit), 50, 250);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(overload_is_held_near_the_knee),
        cmocka_unit_test(what_fits_is_not_refused),
        cmocka_unit_test(an_upstream_that_slows_down_is_followed),
        cmocka_unit_test(overload_without_end_does_not_raise_the_floor),
        cmocka_unit_test(the_range_holds_at_once),
        cmocka_unit_test(odd_samples_do_no_harm),
        cmocka_unit_test(eight_threads_find_the_knee_together),
    };
    return cmocka_run_group_tests_name("concurrency_limit", tests, NULL, NULL);
}
