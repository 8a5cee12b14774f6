/* A bucket never gives more than its rate, keeps its reserve from retries, and says honestly when to come again. */
#include "tests/unit/unit.h"

#include <pthread.h>

#include "breaker/token_bucket.h"
#include "steady/rng.h"

#define THREADS 8
#define S_US UINT64_C(1000000)

static uint64_t take_all(struct token_bucket *bucket, const struct token_rate *rate, bool retry,
                         uint64_t now_us)
{
    uint64_t count = 0, wait_ms;
    while (token_bucket_take(bucket, rate, retry, now_us, &wait_ms)) {
        count++;
    }
    assert_true(wait_ms >= 1);
    return count;
}

static void a_full_bucket_gives_its_burst_and_a_tenth_of_a_second(void **state)
{
    (void)state;
    static const struct {
        double per_second, burst;
        uint64_t tokens;
    } cases[] = {{1, 0, 1},      {5, 0, 1},    {10, 0, 1},   {100, 0, 10},     {100, 50, 60},
                 {1000, 0, 100}, {0.01, 0, 1}, {0.01, 5, 6}, {1e6, 0, 100000}, {7, 20, 21}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct token_rate rate = token_rate(
            &(struct rate_settings){.per_second = cases[i].per_second, .burst = cases[i].burst});
        struct token_bucket bucket = {0};
        assert_true(token_bucket_full(&bucket, 0));
        assert_int_equal(take_all(&bucket, &rate, false, 1000 * S_US), cases[i].tokens);
        assert_false(token_bucket_full(&bucket, 1000 * S_US));
        /* Full again after as long as its tokens take to come. */
        uint64_t full_us = (uint64_t)((double)cases[i].tokens / cases[i].per_second * 1e6);
        assert_false(token_bucket_full(&bucket, 1000 * S_US + full_us - 2));
        assert_true(token_bucket_full(&bucket, 1000 * S_US + full_us + 2));
    }
}

static void without_a_rate_there_is_no_limit(void **state)
{
    (void)state;
    struct token_rate rate = token_rate(&(struct rate_settings){.burst = 3});
    struct token_bucket bucket = {0};
    uint64_t wait_ms;
    for (int i = 0; i < 100000; i++) {
        assert_true(token_bucket_take(&bucket, &rate, true, 5, &wait_ms));
    }
    assert_true(token_bucket_full(&bucket, 5));
}

static void the_rate_is_kept_over_time(void **state)
{
    (void)state;
    static const double rates[] = {0.5, 3, 60, 333, 12345, 1e6, 7e7};
    struct rng rng;
    rng_init(&rng, unit_seed());
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        struct token_rate rate =
            token_rate(&(struct rate_settings){.per_second = rates[i], .burst = 50});
        struct token_bucket bucket = {0};
        uint64_t now_us = 77 * S_US, start_us = now_us;
        uint64_t taken = take_all(&bucket, &rate, false, now_us);
        /* Never so long that the bucket would be full. */
        uint64_t most_us = 2 + (uint64_t)(1e6 / rates[i] * 40);
        for (uint64_t drawn = 0; drawn < 20000; drawn++) {
            now_us += rng_below(&rng, most_us);
            taken += take_all(&bucket, &rate, false, now_us);
        }
        double tenth = rates[i] / 10;
        double ideal = 50 + (tenth > 1 ? tenth : 1) + (double)(now_us - start_us) * rates[i] / 1e6;
        /* The interval is rounded to whole ticks. */
        double error = rates[i] / 16e9 / 2;
        assert_true((double)taken <= ideal * (1 + error) + 1);
        assert_true((double)taken >= ideal * (1 - error) - 2);
    }
}

static void retries_leave_the_reserve_to_fresh_requests(void **state)
{
    (void)state;
    struct token_rate rate =
        token_rate(&(struct rate_settings){.per_second = 100, .burst = 90, .retry_reserve = 0.25});
    struct token_bucket bucket = {0};
    assert_int_equal(take_all(&bucket, &rate, true, S_US), 75);
    assert_int_equal(take_all(&bucket, &rate, false, S_US), 25);
    /* From empty: fresh ones at once, retries when the reserve is full. */
    assert_int_equal(take_all(&bucket, &rate, true, S_US + 250000), 0);
    assert_int_equal(take_all(&bucket, &rate, true, S_US + 260000), 1);
    assert_int_equal(take_all(&bucket, &rate, false, S_US + 260000), 25);
}

static void a_reserve_of_all_lets_retries_have_a_full_bucket_only(void **state)
{
    (void)state;
    static const double bursts[] = {0, 9};
    for (size_t i = 0; i < 2; i++) {
        struct token_rate rate = token_rate(
            &(struct rate_settings){.per_second = 10, .burst = bursts[i], .retry_reserve = 1.0});
        struct token_bucket bucket = {0};
        assert_int_equal(take_all(&bucket, &rate, true, S_US), 1);
        assert_int_equal(take_all(&bucket, &rate, true, S_US + 90000), 0);
        assert_int_equal(take_all(&bucket, &rate, true, S_US + 100001), 1);
    }
}

static void the_wait_is_long_enough_and_not_longer(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, unit_seed());
    for (int round = 0; round < 2000; round++) {
        struct token_rate rate = token_rate(&(struct rate_settings){
            .per_second = 0.1 + (double)rng_below(&rng, 3000) / 7,
            .burst = (double)rng_below(&rng, 20),
            .retry_reserve = 0.25,
        });
        struct token_bucket bucket = {0};
        bool retry = rng_below(&rng, 2) == 0;
        uint64_t now_us = rng_below(&rng, 1000 * S_US), wait_ms;
        take_all(&bucket, &rate, false, now_us);
        assert_false(token_bucket_take(&bucket, &rate, retry, now_us, &wait_ms));
        uint64_t unused_ms;
        if (wait_ms > 1) {
            assert_false(token_bucket_take(&bucket, &rate, retry, now_us + (wait_ms - 1) * 1000,
                                           &unused_ms));
        }
        assert_true(
            token_bucket_take(&bucket, &rate, retry, now_us + wait_ms * 1000 + 1, &unused_ms));
    }
}

static void extreme_rates_neither_wrap_nor_stop(void **state)
{
    (void)state;
    static const struct rate_settings settings[] = {{.per_second = 1e9, .burst = 1e9},
                                                    {.per_second = 1e9},
                                                    {.per_second = 1e-9, .burst = 1e9},
                                                    {.per_second = 1e-300, .burst = 1e9},
                                                    {.per_second = 1e300}};
    uint64_t years_us = UINT64_C(35) * 365 * 86400 * S_US;
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        struct token_rate rate = token_rate(&settings[i]);
        struct token_bucket bucket = {0};
        uint64_t wait_ms = 0;
        for (int j = 0; j < 1000; j++) {
            if (!token_bucket_take(&bucket, &rate, j % 2 == 0, years_us, &wait_ms)) {
                break;
            }
        }
        assert_true(bucket.full_at >= years_us * 16000);
    }
    /* A clock that stands before the bucket's past (another thread's) finds it emptier, not fuller. */
    struct token_rate rate = token_rate(&(struct rate_settings){.per_second = 100});
    struct token_bucket bucket = {0};
    assert_int_equal(take_all(&bucket, &rate, false, S_US), 10);
    assert_int_equal(take_all(&bucket, &rate, false, S_US - 50000), 0);
}

static void random_takes_are_granted_as_by_a_counter(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, unit_seed());
    for (int round = 0; round < 200; round++) {
        /* Rates that divide the tick, so that the naive counter can be exact: in units of 1/per_second us. */
        static const uint64_t per_second[] = {1, 10, 100, 1000, 50, 200};
        uint64_t rate_s = per_second[rng_below(&rng, 6)], burst = rng_below(&rng, 100);
        uint64_t steady = rate_s / 10 > 1 ? rate_s / 10 : 1, reserve_of_4 = rng_below(&rng, 5);
        struct token_rate rate = token_rate(&(struct rate_settings){
            .per_second = (double)rate_s,
            .burst = (double)burst,
            .retry_reserve = (double)reserve_of_4 / 4,
        });
        struct token_bucket bucket = {0};
        uint64_t token = 1000000, full = (burst + steady) * token, level = full;
        uint64_t reserve = full / 4 * reserve_of_4;
        if (full - reserve < token) {
            reserve = full - token;
        }
        uint64_t now_us = S_US;
        for (int i = 0; i < 2000; i++) {
            uint64_t step_us = rng_below(&rng, 1 + 3000000 / rate_s) * (rng_below(&rng, 2));
            now_us += step_us;
            level = level + step_us * rate_s < full ? level + step_us * rate_s : full;
            bool retry = rng_below(&rng, 2) == 0;
            bool expected = level >= token + (retry ? reserve : 0);
            uint64_t wait_ms;
            assert_int_equal(token_bucket_take(&bucket, &rate, retry, now_us, &wait_ms), expected);
            level -= expected ? token : 0;
        }
    }
}

/* ---- threads ---- */

struct drinker {
    struct token_bucket *bucket;
    const struct token_rate *rate;
    uint64_t *now_us;
    uint64_t taken;
};

static void *drink(void *argument)
{
    struct drinker *drinker = argument;
    for (int i = 0; i < 200000; i++) {
        uint64_t wait_ms;
        uint64_t now_us = __atomic_load_n(drinker->now_us, __ATOMIC_RELAXED);
        drinker->taken +=
            token_bucket_take(drinker->bucket, drinker->rate, false, now_us, &wait_ms);
        if (i % 8 == 0) {
            __atomic_fetch_add(drinker->now_us, 25, __ATOMIC_RELAXED);
        }
    }
    return NULL;
}

static void eight_threads_get_what_the_rate_allows_to_the_token(void **state)
{
    (void)state;
    struct token_rate rate = token_rate(&(struct rate_settings){.per_second = 1000, .burst = 400});
    struct token_bucket bucket = {0};
    uint64_t now_us = S_US;
    struct drinker drinkers[THREADS];
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        drinkers[i] = (struct drinker){&bucket, &rate, &now_us, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, drink, &drinkers[i]), 0);
    }
    uint64_t taken = 0;
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        taken += drinkers[i].taken;
    }
    taken += take_all(&bucket, &rate, false, now_us);
    assert_int_equal(now_us, S_US + (uint64_t)THREADS * 25000 * 25);
    assert_int_equal(taken, 500 + (now_us - S_US) / 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_bucket_gives_its_burst_and_a_tenth_of_a_second),
        cmocka_unit_test(without_a_rate_there_is_no_limit),
        cmocka_unit_test(the_rate_is_kept_over_time),
        cmocka_unit_test(retries_leave_the_reserve_to_fresh_requests),
        cmocka_unit_test(a_reserve_of_all_lets_retries_have_a_full_bucket_only),
        cmocka_unit_test(the_wait_is_long_enough_and_not_longer),
        cmocka_unit_test(extreme_rates_neither_wrap_nor_stop),
        cmocka_unit_test(random_takes_are_granted_as_by_a_counter),
        cmocka_unit_test(eight_threads_get_what_the_rate_allows_to_the_token),
    };
    return cmocka_run_group_tests_name("token_bucket", tests, NULL, NULL);
}
