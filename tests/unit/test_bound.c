/* Bounds hold exactly, from any number of threads; shares never lend more than the bound. */
#include "tests/unit/unit.h"

#include <pthread.h>

#include "steady/bound.h"
#include "steady/rng.h"

#define THREADS 4

static void a_take_is_all_or_nothing(void **state)
{
    (void)state;
    struct bound bound;
    bound_init(&bound, "things", "app", 10);
    assert_string_equal(bound.name, "things");
    assert_string_equal(bound.detail, "app");
    assert_true(bound_take(&bound, 7));
    assert_false(bound_take(&bound, 4));
    assert_int_equal(bound_used(&bound), 7);
    assert_true(bound_take(&bound, 3));
    assert_false(bound_take(&bound, 1));
    assert_int_equal(bound_used(&bound), 10);
    assert_int_equal(bound_refused(&bound), 2);
    bound_give(&bound, 10);
    assert_int_equal(bound_used(&bound), 0);
}

static void the_peak_stays_after_the_use_went(void **state)
{
    (void)state;
    struct bound bound;
    bound_init(&bound, "things", NULL, 10);
    assert_true(bound_take(&bound, 6));
    bound_give(&bound, 5);
    assert_true(bound_take(&bound, 2));
    assert_int_equal(bound_peak(&bound), 6);
    bound_set_used(&bound, 9);
    assert_int_equal(bound_used(&bound), 9);
    assert_int_equal(bound_peak(&bound), 9);
    bound_set_used(&bound, 1);
    assert_int_equal(bound_peak(&bound), 9);
}

static void taking_nothing_always_fits(void **state)
{
    (void)state;
    struct bound bound;
    bound_init(&bound, "things", NULL, 0);
    assert_true(bound_take(&bound, 0));
    assert_false(bound_take(&bound, 1));
    bound_set_used(&bound, 5);
    assert_true(bound_take(&bound, 0));
    assert_int_equal(bound_refused(&bound), 1);
}

static void huge_amounts_do_not_wrap(void **state)
{
    (void)state;
    struct bound bound;
    bound_init(&bound, "things", NULL, UINT64_MAX);
    assert_true(bound_take(&bound, UINT64_MAX - 1));
    assert_false(bound_take(&bound, UINT64_MAX));
    assert_false(bound_take(&bound, 2));
    assert_true(bound_take(&bound, 1));
    bound_set_limit(&bound, 1000);
    assert_false(bound_take(&bound, 1));
    bound_give(&bound, UINT64_MAX);
    struct bound_share share;
    bound_share_init(&share, &bound, 1);
    assert_false(bound_share_take(&share, UINT64_MAX));
    bound_set_limit(&bound, UINT64_MAX);
    assert_true(bound_share_take(&share, UINT64_MAX));
    assert_true(bound_used(&bound) == UINT64_MAX);
    bound_share_give(&share, UINT64_MAX);
    assert_int_equal(bound_used(&bound), 0);
}

static void some_takes_what_fits_between_least_and_most(void **state)
{
    (void)state;
    struct bound bound;
    bound_init(&bound, "things", NULL, 10);
    assert_int_equal(bound_take_some(&bound, 2, 6), 6);
    assert_int_equal(bound_take_some(&bound, 2, 6), 4);
    assert_int_equal(bound_take_some(&bound, 1, 6), 0);
    bound_give(&bound, 1);
    assert_int_equal(bound_take_some(&bound, 2, 6), 0);
    assert_int_equal(bound_refused(&bound), 2);
    assert_int_equal(bound_take_some(&bound, 1, 1), 1);
}

static void a_limit_below_the_use_lends_nothing_until_enough_came_back(void **state)
{
    (void)state;
    struct bound bound;
    bound_init(&bound, "things", NULL, 10);
    assert_true(bound_take(&bound, 8));
    bound_set_limit(&bound, 5);
    assert_int_equal(bound_limit(&bound), 5);
    assert_false(bound_take(&bound, 1));
    bound_give(&bound, 3);
    assert_false(bound_take(&bound, 1));
    bound_give(&bound, 1);
    assert_true(bound_take(&bound, 1));
}

static void give_one_too_many(void *argument)
{
    bound_give(argument, 2);
}

static void share_give_one_too_many(void *argument)
{
    bound_share_give(argument, 2);
}

static void register_again(void *argument)
{
    struct bound_registry registry;
    bound_registry_init(&registry);
    bound_register(&registry, argument);
    bound_register(&registry, argument);
}

static void remove_unregistered(void *argument)
{
    struct bound_registry registry;
    bound_registry_init(&registry);
    bound_remove(&registry, argument);
}

static void misuse_is_fatal(void **state)
{
    (void)state;
    struct bound bound;
    struct bound_share share;
    bound_init(&bound, "things", NULL, 10);
    bound_share_init(&share, &bound, 1);
    assert_true(bound_share_take(&share, 1));
    assert_aborts(give_one_too_many, &bound, "steady/bound.c:");
    assert_aborts(share_give_one_too_many, &share, "steady/bound.h:");
    assert_aborts(register_again, &bound, "steady/bound.c:");
    assert_aborts(remove_unregistered, &bound, "steady/bound.c:");
}

static void the_registry_lists_what_is_registered_in_order(void **state)
{
    (void)state;
    struct bound_registry registry;
    struct bound bounds[3];
    bound_registry_init(&registry);
    for (int i = 0; i < 3; i++) {
        bound_init(&bounds[i], "things", NULL, 1);
        bound_register(&registry, &bounds[i]);
    }
    assert_int_equal(registry.count, 3);
    bound_remove(&registry, &bounds[1]);
    assert_int_equal(registry.count, 2);
    assert_ptr_equal(TAILQ_FIRST(&registry.bounds), &bounds[0]);
    assert_ptr_equal(TAILQ_NEXT(&bounds[0], link), &bounds[2]);
    bound_register(&registry, &bounds[1]);
    assert_ptr_equal(TAILQ_LAST(&registry.bounds, bound_list), &bounds[1]);
    for (int i = 0; i < 3; i++) {
        bound_remove(&registry, &bounds[i]);
    }
    assert_true(TAILQ_EMPTY(&registry.bounds));
}

/* What the threads of a test share: all of them take from one bound, directly or through a share each. */
struct contest {
    struct bound bound;
    uint64_t lent; /* by all threads, counted apart: raised after a take, lowered before a give */
    uint64_t seed;
    bool shared;
    bool limit_was_passed;
};

struct contestant {
    struct contest *contest;
    pthread_t thread;
    uint64_t number;
    uint64_t taken;
};

static void *compete(void *argument)
{
    struct contestant *self = argument;
    struct contest *contest = self->contest;
    struct rng rng;
    struct bound_share share;
    uint64_t limit = bound_limit(&contest->bound);
    rng_init(&rng, contest->seed + self->number);
    bound_share_init(&share, &contest->bound, 1);
    uint64_t mine = 0;
    for (int i = 0; i < 50000; i++) {
        uint64_t n = 1 + rng_below(&rng, limit / THREADS);
        bool took = false;
        if (mine == 0 || rng_below(&rng, 2) == 0) {
            took = contest->shared ? bound_share_take(&share, n) : bound_take(&contest->bound, n);
        }
        if (took) {
            mine += n;
            self->taken++;
            if (__atomic_add_fetch(&contest->lent, n, __ATOMIC_SEQ_CST) > limit) {
                __atomic_store_n(&contest->limit_was_passed, true, __ATOMIC_RELAXED);
            }
        } else if (mine > 0) {
            n = 1 + rng_below(&rng, mine);
            mine -= n;
            __atomic_sub_fetch(&contest->lent, n, __ATOMIC_SEQ_CST);
            if (contest->shared) {
                bound_share_give(&share, n);
            } else {
                bound_give(&contest->bound, n);
            }
        }
        if (bound_used(&contest->bound) > limit) {
            __atomic_store_n(&contest->limit_was_passed, true, __ATOMIC_RELAXED);
        }
    }
    __atomic_sub_fetch(&contest->lent, mine, __ATOMIC_SEQ_CST);
    if (contest->shared) {
        bound_share_give(&share, mine);
    } else {
        bound_give(&contest->bound, mine);
    }
    return NULL;
}

static void run_contest(uint64_t limit, bool shared)
{
    struct contest contest = {.seed = unit_seed(), .shared = shared};
    struct contestant contestants[THREADS];
    bound_init(&contest.bound, "things", NULL, limit);
    for (uint64_t i = 0; i < THREADS; i++) {
        contestants[i] = (struct contestant){.contest = &contest, .number = i};
        assert_int_equal(pthread_create(&contestants[i].thread, NULL, compete, &contestants[i]), 0);
    }
    uint64_t taken = 0;
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(contestants[i].thread, NULL), 0);
        taken += contestants[i].taken;
    }
    assert_true(taken > 0); /* one that the machine lets wait may get nothing */
    assert_false(contest.limit_was_passed);
    assert_int_equal(bound_used(&contest.bound), 0);
    assert_true(bound_peak(&contest.bound) <= limit);
    assert_true(bound_peak(&contest.bound) >= limit / THREADS / 2);
}

static void threads_never_pass_the_limit(void **state)
{
    (void)state;
    run_contest(10, false);
    run_contest(100000, false);
}

static void threads_with_shares_never_pass_the_limit(void **state)
{
    (void)state;
    run_contest(10, true);
    run_contest(100000, true);
}

static void a_share_of_a_small_bound_is_exact(void **state)
{
    (void)state;
    struct bound bound;
    struct bound_share one, other;
    bound_init(&bound, "things", NULL, BOUND_SHARE_PART - 1);
    bound_share_init(&one, &bound, 1);
    bound_share_init(&other, &bound, 1);
    for (uint64_t i = 1; i < BOUND_SHARE_PART; i++) {
        assert_true(bound_share_take(i % 2 ? &one : &other, 1));
        assert_int_equal(bound_used(&bound), i);
    }
    assert_false(bound_share_take(&one, 1));
    assert_false(bound_share_take(&other, 1));
    assert_int_equal(bound_refused(&bound), 2);
    bound_share_give(&one, 1);
    assert_int_equal(bound_used(&bound), BOUND_SHARE_PART - 2);
    assert_true(bound_share_take(&other, 1));
}

static void a_share_keeps_whole_steps_only(void **state)
{
    (void)state;
    struct bound bound;
    struct bound_share share;
    bound_init(&bound, "bytes", NULL, 1024 * BOUND_SHARE_PART - 1);
    bound_share_init(&share, &bound, 1024);
    assert_true(bound_share_take(&share, 4096));
    assert_int_equal(bound_used(&bound), 4096);
    bound_share_give(&share, 1024);
    assert_int_equal(bound_used(&bound), 3072);
    bound_share_give(&share, 3072);
    bound_set_limit(&bound, 5 * 1024 * BOUND_SHARE_PART + 777);
    assert_true(bound_share_take(&share, 4096));
    assert_int_equal(bound_used(&bound), 4096 + 2048);
    bound_share_give(&share, 4096);
    assert_int_equal(bound_used(&bound), 0);
}

static void a_share_that_lends_nothing_holds_nothing(void **state)
{
    (void)state;
    struct bound bound;
    struct bound_share share;
    bound_init(&bound, "things", NULL, 100 * BOUND_SHARE_PART);
    bound_share_init(&share, &bound, 1);
    for (int i = 0; i < 1000; i++) {
        assert_true(bound_share_take(&share, 1));
    }
    assert_true(bound_used(&bound) > 1000);
    for (int i = 0; i < 1000; i++) {
        bound_share_give(&share, 1);
    }
    assert_int_equal(bound_used(&bound), 0);
    assert_int_equal(share.held, 0);
}

static void most_takes_and_gives_of_a_share_leave_the_bound_alone(void **state)
{
    (void)state;
    struct bound bound;
    struct bound_share share;
    bound_init(&bound, "things", NULL, 64 * BOUND_SHARE_PART);
    bound_share_init(&share, &bound, 1);
    assert_true(bound_share_take(&share, 1));
    int changes = 0;
    uint64_t before = bound_used(&bound);
    for (int i = 0; i < 1000; i++) {
        if (i % 2 == 0) {
            assert_true(bound_share_take(&share, 1));
        } else {
            bound_share_give(&share, 1);
        }
        changes += bound_used(&bound) != before;
        before = bound_used(&bound);
    }
    assert_true(changes <= 2);
}

static void a_share_without_a_bound_only_counts(void **state)
{
    (void)state;
    struct bound_share share;
    bound_share_init(&share, NULL, 1);
    assert_true(bound_share_take(&share, 1));
    assert_true(bound_share_take(&share, 1000));
    assert_int_equal(share.used, 1001);
    bound_share_give(&share, 1001);
    assert_int_equal(share.used, 0);
    assert_true(bound_share_take(&share, 1));
}

/* Shares of one bound, against the plain sums; the limit moves too. */
static void shares_add_up_to_the_bound(void **state)
{
    (void)state;
    enum { SHARES = 5 };
    struct rng rng;
    rng_init(&rng, unit_seed());
    struct bound bound;
    struct bound_share shares[SHARES];
    uint64_t lent[SHARES] = {0};
    bound_init(&bound, "things", NULL, 20000);
    for (int i = 0; i < SHARES; i++) {
        bound_share_init(&shares[i], &bound, 1);
    }
    uint64_t widest_limit = 20000;
    for (int round = 0; round < 200000; round++) {
        int i = (int)rng_below(&rng, SHARES);
        uint64_t n = 1 + rng_below(&rng, rng_below(&rng, 20) == 0 ? 5000 : 20);
        uint64_t used_before = bound_used(&bound);
        if (rng_below(&rng, 2) == 0) {
            if (bound_share_take(&shares[i], n)) {
                lent[i] += n;
                assert_true(bound_used(&bound) <= used_before ||
                            bound_used(&bound) <= bound_limit(&bound));
            } else {
                /* Early by no more than the others keep in hand. */
                uint64_t sum = 0;
                for (int k = 0; k < SHARES; k++) {
                    sum += lent[k];
                }
                assert_true(sum + n + SHARES * (widest_limit / BOUND_SHARE_PART) >
                            bound_limit(&bound));
            }
        } else if (lent[i] > 0) {
            n = n < lent[i] ? n : lent[i];
            lent[i] -= n;
            bound_share_give(&shares[i], n);
        }
        if (rng_below(&rng, 1000) == 0) {
            bound_set_limit(&bound, rng_below(&rng, widest_limit + 1));
        }
        uint64_t held = 0;
        for (int k = 0; k < SHARES; k++) {
            assert_int_equal(shares[k].used, lent[k]);
            assert_true(shares[k].held >= lent[k]);
            assert_true(shares[k].held - lent[k] <= widest_limit / BOUND_SHARE_PART);
            assert_true(lent[k] > 0 || shares[k].held == 0);
            held += shares[k].held;
        }
        assert_int_equal(bound_used(&bound), held);
    }
}

/* ---- what a lower limit leaves over ---- */

#define GIVERS 4

struct givers {
    struct bound bound;
    pthread_barrier_t start;
};

static void *give_surplus(void *argument)
{
    struct givers *givers = argument;
    pthread_barrier_wait(&givers->start);
    while (bound_give_surplus(&givers->bound)) {
    }
    return NULL;
}

/* Each finds one too many, and each gives one back: they would end below the limit. */
static void several_at_once_give_back_more_than_is_left_over(void **state)
{
    (void)state;
    for (int round = 0; round < 100; round++) {
        struct givers givers;
        pthread_t threads[GIVERS];
        bound_init(&givers.bound, "things", NULL, 20000);
        assert_true(bound_take(&givers.bound, 20000));
        bound_set_limit(&givers.bound, 100);
        assert_int_equal(pthread_barrier_init(&givers.start, NULL, GIVERS), 0);
        for (int i = 0; i < GIVERS; i++) {
            assert_int_equal(pthread_create(&threads[i], NULL, give_surplus, &givers), 0);
        }
        for (int i = 0; i < GIVERS; i++) {
            pthread_join(threads[i], NULL);
        }
        pthread_barrier_destroy(&givers.start);
        assert_int_equal(bound_used(&givers.bound), 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(several_at_once_give_back_more_than_is_left_over),
        cmocka_unit_test(a_take_is_all_or_nothing),
        cmocka_unit_test(the_peak_stays_after_the_use_went),
        cmocka_unit_test(taking_nothing_always_fits),
        cmocka_unit_test(huge_amounts_do_not_wrap),
        cmocka_unit_test(some_takes_what_fits_between_least_and_most),
        cmocka_unit_test(a_limit_below_the_use_lends_nothing_until_enough_came_back),
        cmocka_unit_test(misuse_is_fatal),
        cmocka_unit_test(the_registry_lists_what_is_registered_in_order),
        cmocka_unit_test(threads_never_pass_the_limit),
        cmocka_unit_test(threads_with_shares_never_pass_the_limit),
        cmocka_unit_test(a_share_of_a_small_bound_is_exact),
        cmocka_unit_test(a_share_keeps_whole_steps_only),
        cmocka_unit_test(a_share_that_lends_nothing_holds_nothing),
        cmocka_unit_test(most_takes_and_gives_of_a_share_leave_the_bound_alone),
        cmocka_unit_test(a_share_without_a_bound_only_counts),
        cmocka_unit_test(shares_add_up_to_the_bound),
    };
    return cmocka_run_group_tests_name("bound", tests, NULL, NULL);
}
