/* Rates of keys: each its own, bounded, exact under threads, and no key suffers from another. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "breaker/key_buckets.h"
#include "steady/hash.h"

#define SECOND_US UINT64_C(1000000)

static struct token_rate ten(void)
{
    return token_rate(&(struct rate_settings){.per_second = 10, .burst = 4, .retry_reserve = 0.4});
}

static uint64_t key(uint64_t number)
{
    return hash_bytes(7, &number, sizeof number);
}

static unsigned take_all(struct key_buckets *buckets, uint64_t hash, bool retry, uint64_t now_us)
{
    const struct token_rate rate = ten();
    unsigned count = 0;
    uint64_t wait_ms = 0;
    while (key_buckets_take(buckets, hash, &rate, retry, now_us, &wait_ms)) {
        count++;
    }
    assert_true(wait_ms > 0 && wait_ms <= 1000);
    return count;
}

static void each_key_has_a_rate_of_its_own(void **state)
{
    struct key_buckets *buckets = key_buckets_create(100);
    (void)state;
    assert_int_equal(take_all(buckets, key(1), false, SECOND_US), 5);
    assert_int_equal(take_all(buckets, key(2), false, SECOND_US), 5);
    assert_int_equal(take_all(buckets, key(1), false, SECOND_US), 0);
    assert_int_equal(take_all(buckets, key(1), false, SECOND_US + 300000), 3);
    key_buckets_free(&buckets);
}

static void retries_leave_the_reserve(void **state)
{
    struct key_buckets *buckets = key_buckets_create(100);
    (void)state;
    assert_int_equal(take_all(buckets, key(1), true, SECOND_US), 3);
    assert_int_equal(take_all(buckets, key(1), false, SECOND_US), 2);
    key_buckets_free(&buckets);
}

static void no_rate_is_no_limit(void **state)
{
    struct key_buckets *buckets = key_buckets_create(8);
    const struct token_rate none = {0};
    uint64_t wait_ms;
    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        assert_true(key_buckets_take(buckets, key(1), &none, false, SECOND_US, &wait_ms));
    }
    assert_int_equal(key_buckets_figures(buckets, SECOND_US).used_count, 0);
    key_buckets_free(&buckets);
}

static void a_flood_of_keys_stays_within_the_bound_and_forgets_the_least_used(void **state)
{
    struct key_buckets *buckets = key_buckets_create(1000);
    const struct token_rate rate = ten();
    struct key_buckets_figures figures = key_buckets_figures(buckets, SECOND_US);
    uint64_t wait_ms;
    (void)state;
    assert_int_equal(figures.room_count, 1024);
    assert_int_equal(take_all(buckets, key(0), false, SECOND_US), 5);
    for (uint64_t i = 1; i < 100000; i++) {
        assert_true(key_buckets_take(buckets, key(i), &rate, false, SECOND_US, &wait_ms));
    }
    figures = key_buckets_figures(buckets, SECOND_US);
    assert_int_equal(figures.used_count, figures.room_count);
    assert_true(figures.pushed_out_count >= 100000 - 1 - figures.room_count);
    /* it used more than the others: it is remembered */
    assert_int_equal(take_all(buckets, key(0), false, SECOND_US), 0);
    assert_int_equal(key_buckets_figures(buckets, 10 * SECOND_US).used_count, 0);
    key_buckets_free(&buckets);
}

static void few_keys_push_nobody_out(void **state)
{
    struct key_buckets *buckets = key_buckets_create(4096);
    const struct token_rate rate = ten();
    uint64_t wait_ms;
    (void)state;
    for (unsigned round = 0; round < 5; round++) {
        for (uint64_t i = 0; i < 1000; i++) {
            assert_true(key_buckets_take(buckets, key(i), &rate, false, SECOND_US, &wait_ms));
        }
    }
    assert_int_equal(key_buckets_figures(buckets, SECOND_US).pushed_out_count, 0);
    assert_int_equal(take_all(buckets, key(1), false, SECOND_US), 0);
    key_buckets_free(&buckets);
}

#define THREADS 4
#define TRIES 20000

struct taker {
    struct key_buckets *buckets;
    unsigned taken[16];
};

static void *take_many(void *arg)
{
    struct taker *taker = arg;
    const struct token_rate rate = ten();
    uint64_t wait_ms;
    for (unsigned i = 0; i < TRIES; i++) {
        taker->taken[i % 16] +=
            key_buckets_take(taker->buckets, key(i % 16), &rate, false, SECOND_US, &wait_ms);
    }
    return NULL;
}

static void threads_together_get_no_more_than_the_rate(void **state)
{
    struct taker takers[THREADS] = {0};
    pthread_t threads[THREADS];
    struct key_buckets *buckets = key_buckets_create(1024);
    (void)state;
    for (unsigned i = 0; i < THREADS; i++) {
        takers[i].buckets = buckets;
        assert_int_equal(pthread_create(&threads[i], NULL, take_many, &takers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    for (unsigned k = 0; k < 16; k++) {
        unsigned sum = 0;
        for (unsigned i = 0; i < THREADS; i++) {
            sum += takers[i].taken[k];
        }
        /* one more for each other thread that came with the key at the same moment */
        assert_in_range(sum, 5, 5 + THREADS - 1);
    }
    key_buckets_free(&buckets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_key_has_a_rate_of_its_own),
        cmocka_unit_test(retries_leave_the_reserve),
        cmocka_unit_test(no_rate_is_no_limit),
        cmocka_unit_test(a_flood_of_keys_stays_within_the_bound_and_forgets_the_least_used),
        cmocka_unit_test(few_keys_push_nobody_out),
        cmocka_unit_test(threads_together_get_no_more_than_the_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
