/* Descriptors: each use leaves a share to those before it, exactly, however many threads take at once. */
#include "tests/unit/unit.h"

#include <pthread.h>

#include "steady/fds.h"
#include "steady/rng.h"

#define USES (FD_FOR_STOCK + 1)

static void each_use_leaves_something_to_those_before_it(void **state)
{
    (void)state;
    for (uint64_t limit = 4; limit < 2000; limit++) {
        struct bound fds;
        bound_init(&fds, "fds", NULL, limit);
        assert_int_equal(fds_level(&fds, FD_FOR_EXCHANGE), limit);
        for (enum fd_use use = FD_FOR_CONTROL; use < USES; use++) {
            uint64_t before = fds_level(&fds, use - 1), level = fds_level(&fds, use);
            assert_true(level > 0);
            assert_true(limit > 8 || use == FD_FOR_CONTROL ? level < before : level <= before);
        }
    }
}

static void a_use_takes_up_to_its_level_and_not_one_more(void **state)
{
    (void)state;
    for (enum fd_use use = FD_FOR_EXCHANGE; use < USES; use++) {
        struct bound fds;
        bound_init(&fds, "fds", NULL, 100);
        uint64_t level = fds_level(&fds, use);
        assert_true(fds_take(&fds, use, level - 1));
        assert_true(fds_left(&fds, use));
        assert_false(fds_take(&fds, use, 2)); /* a pipe is two */
        assert_true(fds_take(&fds, use, 1));
        assert_false(fds_left(&fds, use));
        assert_false(fds_take(&fds, use, 1));
        assert_int_equal(bound_used(&fds), level);
        bound_give(&fds, level);
    }
}

static void who_comes_again_is_counted_as_refused(void **state)
{
    struct bound fds;
    (void)state;
    bound_init(&fds, "fds", NULL, 100);
    assert_true(fds_take(&fds, FD_FOR_EXCHANGE, 100));
    for (enum fd_use use = FD_FOR_CONTROL; use < USES; use++) {
        assert_false(fds_take(&fds, use, 1));
    }
    assert_false(fds_take(&fds, FD_FOR_EXCHANGE, 1));
    assert_int_equal(bound_refused(&fds), 0);
}

/* Workers whose clients and pipes come and go, and control's probes and listeners. */
struct crowd {
    struct bound fds;
    uint64_t seed; /* atomic: of the next thread */
    pthread_barrier_t start;
};

#define CROWD_THREADS 6
#define CROWD_TURNS 1000000

static void *come_and_go(void *arg)
{
    struct crowd *crowd = arg;
    uint64_t held_count = 0;
    struct rng rng;
    rng_init(&rng, __atomic_fetch_add(&crowd->seed, 1, __ATOMIC_RELAXED));
    pthread_barrier_wait(&crowd->start);
    for (int i = 0; i < CROWD_TURNS; i++) {
        uint64_t n = 1 + rng_below(&rng, 2);
        enum fd_use use = FD_FOR_CONTROL + (enum fd_use)rng_below(&rng, USES - 1);
        if (rng_below(&rng, 5) < 3) {
            held_count += fds_take(&crowd->fds, use, n) ? n : 0;
        } else if (held_count >= n) {
            bound_give(&crowd->fds, n);
            held_count -= n;
        }
    }
    bound_give(&crowd->fds, held_count);
    return NULL;
}

/* The order of events: each thread finds that one more would still leave enough, and then all of them take one. */
static void several_workers_at_once_take_what_is_kept_for_exchanges(void **state)
{
    struct crowd crowd = {.seed = unit_seed()};
    pthread_t threads[CROWD_THREADS];
    (void)state;
    bound_init(&crowd.fds, "fds", NULL, 24);
    assert_int_equal(pthread_barrier_init(&crowd.start, NULL, CROWD_THREADS), 0);
    for (int i = 0; i < CROWD_THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, &crowd), 0);
    }
    for (int i = 0; i < CROWD_THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    pthread_barrier_destroy(&crowd.start);
    assert_int_equal(bound_peak(&crowd.fds), fds_level(&crowd.fds, FD_FOR_CONTROL));
    assert_int_equal(bound_used(&crowd.fds), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_use_leaves_something_to_those_before_it),
        cmocka_unit_test(a_use_takes_up_to_its_level_and_not_one_more),
        cmocka_unit_test(who_comes_again_is_counted_as_refused),
        cmocka_unit_test(several_workers_at_once_take_what_is_kept_for_exchanges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
