/* Readiness comes with warmth, does not flap, and does not wait for ever. */
#include "tests/unit/unit.h"

#include "proxy/admin/readiness.h"

static const struct readiness_settings usual = {
    .sessions_share = 0.5,
    .pools_share = 0.8,
    .give_up_after_ms = 30000,
    .then = READINESS_READY_COLD,
    .listener_path = "",
};

static const struct readiness_figures warm = {
    .settings_live = true,
    .required_count = 2,
    .resolved_count = 2,
    .usable_count = 2,
    .warm_level_count = 10,
    .connections_count = 8,
    .sessions_usual_count = 4,
    .sessions_count = 2,
};

/* Figures, a moment, and the state they lead to. */
struct row {
    uint64_t at_ms;
    struct readiness_figures figures;
    enum readiness_state state;
    uint32_t missing;
};

#define FOR(reason) (UINT32_C(1) << READINESS_FOR_##reason)

static void play(struct readiness *readiness, const struct readiness_settings *settings,
                 const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        enum readiness_state before = readiness->state;
        bool changed = readiness_step(readiness, settings, &rows[i].figures, rows[i].at_ms);
        if (readiness->state != rows[i].state || readiness->missing != rows[i].missing) {
            fail_msg("row %zu: %s, missing %x", i, readiness_state_name(readiness->state),
                     readiness->missing);
        }
        assert_int_equal(changed, readiness->state != before);
    }
}

#define PLAY(readiness, settings, rows) \
    play(readiness, settings, rows, sizeof rows / sizeof((rows)[0]))

static struct readiness_figures with(uint64_t usable, uint64_t connections, uint64_t sessions)
{
    struct readiness_figures figures = warm;
    figures.usable_count = usable;
    figures.connections_count = connections;
    figures.sessions_count = sessions;
    return figures;
}

static void it_comes_when_nothing_is_missing(void **state)
{
    (void)state;
    struct readiness readiness;
    struct readiness_figures unsettled = warm, unresolved = warm, full = warm;
    unsettled.settings_live = false;
    unresolved.resolved_count = 1;
    full.memory_spent = true;
    const struct row rows[] = {
        {1000, unsettled, READINESS_WARMING, FOR(SETTINGS)},
        {1001, unresolved, READINESS_WARMING, FOR(UPSTREAMS)},
        {1002, with(2, 7, 1), READINESS_WARMING, FOR(POOLS) | FOR(SESSIONS)},
        {1003, with(2, 7, 2), READINESS_WARMING, FOR(POOLS)},
        {1004, full, READINESS_WARMING, FOR(MEMORY)},
        {1005, with(0, 8, 2), READINESS_WARMING, FOR(LOST)},
        {1250, warm, READINESS_WARM, 0},
    };
    readiness_init(&readiness, 1000);
    PLAY(&readiness, &usual, rows);
    assert_true(readiness_is_ready(&readiness));
    assert_int_equal(readiness.ready_ms, 250);
    assert_int_equal(readiness.gave_up_count, 0);
}

static void it_does_not_flap(void **state)
{
    (void)state;
    struct readiness readiness;
    struct readiness_figures full = warm;
    full.memory_spent = true;
    const struct row rows[] = {
        {1000, warm, READINESS_WARM, 0},
        {2000, with(1, 0, 0), READINESS_WARM, FOR(POOLS) | FOR(SESSIONS)},
        {3000, full, READINESS_WARM, FOR(MEMORY)},
        /* lost, but not for long */
        {4000, with(0, 8, 2), READINESS_WARM, FOR(LOST)},
        {5999, with(0, 8, 2), READINESS_WARM, FOR(LOST)},
        {6000, with(1, 8, 2), READINESS_WARM, 0},
        /* for long */
        {7000, with(0, 8, 2), READINESS_WARM, FOR(LOST)},
        {9000, with(0, 8, 2), READINESS_LOST, FOR(LOST)},
        /* back, but not for long */
        {9500, with(1, 8, 2), READINESS_LOST, 0},
        {10000, with(0, 8, 2), READINESS_LOST, FOR(LOST)},
        {10500, with(1, 0, 2), READINESS_LOST, FOR(POOLS)},
        {11500, with(1, 0, 2), READINESS_WARM, FOR(POOLS)},
    };
    readiness_init(&readiness, 1000);
    PLAY(&readiness, &usual, rows);
}

static void it_does_not_wait_for_ever(void **state)
{
    (void)state;
    struct readiness readiness;
    struct readiness_settings strict = usual;
    const struct row cold[] = {
        {30999, with(2, 0, 0), READINESS_WARMING, FOR(POOLS) | FOR(SESSIONS)},
        {31000, with(2, 0, 0), READINESS_COLD, FOR(POOLS) | FOR(SESSIONS)},
        {90000, with(2, 0, 2), READINESS_COLD, FOR(POOLS)},
        {90001, warm, READINESS_WARM, 0},
    };
    const struct row never[] = {
        {31000, with(2, 0, 0), READINESS_GIVEN_UP, FOR(POOLS) | FOR(SESSIONS)},
        {90000, with(2, 0, 2), READINESS_GIVEN_UP, FOR(POOLS)},
        {90001, warm, READINESS_WARM, 0},
    };
    readiness_init(&readiness, 1000);
    PLAY(&readiness, &usual, cold);
    assert_int_equal(readiness.ready_ms, 30000);
    assert_int_equal(readiness.gave_up_count, 1);
    strict.then = READINESS_NOT_READY;
    readiness_init(&readiness, 1000);
    PLAY(&readiness, &strict, never);
    assert_int_equal(readiness.ready_ms, 89001);
    assert_int_equal(readiness.gave_up_count, 1);
}

/* All required upstreams are down when patience ends: whoever asks would get nothing but 503. */
static void lost_beats_cold(void **state)
{
    (void)state;
    struct readiness readiness;
    struct readiness_settings strict = usual;
    const struct row rows[] = {
        {30999, with(0, 0, 0), READINESS_WARMING, FOR(POOLS) | FOR(SESSIONS) | FOR(LOST)},
        {31000, with(0, 0, 0), READINESS_LOST, FOR(POOLS) | FOR(SESSIONS) | FOR(LOST)},
        /* one comes back, and stays: it is late, and as cold as it was going to be */
        {40000, with(1, 0, 0), READINESS_LOST, FOR(POOLS) | FOR(SESSIONS)},
        {41000, with(1, 0, 0), READINESS_COLD, FOR(POOLS) | FOR(SESSIONS)},
        {42000, warm, READINESS_WARM, 0},
    };
    const struct row warm_at_once[] = {
        {31000, with(0, 0, 0), READINESS_LOST, FOR(POOLS) | FOR(SESSIONS) | FOR(LOST)},
        {40000, warm, READINESS_LOST, 0},
        {41000, warm, READINESS_WARM, 0},
    };
    const struct row never[] = {
        {31000, with(0, 0, 0), READINESS_GIVEN_UP, FOR(POOLS) | FOR(SESSIONS) | FOR(LOST)},
    };
    readiness_init(&readiness, 1000);
    PLAY(&readiness, &usual, rows);
    assert_int_equal(readiness.gave_up_count, 1);
    assert_int_equal(readiness.ready_ms, 40000);
    readiness_init(&readiness, 1000);
    PLAY(&readiness, &usual, warm_at_once);
    strict.then = READINESS_NOT_READY;
    readiness_init(&readiness, 1000);
    PLAY(&readiness, &strict, never);
}

static void a_drain_takes_it_for_good(void **state)
{
    (void)state;
    struct readiness readiness;
    struct readiness_figures draining = warm;
    draining.draining = true;
    const struct row rows[] = {
        {1000, warm, READINESS_WARM, 0},
        {1001, draining, READINESS_DRAINING, FOR(DRAINING)},
        {9000, warm, READINESS_DRAINING, 0},
    };
    readiness_init(&readiness, 1000);
    PLAY(&readiness, &usual, rows);
    assert_false(readiness_is_ready(&readiness));
}

static void nothing_required_is_never_lost(void **state)
{
    (void)state;
    struct readiness readiness;
    const struct readiness_figures empty = {.settings_live = true};
    const struct row rows[] = {
        {1000, empty, READINESS_WARM, 0},
        {99000, empty, READINESS_WARM, 0},
    };
    readiness_init(&readiness, 1000);
    PLAY(&readiness, &usual, rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_comes_when_nothing_is_missing),
        cmocka_unit_test(it_does_not_flap),
        cmocka_unit_test(it_does_not_wait_for_ever),
        cmocka_unit_test(lost_beats_cold),
        cmocka_unit_test(a_drain_takes_it_for_good),
        cmocka_unit_test(nothing_required_is_never_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
