/* Random numbers repeat for a seed, spread evenly, and stay in their range. */
#include "tests/unit/unit.h"

#include "steady/fault.h"
#include "steady/rng.h"

static void a_seed_gives_the_published_sequence(void **state)
{
    (void)state;
    /* SplitMix64 from 1234567 fills the state: its first outputs are published with the algorithm. */
    static const uint64_t filled[4] = {UINT64_C(6457827717110365317), UINT64_C(3203168211198807973),
                                       UINT64_C(9817491932198370423),
                                       UINT64_C(4593380528125082431)};
    struct rng rng;
    rng_init(&rng, 1234567);
    assert_memory_equal(rng.state, filled, sizeof filled);

    /* xoshiro256** from the state 1, 2, 3, 4. */
    static const uint64_t expected[] = {UINT64_C(11520),
                                        UINT64_C(0),
                                        UINT64_C(1509978240),
                                        UINT64_C(1215971899390074240),
                                        UINT64_C(1216172134540287360),
                                        UINT64_C(607988272756665600)};
    rng = (struct rng){{1, 2, 3, 4}};
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        assert_true(rng_next(&rng) == expected[i]);
    }
}

static void two_generators_from_the_kernel_differ(void **state)
{
    (void)state;
    struct rng one, other;
    rng_init_random(&one);
    rng_init_random(&other);
    assert_memory_not_equal(&one, &other, sizeof one);
}

static void every_value_below_a_limit_is_as_likely(void **state)
{
    (void)state;
    enum { DRAWS = 100000 };
    struct rng rng;
    rng_init(&rng, 42); /* fixed: a statistical bound would be missed once in a while */
    for (uint64_t limit = 1; limit <= 20; limit++) {
        uint64_t counts[20] = {0};
        for (int i = 0; i < DRAWS; i++) {
            uint64_t n = rng_below(&rng, limit);
            assert_true(n < limit);
            counts[n]++;
        }
        double expected = (double)DRAWS / (double)limit, chi_squared = 0;
        for (uint64_t n = 0; n < limit; n++) {
            chi_squared +=
                ((double)counts[n] - expected) * ((double)counts[n] - expected) / expected;
        }
        assert_true(chi_squared < 45); /* 19 degrees of freedom: one in 1,000 exceeds 43.8 */
    }
}

/* A limit of 3/4 of the range: a modulus would draw the lower third twice as often, scaling every third value. */
static void a_huge_limit_is_not_biased(void **state)
{
    (void)state;
    enum { DRAWS = 30000 };
    struct rng rng;
    rng_init(&rng, 42);
    uint64_t limit = UINT64_C(3) << 62, lower_third = 0, every_third = 0;
    for (int i = 0; i < DRAWS; i++) {
        uint64_t n = rng_below(&rng, limit);
        assert_true(n < limit);
        lower_third += n < limit / 3;
        every_third += n % 3 == 0;
    }
    assert_in_range(lower_third, DRAWS / 3 - 500, DRAWS / 3 + 500);
    assert_in_range(every_third, DRAWS / 3 - 500, DRAWS / 3 + 500);
    for (int i = 0; i < 100; i++) {
        assert_true(rng_below(&rng, UINT64_MAX) < UINT64_MAX);
    }
}

static void below_zero_things(void *argument)
{
    (void)rng_below(argument, 0);
}

static void an_empty_range_is_fatal(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 1);
    assert_aborts(below_zero_things, &rng, "steady/rng.c:");
}

static void jitter_stays_within_its_share_and_reaches_both_ends(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, unit_seed());
    uint64_t least = UINT64_MAX, most = 0;
    double sum = 0;
    for (int i = 0; i < 100000; i++) {
        uint64_t n = rng_jitter(&rng, 1000, 0.2);
        least = n < least ? n : least;
        most = n > most ? n : most;
        sum += (double)n;
    }
    assert_int_equal(least, 800);
    assert_int_equal(most, 1200);
    assert_true(sum / 100000 > 998 && sum / 100000 < 1002);
}

static void what_is_shortened_stays_within_its_share_and_reaches_both_ends(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, unit_seed());
    uint64_t least = UINT64_MAX, most = 0;
    double sum = 0;
    for (int i = 0; i < 100000; i++) {
        uint64_t n = rng_shorten(&rng, 1000, 0.2);
        least = n < least ? n : least;
        most = n > most ? n : most;
        sum += (double)n;
        assert_int_equal(rng_shorten(&rng, 0, 1), 0);
        assert_int_equal(rng_shorten(&rng, 1000, -1), 1000);
        assert_true(rng_shorten(&rng, UINT64_MAX - 10, 7) <= UINT64_MAX - 10);
    }
    assert_int_equal(least, 800);
    assert_int_equal(most, 1000);
    assert_true(sum / 100000 > 899 && sum / 100000 < 901);
}

static void jitter_of_extremes_does_not_wrap(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, unit_seed());
    const volatile double zero = 0;
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(rng_jitter(&rng, 0, 1), 0);
        assert_int_equal(rng_jitter(&rng, 1000, 0), 1000);
        assert_int_equal(rng_jitter(&rng, 1000, -1), 1000);
        assert_int_equal(rng_jitter(&rng, 1000, zero / zero), 1000);
        assert_int_equal(rng_jitter(&rng, 1, 0.5), 1);
        assert_true(rng_jitter(&rng, 1000, 1) <= 2000);
        assert_true(rng_jitter(&rng, 1000, 7) <= 2000);
        assert_true(rng_jitter(&rng, UINT64_MAX, 1) == UINT64_MAX);
        assert_true(rng_jitter(&rng, UINT64_MAX - 10, 1) >= UINT64_MAX - 20);
    }
}

#ifdef EVENKEEL_FAULT_INJECTION

static void without_the_kernels_numbers_generators_differ_too(void **state)
{
    (void)state;
    struct rng one, other;
    fault_arm(FAULT_READ, 1);
    rng_init_random(&one);
    assert_true(fault_disarm(FAULT_READ));
    fault_arm(FAULT_READ, 1);
    rng_init_random(&other);
    assert_true(fault_disarm(FAULT_READ));
    assert_memory_not_equal(&one, &other, sizeof one);
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_seed_gives_the_published_sequence),
        cmocka_unit_test(two_generators_from_the_kernel_differ),
        cmocka_unit_test(every_value_below_a_limit_is_as_likely),
        cmocka_unit_test(a_huge_limit_is_not_biased),
        cmocka_unit_test(an_empty_range_is_fatal),
        cmocka_unit_test(jitter_stays_within_its_share_and_reaches_both_ends),
        cmocka_unit_test(what_is_shortened_stays_within_its_share_and_reaches_both_ends),
        cmocka_unit_test(jitter_of_extremes_does_not_wrap),
#ifdef EVENKEEL_FAULT_INJECTION
        cmocka_unit_test(without_the_kernels_numbers_generators_differ_too),
#endif
    };
    return cmocka_run_group_tests_name("rng", tests, NULL, NULL);
}
