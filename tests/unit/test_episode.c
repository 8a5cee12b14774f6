/* Episodes: a flood is one begin and one end, however long, and their figures are true. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "steady/episode.h"

static void a_flood_is_told_twice(void **state)
{
    struct episode episode = {0};
    (void)state;
    assert_int_equal(episode_note(&episode, 0, 100, 5), EPISODE_NO_EVENT);
    assert_int_equal(episode_note(&episode, 3, 100, 10), EPISODE_BEGINS);
    for (uint64_t now_ms = 20; now_ms <= 1000; now_ms += 10) {
        assert_int_equal(episode_note(&episode, 3 + now_ms, 100, now_ms), EPISODE_NO_EVENT);
    }
    assert_int_equal(episode_note(&episode, 1003, 100, 1099), EPISODE_NO_EVENT);
    assert_int_equal(episode_note(&episode, 1003, 100, 1100), EPISODE_ENDS);
    assert_int_equal(episode_count(&episode), 1003);
    assert_int_equal(episode_length_ms(&episode), 990);
    assert_int_equal(episode_note(&episode, 1003, 100, 5000), EPISODE_NO_EVENT);
}

static void the_next_one_counts_from_nothing(void **state)
{
    struct episode episode = {0};
    (void)state;
    assert_int_equal(episode_note(&episode, 10, 100, 10), EPISODE_BEGINS);
    assert_int_equal(episode_note(&episode, 10, 100, 110), EPISODE_ENDS);
    assert_int_equal(episode_note(&episode, 12, 100, 500), EPISODE_BEGINS);
    assert_int_equal(episode_count(&episode), 2);
    assert_int_equal(episode_note(&episode, 12, 100, 700), EPISODE_ENDS);
    assert_int_equal(episode_length_ms(&episode), 0);
}

static void a_cause_that_lasts_keeps_it_going(void **state)
{
    struct episode episode = {0};
    (void)state;
    episode_prolong(&episode, 5); /* nothing goes on */
    assert_int_equal(episode_note(&episode, 1, 100, 10), EPISODE_BEGINS);
    episode_prolong(&episode, 400);
    assert_int_equal(episode_note(&episode, 1, 100, 499), EPISODE_NO_EVENT);
    assert_int_equal(episode_note(&episode, 1, 100, 500), EPISODE_ENDS);
    assert_int_equal(episode_length_ms(&episode), 390);
}

static void a_count_that_falls_looks_like_an_episode(void **state)
{
    struct episode episode = {0};
    (void)state;
    assert_int_equal(episode_note(&episode, 10, 100, 10), EPISODE_BEGINS);
    assert_int_equal(episode_note(&episode, 10, 100, 110), EPISODE_ENDS);
    assert_int_equal(episode_note(&episode, 3, 100, 500), EPISODE_NO_EVENT);
    assert_int_equal(episode_note(&episode, 5, 100, 600), EPISODE_BEGINS);
    assert_int_equal(episode_count(&episode), 2);
    assert_int_equal(episode_note(&episode, 0, 100, 650), EPISODE_NO_EVENT);
    assert_int_equal(episode_count(&episode), 0);
    assert_int_equal(episode_note(&episode, 0, 100, 700), EPISODE_ENDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flood_is_told_twice),
        cmocka_unit_test(the_next_one_counts_from_nothing),
        cmocka_unit_test(a_cause_that_lasts_keeps_it_going),
        cmocka_unit_test(a_count_that_falls_looks_like_an_episode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
