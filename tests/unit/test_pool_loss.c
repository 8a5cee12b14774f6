/* Loss by transcript: which deaths put the other connections in doubt, and what is to be there again. */
#include "tests/unit/unit.h"

#include "pool/loss.h"

enum what { RESET, END, DIAL };

struct row {
    uint64_t at_ms;
    enum what what;
    uint64_t rested_ms, kept_count;
    bool lost;
};

static void play(const struct row *rows, size_t count)
{
    struct loss_watch watch = {0};
    for (size_t i = 0; i < count; i++) {
        const struct row *row = &rows[i];
        bool lost = row->what == DIAL ? loss_on_dial_failure(&watch, row->kept_count, row->at_ms)
                                      : loss_on_death(&watch, row->what == RESET, row->rested_ms,
                                                      row->kept_count, row->at_ms);
        if (lost != row->lost) {
            fail_msg("row %zu: %s", i, lost ? "lost" : "not lost");
        }
    }
}

#define PLAY(...)                                       \
    do {                                                \
        static const struct row rows[] = {__VA_ARGS__}; \
        play(rows, sizeof rows / sizeof rows[0]);       \
    } while (0)

static void one_death_is_not_a_loss(void **state)
{
    (void)state;
    PLAY({1000, RESET, 10, 5, false}, {2500, RESET, 10, 5, false}, {4000, RESET, 10, 0, false});
}

static void several_of_few_within_the_window_are(void **state)
{
    (void)state;
    PLAY({1000, RESET, 10, 5, false}, {1400, RESET, 10, 4, true}, {1500, RESET, 10, 0, false});
    PLAY({1000, END, 10, 2, false}, {1000, RESET, 9000, 1, true});
}

static void a_few_of_many_are_not(void **state)
{
    (void)state;
    PLAY({1000, RESET, 1, 99, false}, {1000, RESET, 1, 98, false}, {1000, RESET, 1, 97, false});
    PLAY({1000, RESET, 1, 7, false}, {1000, RESET, 1, 7, false}, {1000, RESET, 1, 7, true});
}

static void orderly_ends_after_a_rest_speak_of_an_idle_limit(void **state)
{
    (void)state;
    PLAY({1000, END, 2000, 3, false}, {1000, END, 2000, 2, false}, {1000, END, 1000, 1, false});
}

static void a_failed_dial_counts_only_beside_a_death(void **state)
{
    (void)state;
    PLAY({1000, DIAL, 0, 3, false}, {1001, DIAL, 0, 3, false}, {1002, DIAL, 0, 3, false});
    PLAY({1000, RESET, 5, 3, false}, {1500, DIAL, 0, 3, true});
    PLAY({1000, RESET, 5, 3, false}, {2500, DIAL, 0, 3, false});
}

static void what_was_needed_is_what_it_was_before_the_first_death(void **state)
{
    struct loss_need need = {0};
    (void)state;
    assert_int_equal(loss_need_count(&need, 25, 1000), 0);
    for (uint64_t left = 24; left > 0; left--) {
        assert_int_equal(loss_need_count(&need, left, 1000 + left), 25);
    }
}

static void deaths_far_apart_ask_for_nothing(void **state)
{
    struct loss_need need = {0};
    (void)state;
    for (uint64_t i = 1; i < 10; i++) {
        assert_int_equal(loss_need_count(&need, 25, i * (LOSS_WINDOW_MS + 1)), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_death_is_not_a_loss),
        cmocka_unit_test(several_of_few_within_the_window_are),
        cmocka_unit_test(a_few_of_many_are_not),
        cmocka_unit_test(orderly_ends_after_a_rest_speak_of_an_idle_limit),
        cmocka_unit_test(a_failed_dial_counts_only_beside_a_death),
        cmocka_unit_test(what_was_needed_is_what_it_was_before_the_first_death),
        cmocka_unit_test(deaths_far_apart_ask_for_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
