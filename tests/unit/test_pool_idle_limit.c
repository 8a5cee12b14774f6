/* The idle limit by transcript: what is learned from which signs, and how it is forgotten. */
#include "tests/unit/unit.h"

#include "pool/idle_limit.h"

struct row {
    uint64_t at_ms, age_ms; /* a sign */
    uint64_t limit_ms;      /* right after it, of 50 s configured */
};

static void play(const struct row *rows, size_t count)
{
    struct idle_limit limit = {0};
    for (size_t i = 0; i < count; i++) {
        uint64_t before_ms = idle_limit_ms(&limit, 50000, rows[i].at_ms);
        bool changed = idle_limit_sign(&limit, rows[i].age_ms, rows[i].at_ms);
        uint64_t after_ms = idle_limit_ms(&limit, 50000, rows[i].at_ms);
        if (after_ms != rows[i].limit_ms) {
            fail_msg("row %zu: limit %" PRIu64 ", expected %" PRIu64, i, after_ms,
                     rows[i].limit_ms);
        }
        if (!changed) {
            assert_int_equal(before_ms, after_ms);
        }
    }
}

#define PLAY(rows) play(rows, sizeof rows / sizeof((rows)[0]))

static void two_signs_that_agree_make_a_limit_a_fifth_below_the_shorter(void **state)
{
    static const struct row rows[] = {
        {10000, 2000, 50000}, {13000, 2005, 1600}, {16000, 2001, 1601}, {19000, 1995, 1596}};
    (void)state;
    PLAY(rows);
}

static void signs_that_differ_teach_nothing(void **state)
{
    static const struct row rows[] = {
        {10000, 2000, 50000}, {20000, 5000, 50000}, {30000, 300, 50000}, {40000, 9000, 50000}};
    (void)state;
    PLAY(rows);
}

static void connections_that_end_together_are_one_sign(void **state)
{
    static const struct row rows[] = {{10000, 3000, 50000},
                                      {10000, 3000, 50000},
                                      {10001, 3001, 50000},
                                      {10100, 3050, 50000},
                                      {20000, 3000, 2400}};
    (void)state;
    PLAY(rows);
}

static void very_short_rests_teach_nothing(void **state)
{
    static const struct row rows[] = {{10000, 20, 50000}, {10100, 21, 50000}, {10200, 99, 50000}};
    (void)state;
    PLAY(rows);
}

static void what_was_learned_is_never_longer_than_configured(void **state)
{
    struct idle_limit limit = {0};
    (void)state;
    assert_false(idle_limit_sign(&limit, 75000, 100000));
    assert_true(idle_limit_sign(&limit, 75000, 200000));
    assert_int_equal(idle_limit_ms(&limit, 50000, 200000), 50000);
    assert_int_equal(idle_limit_ms(&limit, 70000, 200000), 60000);
}

static void a_limit_grows_until_a_sign_sets_it_back(void **state)
{
    struct idle_limit limit = {0};
    uint64_t since_ms = 20000;
    (void)state;
    assert_false(idle_limit_sign(&limit, 2000, 10000));
    assert_true(idle_limit_sign(&limit, 2000, since_ms));
    assert_int_equal(idle_limit_ms(&limit, 50000, since_ms), 1600);
    assert_int_equal(idle_limit_ms(&limit, 50000, since_ms + IDLE_LIMIT_DOUBLES_MS), 3200);
    assert_int_equal(idle_limit_ms(&limit, 50000, since_ms + UINT64_C(100) * IDLE_LIMIT_DOUBLES_MS),
                     50000);
    assert_true(idle_limit_sign(&limit, 2000, since_ms + IDLE_LIMIT_DOUBLES_MS));
    assert_int_equal(idle_limit_ms(&limit, 50000, since_ms + IDLE_LIMIT_DOUBLES_MS), 1600);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_signs_that_agree_make_a_limit_a_fifth_below_the_shorter),
        cmocka_unit_test(signs_that_differ_teach_nothing),
        cmocka_unit_test(connections_that_end_together_are_one_sign),
        cmocka_unit_test(very_short_rests_teach_nothing),
        cmocka_unit_test(what_was_learned_is_never_longer_than_configured),
        cmocka_unit_test(a_limit_grows_until_a_sign_sets_it_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
