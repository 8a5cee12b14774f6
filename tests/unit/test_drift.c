/* Drift: leaks are found with the time that is left, and nothing that a healthy process does is taken for one. */
#include "drift_play.h"

/* Plays of each kind; EVENKEEL_PLAYS sets another number. */
static uint64_t plays_count(void)
{
    const char *wanted = getenv("EVENKEEL_PLAYS");
    return wanted != NULL ? strtoull(wanted, NULL, 10) : 60;
}

static uint64_t base_seed;

typedef void play_fn(struct play *play);

static void assert_never_drifts(play_fn *run, const char *what)
{
    for (uint64_t i = 0; i < plays_count(); i++) {
        struct play play;
        play_begin(&play, base_seed + i);
        run(&play);
        if (play.begun_count > 0) {
            fail_msg("%s: seed %" PRIu64 ": drifts after %" PRIu64
                     " minutes by window %d, level %f",
                     what, base_seed + i, (play.begun_tick - 1000000) / TICKS_PER_MINUTE,
                     (int)play.drift.window, (double)play.value.last);
        }
    }
}

/* ---- what is healthy ---- */

static void play_flat(struct play *play)
{
    double level = play_between(play, 5, 800), noise = play_between(play, 0, 0.1) * level;
    for (int i = 0; i < 10 * TICKS_PER_HOUR; i++) {
        play_tick(play, level + noise * (play_noise(play) + play_wander(play)), 100);
    }
}

/* The load changes in steps and ramps; the value follows it, with a delay. */
static void play_load_changes(struct play *play)
{
    double load = play_between(play, 100, 1000), pace = 1, value = load / 2;
    double per_load = play_between(play, 0.1, 0.8), noise = play_between(play, 0, 0.1);
    double delay = play_between(play, 0.02, 0.5);
    int left = 0;
    for (int i = 0; i < 10 * TICKS_PER_HOUR; i++) {
        if (left-- == 0) {
            left = (int)play_between(play, 1, 90 * TICKS_PER_MINUTE);
            double wanted = play_between(play, 50, 1000);
            bool step = play_chance(play) < 0.5;
            pace = step ? 1 : pow(wanted / load, 1.0 / (left + 1));
            load = step ? wanted : load;
        }
        load *= pace;
        double now = load * (1 + noise * play_noise(play));
        value += delay * (per_load * now - value);
        play_tick(play, value * (1 + 0.02 * play_noise(play)), now);
    }
}

/* Reloads, failovers and upgrades move the level up and down. */
static void play_steps(struct play *play)
{
    double level = play_between(play, 50, 500), noise = play_between(play, 0, 20);
    for (int i = 0; i < 12 * TICKS_PER_HOUR; i++) {
        if (play_chance(play) < 1.0 / (2 * TICKS_PER_HOUR)) {
            level = play_between(play, 50, 700);
        }
        play_tick(play, level + noise * play_noise(play), 100);
    }
}

/* Spikes, short and up to some minutes long. */
static void play_spikes(struct play *play)
{
    double level = play_between(play, 50, 300), height = 0;
    int left = 0;
    for (int i = 0; i < 10 * TICKS_PER_HOUR; i++) {
        if (left-- <= 0 && play_chance(play) < 0.02) {
            left = (int)play_between(play, 1, 3 * TICKS_PER_MINUTE);
            height = play_between(play, 50, 600);
        }
        play_tick(play, level + (left > 0 ? height : 0) + 3 * play_noise(play), 100);
    }
}

/* Teeth of several sizes: what is collected, and given back now and then. */
static void play_teeth(struct play *play, double least_ticks, double most_ticks)
{
    double period = play_between(play, least_ticks, most_ticks), at = 0;
    double height = play_between(play, 10, 150), level = play_between(play, 50, 600), now = height;
    double noise = play_between(play, 0, 5);
    for (int i = 0; i < 14 * TICKS_PER_HOUR; i++) {
        at += now / period;
        if (at > now) {
            at = 0;
            now = height * play_between(play, 0.7, 1.3);
        }
        play_tick(play, level + at + noise * play_noise(play), 100);
    }
}

static void play_sawtooth(struct play *play)
{
    play_teeth(play, 2 * TICKS_PER_MINUTE, 10 * TICKS_PER_MINUTE);
}

/* The rhythm of days: load and value rise for hours in the morning. */
static void play_days(struct play *play)
{
    double begin = play_between(play, 0, 24 * TICKS_PER_HOUR), swing = play_between(play, 0.1, 0.9);
    double per_load = play_between(play, 0.1, 0.8), noise = play_between(play, 0, 0.1);
    double more = play_between(play, 1, 2.5), delay = play_between(play, 0.01, 0.5), value = 0;
    play->terms.follow.power = more < 1.3 ? 3 : 4;
    play->terms.follow.steep_power = more < 1.3 ? 0 : 30;
    for (int i = 0; i < 30 * TICKS_PER_HOUR; i++) {
        double hour = (begin + i) / TICKS_PER_HOUR;
        double load =
            500 * (1 + swing * sin(hour * 2 * M_PI / 24)) * (1 + noise * play_noise(play));
        /* more work for each request at a higher load */
        double wanted = per_load * 500 * pow(load / 500, more);
        value = i == 0 ? wanted : value + delay * (wanted - value);
        play_tick(play, value * (1 + 0.02 * play_noise(play)), load);
    }
}

/* A process that has just started comes to rest at a level far below its limit. */
static void play_warming(struct play *play)
{
    double rest = play_between(play, 10, 60), pace = play_between(play, 0.5, 15);
    double noise = play_between(play, 0, 3);
    for (int i = 0; i < 8 * TICKS_PER_HOUR; i++) {
        double value = 20 + rest * (1 - exp(-i / (pace * TICKS_PER_MINUTE)));
        play_tick(play, value + noise * play_noise(play), 100);
    }
}

#define NEVER(kind)                              \
    static void kind##_is_no_drift(void **state) \
    {                                            \
        (void)state;                             \
        assert_never_drifts(play_##kind, #kind); \
    }
NEVER(flat)
NEVER(load_changes)
NEVER(steps)
NEVER(spikes)
NEVER(sawtooth)
NEVER(days)
NEVER(warming)

/* Nobody can tell the first rise of a tooth that takes an hour from a leak; the third can be told. */
static void a_long_tooth_is_known_once_it_has_fallen(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < plays_count(); i++) {
        struct play play;
        play_begin(&play, base_seed + i);
        double period = play_between(&play, 10, 100) * TICKS_PER_MINUTE;
        for (int tick = 0; tick < 20 * TICKS_PER_HOUR; tick++) {
            double at = fmod(tick, period) / period;
            play_tick(&play, 300 + 150 * at + 3 * play_noise(&play), 100);
            if (tick > 2 * period + 10 * TICKS_PER_MINUTE && play.drift.state == DRIFT_DRIFTING) {
                fail_msg("seed %" PRIu64 ": period %f minutes, tick %d", base_seed + i,
                         period / TICKS_PER_MINUTE, tick);
            }
        }
    }
}

/* ---- leaks ---- */

struct leak {
    double per_tick, noise;
    double upto_ticks; /* it has to be found by then */
};

static void assert_found(struct leak leak, bool teeth)
{
    for (uint64_t i = 0; i < plays_count(); i++) {
        struct play play;
        play_begin(&play, base_seed + i);
        double level = play_between(&play, 50, 200);
        double period = play_between(&play, 10, 40);
        for (int tick = 0; tick < leak.upto_ticks && play.begun_count == 0; tick++) {
            double tooth = teeth ? leak.noise * 3 * fmod(tick, period) / period : 0;
            play_tick(&play, level + tick * leak.per_tick + tooth + leak.noise * play_noise(&play),
                      100 * (1 + 0.01 * play_noise(&play)));
        }
        if (play.begun_count == 0) {
            fail_msg("seed %" PRIu64 ": not found: %f a tick", base_seed + i, leak.per_tick);
        }
        const struct drift_estimate estimate =
            drift_estimate(&play.drift, &play.value, &play.terms);
        double level_now = level + (double)(play.tick - 1000000) * leak.per_tick;
        double left = (PLAY_LIMIT - level_now) / leak.per_tick;
        if (estimate.left_ticks < 0.75 * left || estimate.left_ticks > 1.25 * left) {
            fail_msg("seed %" PRIu64 ": %f left, estimate %f (window %d)", base_seed + i, left,
                     estimate.left_ticks, estimate.window);
        }
    }
}

/* The limit is met within an hour or two. */
static void a_fast_leak_is_found_in_a_quarter_of_an_hour(void **state)
{
    (void)state;
    assert_found((struct leak){2, 5, 15 * TICKS_PER_MINUTE}, false);
    assert_found((struct leak){2, 3, 20 * TICKS_PER_MINUTE}, true);
}

static void a_leak_of_hours_is_found_in_two_hours(void **state)
{
    (void)state;
    assert_found((struct leak){0.2, 4, 2 * TICKS_PER_HOUR}, false);
}

/* One in ten minutes, as in the outage after 28 days: the limit is five days away here. */
static void a_leak_of_days_is_found_in_a_day(void **state)
{
    (void)state;
    assert_found((struct leak){1.0 / 60, 2, 12 * TICKS_PER_HOUR}, false);
}

static void a_leak_of_weeks_is_found_when_noise_is_small(void **state)
{
    (void)state;
    assert_found((struct leak){1.0 / 180, 0.5, 12 * TICKS_PER_HOUR}, false);
}

static void a_leak_that_is_mended_ends_the_drift(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < plays_count(); i++) {
        struct play play;
        play_begin(&play, base_seed + i);
        for (int tick = 0; tick < 150; tick++) {
            play_tick(&play, 100 + tick * 2 + play_noise(&play), 100);
        }
        assert_int_equal(play.begun_count, 1);
        for (int tick = 0; tick < 60; tick++) {
            play_tick(&play, 400 + play_noise(&play), 100);
        }
        assert_int_equal(play.ended_count, 1);
        assert_int_equal(play.drift.state, DRIFT_STEADY);
    }
}

/* A queue that creeps while the load does not. */
static void a_queue_that_creeps_is_found(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < plays_count(); i++) {
        struct play play;
        play_begin(&play, base_seed + i);
        for (int tick = 0; tick < 12 * TICKS_PER_HOUR && play.begun_count == 0; tick++) {
            double level = 3 + tick / 30.0; /* 0.02% of the limit a tick */
            play_tick(&play, fmax(0, round(level * (1 + 0.3 * play_noise(&play)))),
                      100 * (1 + 0.02 * play_noise(&play)));
        }
        assert_int_equal(play.begun_count, 1);
    }
}

/* ---- the figures ---- */

static void what_is_not_sampled_is_missing_and_not_zero(void **state)
{
    struct play play;
    float points[HISTORY_POINTS];
    (void)state;
    play_begin(&play, 1);
    for (int i = 0; i < 100; i++) {
        play_tick(&play, 50, 1);
    }
    play.tick += 20;
    play_tick(&play, 50, 1);
    play_tick(&play, 50, 1);
    assert_int_equal(history_points(&play.value, HISTORY_SHORT, points), 40);
    assert_true(isnan(points[40]));
    assert_true(points[0] == 50 && points[59] == 50);
    assert_int_equal(history_points(&play.value, HISTORY_MIDDLE, points), 19);
    play.tick += 100000;
    play_tick(&play, 50, 1);
    assert_int_equal(history_points(&play.value, HISTORY_LONG, points), 0);
    assert_true(isnan(drift_estimate(&play.drift, &play.value, &play.terms).level));
}

static void a_point_of_a_longer_ring_is_the_mean_of_its_time(void **state)
{
    struct play play;
    float points[HISTORY_POINTS];
    (void)state;
    play_begin(&play, 1);
    play.tick = 36000 - 1;
    for (int i = 0; i <= 36; i++) {
        play_tick(&play, i, 1);
    }
    history_points(&play.value, HISTORY_MIDDLE, points);
    assert_true(points[59] == 32.5f && points[54] == 2.5f && isnan(points[53]));
    history_points(&play.value, HISTORY_LONG, points);
    assert_true(points[59] == 17.5f && isnan(points[58]));
}

static void a_figure_without_limit_is_judged_by_its_own_size(void **state)
{
    struct play play;
    (void)state;
    play_begin(&play, base_seed);
    play.terms.limit = INFINITY;
    for (int tick = 0; tick < 2 * TICKS_PER_HOUR; tick++) {
        play_tick(&play, 1000 + tick * 0.1, 100);
    }
    assert_int_equal(play.begun_count, 0);
    for (int tick = 0; tick < 2 * TICKS_PER_HOUR; tick++) {
        play_tick(&play, 1072 + tick * 20, 100);
    }
    assert_int_equal(play.drift.state, DRIFT_DRIFTING);
    assert_true(isinf(drift_estimate(&play.drift, &play.value, &play.terms).left_ticks));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_sampled_is_missing_and_not_zero),
        cmocka_unit_test(a_point_of_a_longer_ring_is_the_mean_of_its_time),
        cmocka_unit_test(a_figure_without_limit_is_judged_by_its_own_size),
        cmocka_unit_test(flat_is_no_drift),
        cmocka_unit_test(load_changes_is_no_drift),
        cmocka_unit_test(steps_is_no_drift),
        cmocka_unit_test(spikes_is_no_drift),
        cmocka_unit_test(sawtooth_is_no_drift),
        cmocka_unit_test(days_is_no_drift),
        cmocka_unit_test(warming_is_no_drift),
        cmocka_unit_test(a_long_tooth_is_known_once_it_has_fallen),
        cmocka_unit_test(a_fast_leak_is_found_in_a_quarter_of_an_hour),
        cmocka_unit_test(a_leak_of_hours_is_found_in_two_hours),
        cmocka_unit_test(a_leak_of_days_is_found_in_a_day),
        cmocka_unit_test(a_leak_of_weeks_is_found_when_noise_is_small),
        cmocka_unit_test(a_leak_that_is_mended_ends_the_drift),
        cmocka_unit_test(a_queue_that_creeps_is_found),
    };
    base_seed = play_first_seed();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
