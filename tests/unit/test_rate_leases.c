/* A key has its share and what it was lent, and no more; control sees every key that was used, and no other. */
#include "tests/unit/unit.h"

#include <pthread.h>

#include "breaker/rate_leases.h"
#include "steady/hash.h"

#define S_US UINT64_C(1000000)
#define NOW_US (1000 * S_US)

/* Ten a second: a bucket of one token. */
static struct rate_leases *create(size_t key_count)
{
    const struct token_rate share =
        token_rate(&(struct rate_settings){.per_second = 10, .retry_reserve = 0.5});
    struct rate_leases *leases = rate_leases_create(key_count, &share);
    assert_non_null(leases);
    return leases;
}

static unsigned take_all(struct rate_leases *leases, uint64_t key, bool retry, uint64_t now_us)
{
    unsigned count = 0;
    uint64_t wait_ms = 0;
    while (rate_leases_take(leases, key, retry, now_us, &wait_ms)) {
        count++;
    }
    assert_true(wait_ms > 0 && wait_ms <= 1000);
    return count;
}

struct visits {
    unsigned count, later_at;
    bool busy;
    struct rate_lease *last;
};

static enum rate_lease_visit visit(struct rate_lease *lease, void *owner)
{
    struct visits *visits = owner;
    if (visits->later_at > 0 && visits->count == visits->later_at) {
        return RATE_LEASE_LATER;
    }
    visits->count++;
    visits->last = lease;
    return visits->busy ? RATE_LEASE_BUSY : RATE_LEASE_IDLE;
}

static struct rate_lease *find(struct rate_leases *leases)
{
    struct visits visits = {0};
    assert_true(rate_leases_visit(leases, visit, &visits));
    assert_int_equal(visits.count, 1);
    return visits.last;
}

static void a_key_has_its_share_and_what_it_was_lent(void **state)
{
    (void)state;
    struct rate_leases *leases = create(1);
    assert_int_equal(take_all(leases, 0, false, NOW_US), 1);
    struct rate_lease *lease = find(leases);
    struct rate_lease_seen seen = rate_lease_look(leases, lease, NOW_US);
    assert_int_equal(seen.used_count, 1);
    assert_int_equal(seen.missed_count, 1);
    assert_int_equal(seen.share_count, 0);
    rate_lease_lend(lease, lease->key, 5);
    assert_int_equal(take_all(leases, 0, true, NOW_US), 0); /* retries get nothing of it */
    assert_int_equal(take_all(leases, 0, false, NOW_US), 5);
    seen = rate_lease_look(leases, lease, NOW_US);
    assert_int_equal(seen.used_count, 0);
    assert_int_equal(seen.taken_count, 5);
    assert_int_equal(seen.lent_count, 0);
    rate_lease_lend(lease, lease->key, 5);
    assert_int_equal(rate_lease_take_back(lease, 3), 3);
    assert_int_equal(rate_lease_take_back(lease, UINT32_MAX), 2);
    assert_int_equal(take_all(leases, 0, false, NOW_US), 0);
    assert_int_equal(rate_lease_look(leases, lease, NOW_US).taken_count, 0);
    assert_int_equal(rate_lease_look(leases, lease, NOW_US + S_US).share_count, 1);
    rate_leases_free(&leases);
}

static void only_keys_that_are_used_or_busy_are_visited(void **state)
{
    (void)state;
    struct rate_leases *leases = create(100000);
    struct visits visits = {.busy = true};
    assert_true(rate_leases_visit(leases, visit, &visits));
    assert_int_equal(visits.count, 0);
    for (uint64_t i = 0; i < 1000; i++) {
        uint64_t wait_ms;
        assert_true(rate_leases_take(leases, RATE_LEASES_NUMBER(i * 64), false, NOW_US, &wait_ms));
    }
    assert_true(rate_leases_visit(leases, visit, &visits));
    assert_int_equal(visits.count, 1000);
    visits = (struct visits){.later_at = 300};
    assert_false(rate_leases_visit(leases, visit, &visits)); /* 300 of the busy ones */
    visits = (struct visits){0};
    assert_true(rate_leases_visit(leases, visit, &visits)); /* the other 700 */
    assert_int_equal(visits.count, 700);
    visits = (struct visits){0};
    assert_true(rate_leases_visit(leases, visit, &visits));
    assert_int_equal(visits.count, 0);
    rate_leases_free(&leases);
}

static void numbers_never_take_each_others_place(void **state)
{
    (void)state;
    struct rate_leases *leases = create(100);
    for (unsigned round = 0; round < 2; round++) {
        for (uint64_t i = 0; i < 100; i++) {
            assert_int_equal(take_all(leases, RATE_LEASES_NUMBER(i), false, NOW_US), round == 0);
        }
    }
    assert_int_equal(rate_leases_figures(leases, NOW_US).pushed_out_count, 0);
    assert_int_equal(rate_leases_figures(leases, NOW_US).used_count, 100);
    assert_int_equal(rate_leases_figures(leases, NOW_US + S_US).used_count, 0);
    rate_leases_free(&leases);
}

static void a_key_that_takes_anothers_place_gets_nothing_of_it(void **state)
{
    (void)state;
    struct rate_leases *leases = create(1);
    assert_int_equal(take_all(leases, 0, false, NOW_US), 1);
    struct rate_lease *lease = find(leases);
    uint64_t before = lease->key;
    (void)rate_lease_look(leases, lease, NOW_US);
    rate_lease_lend(lease, before, 5);
    uint64_t later_us = NOW_US + S_US; /* the first key is full, and so is forgotten first */
    for (uint64_t i = 1; i <= 8; i++) {
        uint64_t hash = hash_bytes(7, &i, sizeof i);
        assert_int_equal(take_all(leases, hash, false, later_us), 1);
    }
    assert_true(lease->key != before);
    rate_lease_lend(lease, before, 5);
    assert_int_equal(lease->lent_count, 0);
    struct rate_lease_seen seen = rate_lease_look(leases, lease, later_us);
    assert_int_equal(seen.used_count, 1);
    assert_int_equal(seen.taken_count, 0);
    rate_leases_free(&leases);
}

#define THREADS 4
#define TAKES 20000
static struct rate_leases *shared;

static void *take_many(void *taken)
{
    uint64_t wait_ms;
    for (unsigned i = 0; i < TAKES; i++) {
        *(unsigned *)taken += rate_leases_take(shared, 0, false, NOW_US, &wait_ms);
    }
    return NULL;
}

static void under_threads_nothing_is_given_twice(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    unsigned taken[THREADS] = {0}, sum = 0, lent = 0, back = 0, missed = 0;
    shared = create(1);
    assert_int_equal(take_all(shared, 0, false, NOW_US), 1);
    struct rate_lease *lease = find(shared);
    (void)rate_lease_look(shared, lease, NOW_US);
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, take_many, &taken[i]), 0);
    }
    for (unsigned i = 0; i < 200; i++) {
        rate_lease_lend(lease, lease->key, 50);
        lent += 50;
        back += rate_lease_take_back(lease, 10);
        missed += rate_lease_look(shared, lease, NOW_US).missed_count;
    }
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        sum += taken[i];
    }
    missed += rate_lease_look(shared, lease, NOW_US).missed_count;
    assert_int_equal(sum + back + lease->lent_count, lent);
    assert_int_equal(sum + missed, THREADS * TAKES);
    rate_leases_free(&shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_has_its_share_and_what_it_was_lent),
        cmocka_unit_test(only_keys_that_are_used_or_busy_are_visited),
        cmocka_unit_test(numbers_never_take_each_others_place),
        cmocka_unit_test(a_key_that_takes_anothers_place_gets_nothing_of_it),
        cmocka_unit_test(under_threads_nothing_is_given_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
