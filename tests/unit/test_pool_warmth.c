/* Shares add up, lifetimes spread over their window, waits grow and are bounded. */
#include "tests/unit/unit.h"

#include "pool/warmth.h"

static void shares_of_all_workers_add_up_to_the_level(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 9; workers++) {
        for (uint64_t level = 0; level <= 30; level++) {
            for (uint64_t turn = 0; turn < 10; turn++) {
                uint64_t sum = 0, least = UINT64_MAX, most = 0;
                for (unsigned w = 0; w < workers; w++) {
                    uint64_t share = warmth_share_count(level, w, workers, turn);
                    sum += share;
                    least = share < least ? share : least;
                    most = share > most ? share : most;
                }
                assert_int_equal(sum, level);
                assert_true(most - least <= 1);
            }
        }
    }
}

static void the_odd_connection_is_not_always_the_same_worker_s(void **state)
{
    unsigned counts[4] = {0};
    (void)state;
    for (uint64_t turn = 0; turn < 40; turn++) {
        for (unsigned w = 0; w < 4; w++) {
            counts[w] += (unsigned)warmth_share_count(1, w, 4, turn);
        }
    }
    for (unsigned w = 0; w < 4; w++) {
        assert_int_equal(counts[w], 10);
    }
}

static void lifetimes_are_spread_over_the_whole_window_and_never_longer(void **state)
{
    enum { DRAWS = 20000, PARTS = 20 };
    unsigned counts[PARTS] = {0};
    struct rng rng;
    (void)state;
    rng_init(&rng, unit_seed());
    for (int i = 0; i < DRAWS; i++) {
        uint64_t life_ms = warmth_lifetime_ms(900000, 0.2, &rng);
        assert_in_range(life_ms, 720000, 900000);
        counts[(life_ms - 720000) * PARTS / 180001]++;
    }
    for (int i = 0; i < PARTS; i++) { /* 1000 expected, five deviations of 31 */
        assert_in_range(counts[i], 845, 1155);
    }
}

static void a_lifetime_is_never_nothing(void **state)
{
    struct rng rng;
    (void)state;
    rng_init(&rng, unit_seed());
    for (int i = 0; i < 1000; i++) {
        assert_in_range(warmth_lifetime_ms(3, 1, &rng), 1, 3);
        assert_int_equal(warmth_lifetime_ms(1000, 0, &rng), 1000);
    }
}

static void waits_double_up_to_the_longest_and_differ(void **state)
{
    static const uint64_t longest_ms[] = {50, 100, 200, 400, 800, 1000, 1000};
    struct rng rng;
    (void)state;
    rng_init(&rng, unit_seed());
    for (uint64_t i = 0; i < sizeof longest_ms / sizeof longest_ms[0]; i++) {
        uint64_t least = UINT64_MAX, most = 0;
        for (int n = 0; n < 2000; n++) {
            uint64_t wait_ms = warmth_backoff_ms(i + 1, &rng);
            least = wait_ms < least ? wait_ms : least;
            most = wait_ms > most ? wait_ms : most;
        }
        assert_in_range(least, longest_ms[i] / 2, longest_ms[i] * 55 / 100);
        assert_in_range(most, longest_ms[i] * 95 / 100, longest_ms[i]);
    }
    assert_true(warmth_backoff_ms(UINT64_MAX, &rng) <= WARMTH_BACKOFF_MAX_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_of_all_workers_add_up_to_the_level),
        cmocka_unit_test(the_odd_connection_is_not_always_the_same_worker_s),
        cmocka_unit_test(lifetimes_are_spread_over_the_whole_window_and_never_longer),
        cmocka_unit_test(a_lifetime_is_never_nothing),
        cmocka_unit_test(waits_double_up_to_the_longest_and_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
