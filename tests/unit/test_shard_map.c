/* Keys are spread evenly over shards, move no more than they have to, and no two tenants' pairs need to meet. */
#include "tests/unit/unit.h"

#include "breaker/shard_map.h"
#include "steady/hash.h"
#include "steady/rng.h"

#define KEYS 100000
#define SHARDS_MAX 1024

static uint64_t hash_of(uint64_t seed, uint64_t key)
{
    return hash_bytes(seed, &key, sizeof key);
}

/* Every shard's count within seven standard deviations of its share. */
static void assert_even(const unsigned *counts, uint32_t shard_count, double all)
{
    double share = all / shard_count;
    for (uint32_t i = 0; i < shard_count; i++) {
        if ((counts[i] - share) * (counts[i] - share) > 49 * share) {
            fail_msg("shard %u of %u has %u of %.0f keys", i, shard_count, counts[i], all);
        }
    }
}

static void keys_are_spread_evenly(void **state)
{
    (void)state;
    static const uint32_t shard_counts[] = {1, 2, 3, 7, 16, 64, 1000, SHARDS_MAX};
    uint64_t seed = unit_seed();
    for (size_t i = 0; i < sizeof shard_counts / sizeof shard_counts[0]; i++) {
        static unsigned counts[SHARDS_MAX];
        memset(counts, 0, sizeof counts);
        for (uint64_t key = 0; key < KEYS; key++) {
            uint32_t shard = shard_of(hash_of(seed, key), shard_counts[i]);
            assert_true(shard < shard_counts[i]);
            counts[shard]++;
        }
        assert_even(counts, shard_counts[i], KEYS);
    }
}

static void one_shard_more_takes_its_share_and_moves_nothing_else(void **state)
{
    (void)state;
    uint64_t seed = unit_seed();
    for (uint32_t count = 1; count < 70; count++) {
        unsigned moved = 0;
        for (uint64_t key = 0; key < KEYS / 10; key++) {
            uint64_t hash = hash_of(seed, key);
            uint32_t before = shard_of(hash, count), after = shard_of(hash, count + 1);
            if (before == after) {
                continue;
            }
            assert_int_equal(after, count);
            moved++;
        }
        double share = (double)KEYS / 10 / (count + 1);
        assert_true((moved - share) * (moved - share) < 49 * share);
    }
}

static void the_two_shards_of_a_key_differ_and_every_pair_comes_up(void **state)
{
    (void)state;
    static const uint32_t shard_counts[] = {2, 3, 5, 10};
    uint64_t seed = unit_seed();
    for (size_t i = 0; i < sizeof shard_counts / sizeof shard_counts[0]; i++) {
        uint32_t count = shard_counts[i];
        static unsigned pairs[100];
        memset(pairs, 0, sizeof pairs);
        for (uint64_t key = 0; key < KEYS; key++) {
            uint64_t hash = hash_of(seed, key);
            struct shard_pair pair = shard_pair_of(hash, count);
            assert_true(pair.first < count && pair.second < count);
            assert_int_not_equal(pair.first, pair.second);
            assert_int_equal(pair.first, shard_of(hash, count));
            /* Numbered without those of a shard with itself. */
            pairs[pair.first * (count - 1) + pair.second - (pair.second > pair.first)]++;
        }
        assert_even(pairs, count * (count - 1), KEYS);
    }
}

static void pairs_move_little_too(void **state)
{
    (void)state;
    uint64_t seed = unit_seed();
    for (uint32_t count = 4; count < 40; count++) {
        unsigned moved = 0;
        for (uint64_t key = 0; key < KEYS / 10; key++) {
            uint64_t hash = hash_of(seed, key);
            struct shard_pair before = shard_pair_of(hash, count);
            struct shard_pair after = shard_pair_of(hash, count + 1);
            moved += before.first != after.first;
            moved += before.second != after.second;
        }
        /* Either of the two with a chance of one in N + 1, and now and then one because the other did. */
        double share = 2.0 * KEYS / 10 / (count + 1);
        assert_true(moved < share * 1.4);
    }
}

static void few_share_both_shards_with_a_bad_neighbour(void **state)
{
    (void)state;
    enum { COUNT = 16 };
    uint64_t seed = unit_seed();
    struct shard_pair bad = shard_pair_of(hash_of(seed, UINT64_MAX), COUNT);
    unsigned both = 0;
    for (uint64_t key = 0; key < KEYS; key++) {
        struct shard_pair pair = shard_pair_of(hash_of(seed, key), COUNT);
        both += (pair.first == bad.first || pair.first == bad.second) &&
                (pair.second == bad.first || pair.second == bad.second);
    }
    /* One of 16 * 15 / 2. */
    assert_in_range(both, 600, 1080);
}

static void the_map_never_changes(void **state)
{
    (void)state;
    /* Hops and restarts agree on it, as do other implementations. */
    assert_int_equal(shard_of(1, 1), 0);
    assert_int_equal(shard_of(42, 57), 43);
    assert_int_equal(shard_of(0xDEAD10CC, 1), 0);
    assert_int_equal(shard_of(0xDEAD10CC, 666), 361);
    assert_int_equal(shard_of(256, 1024), 520);
    assert_true(shard_of(UINT64_MAX, UINT32_MAX) < UINT32_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_spread_evenly),
        cmocka_unit_test(one_shard_more_takes_its_share_and_moves_nothing_else),
        cmocka_unit_test(the_two_shards_of_a_key_differ_and_every_pair_comes_up),
        cmocka_unit_test(pairs_move_little_too),
        cmocka_unit_test(few_share_both_shards_with_a_bad_neighbour),
        cmocka_unit_test(the_map_never_changes),
    };
    return cmocka_run_group_tests_name("shard_map", tests, NULL, NULL);
}
