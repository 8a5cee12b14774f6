/* Timers fire once, never early, at most a tick late, whatever callbacks do to them. */
#include "tests/unit/unit.h"

#include "steady/rng.h"
#include "steady/wheel.h"

#define TICK WHEEL_TICK_MS
#define SPAN ((uint64_t)WHEEL_SLOTS * WHEEL_TICK_MS)

/* A timer that notes its firings and may do something to another one. */
struct probe {
    struct wheel_timer timer;
    uint64_t fired_count;
    uint64_t fired_ms;
    struct wheel *wheel;
    struct probe *other;
    uint64_t again_ms; /* arms itself for this time, if not 0 */
    uint64_t other_ms; /* arms the other for this time, or disarms it if 0 */
};

static struct wheel wheel;

static void note(struct wheel_timer *timer, uint64_t now_ms)
{
    struct probe *probe = (struct probe *)timer;
    assert_false(wheel_timer_armed(timer));
    probe->fired_count++;
    probe->fired_ms = now_ms;
    if (probe->again_ms != 0) {
        wheel_arm(&wheel, timer, probe->again_ms);
    }
    if (probe->other != NULL && probe->other_ms != 0) {
        wheel_arm(&wheel, &probe->other->timer, probe->other_ms);
    } else if (probe->other != NULL) {
        wheel_disarm(&wheel, &probe->other->timer);
    }
}

static void probes_init(struct probe *probes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        probes[i] = (struct probe){.fired_count = 0};
        wheel_timer_init(&probes[i].timer, note);
    }
}

static void a_timer_fires_once_within_a_tick_of_its_time(void **state)
{
    (void)state;
    struct probe probe;
    for (uint64_t start_ms = 0; start_ms < 3 * TICK; start_ms++) {
        for (uint64_t wait_ms = 1; wait_ms < 4 * TICK; wait_ms++) {
            wheel_init(&wheel, start_ms);
            probes_init(&probe, 1);
            uint64_t due_ms = start_ms + wait_ms;
            wheel_arm(&wheel, &probe.timer, due_ms);
            assert_true(wheel_timer_armed(&probe.timer));
            for (uint64_t now_ms = start_ms; now_ms < due_ms + 2 * TICK; now_ms++) {
                wheel_advance(&wheel, now_ms);
            }
            assert_int_equal(probe.fired_count, 1);
            assert_in_range(probe.fired_ms, due_ms, due_ms + TICK - 1);
            assert_int_equal(wheel.armed_count, 0);
        }
    }
}

static void a_timer_beyond_the_horizon_waits_its_full_time(void **state)
{
    (void)state;
    static const uint64_t waits_ms[] = {SPAN - TICK, SPAN - 1, SPAN,        SPAN + 1,
                                        SPAN + TICK, 2 * SPAN, 7 * SPAN + 5};
    struct probe probe;
    for (size_t i = 0; i < sizeof waits_ms / sizeof waits_ms[0]; i++) {
        wheel_init(&wheel, 1003);
        probes_init(&probe, 1);
        uint64_t due_ms = 1003 + waits_ms[i];
        wheel_arm(&wheel, &probe.timer, due_ms);
        for (uint64_t now_ms = 1003; now_ms < due_ms + 2 * TICK; now_ms++) {
            wheel_advance(&wheel, now_ms);
        }
        assert_int_equal(probe.fired_count, 1);
        assert_in_range(probe.fired_ms, due_ms, due_ms + TICK - 1);
    }
}

static void sleeping_until_the_next_time_misses_nothing(void **state)
{
    (void)state;
    struct probe probe;
    wheel_init(&wheel, 500);
    probes_init(&probe, 1);
    assert_true(wheel_next_ms(&wheel) == UINT64_MAX);
    wheel_arm(&wheel, &probe.timer, 500 + 3 * SPAN + 1);
    int wake_ups = 0;
    while (probe.fired_count == 0) {
        uint64_t next_ms = wheel_next_ms(&wheel);
        assert_true(next_ms <= 500 + 3 * SPAN + 1 + TICK);
        wheel_advance(&wheel, next_ms);
        wake_ups++;
    }
    assert_in_range(probe.fired_ms, 500 + 3 * SPAN + 1, 500 + 3 * SPAN + TICK);
    assert_true(wake_ups <= 4);
    assert_true(wheel_next_ms(&wheel) == UINT64_MAX);
}

static void a_timer_pushed_ahead_fires_at_its_last_time_only(void **state)
{
    (void)state;
    struct probe probe;
    wheel_init(&wheel, 0);
    probes_init(&probe, 1);
    uint64_t due_ms = 0;
    for (uint64_t now_ms = 0; now_ms < 3 * SPAN; now_ms += 3) {
        wheel_advance(&wheel, now_ms);
        due_ms = now_ms + 100;
        wheel_arm(&wheel, &probe.timer, due_ms);
    }
    assert_int_equal(probe.fired_count, 0);
    assert_int_equal(wheel.armed_count, 1);
    assert_int_equal(wheel_advance(&wheel, due_ms - 1), 0);
    assert_int_equal(wheel_advance(&wheel, due_ms + TICK), 1);
}

static void a_timer_drawn_earlier_fires_earlier(void **state)
{
    (void)state;
    struct probe probe;
    wheel_init(&wheel, 1000);
    probes_init(&probe, 1);
    wheel_arm(&wheel, &probe.timer, 60000);
    wheel_arm(&wheel, &probe.timer, 2000);
    wheel_arm(&wheel, &probe.timer, 3000);
    wheel_arm(&wheel, &probe.timer, 1504);
    assert_int_equal(wheel.armed_count, 1);
    assert_int_equal(wheel_advance(&wheel, 1503), 0);
    assert_int_equal(wheel_advance(&wheel, 1504), 1);
    assert_int_equal(wheel_advance(&wheel, 100000), 0);
}

static void a_past_time_fires_at_the_next_advance(void **state)
{
    (void)state;
    static const uint64_t past_ms[] = {0, 1, 900, 1000};
    struct probe probe;
    for (size_t i = 0; i < sizeof past_ms / sizeof past_ms[0]; i++) {
        wheel_init(&wheel, 1000);
        probes_init(&probe, 1);
        wheel_arm(&wheel, &probe.timer, past_ms[i]);
        assert_true(wheel_timer_armed(&probe.timer));
        assert_true(wheel_next_ms(&wheel) <= 1000);
        assert_int_equal(wheel_advance(&wheel, 1000), 1);
        assert_int_equal(probe.fired_ms, 1000);
        assert_int_equal(wheel_advance(&wheel, 1000), 0);
    }
}

static void a_past_timer_can_be_moved_to_the_future_and_disarmed(void **state)
{
    (void)state;
    struct probe probes[2];
    wheel_init(&wheel, 1000);
    probes_init(probes, 2);
    wheel_arm(&wheel, &probes[0].timer, 500);
    wheel_arm(&wheel, &probes[0].timer, 2000);
    wheel_arm(&wheel, &probes[1].timer, 500);
    wheel_disarm(&wheel, &probes[1].timer);
    assert_int_equal(wheel_advance(&wheel, 1999), 0);
    assert_int_equal(wheel_advance(&wheel, 2000), 1);
    assert_int_equal(probes[0].fired_count, 1);
}

static void a_disarmed_timer_does_not_fire(void **state)
{
    (void)state;
    struct probe probe;
    wheel_init(&wheel, 1000);
    probes_init(&probe, 1);
    wheel_disarm(&wheel, &probe.timer);
    wheel_arm(&wheel, &probe.timer, 1100);
    wheel_disarm(&wheel, &probe.timer);
    wheel_disarm(&wheel, &probe.timer);
    assert_false(wheel_timer_armed(&probe.timer));
    assert_int_equal(wheel.armed_count, 0);
    assert_true(wheel_next_ms(&wheel) == UINT64_MAX);
    assert_int_equal(wheel_advance(&wheel, 5000), 0);
    assert_int_equal(probe.fired_count, 0);
}

static void a_clock_that_jumps_far_fires_everything_due(void **state)
{
    (void)state;
    enum { COUNT = 100 };
    struct probe probes[COUNT];
    wheel_init(&wheel, 0);
    probes_init(probes, COUNT);
    for (uint64_t i = 0; i < COUNT; i++) {
        wheel_arm(&wheel, &probes[i].timer, 1 + i * 1000);
    }
    assert_int_equal(wheel_advance(&wheel, 50 * 1000), 50);
    assert_int_equal(wheel_advance(&wheel, UINT64_MAX / 2), 50);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(probes[i].fired_count, 1);
    }
}

static void a_clock_that_stands_or_steps_back_fires_nothing(void **state)
{
    (void)state;
    struct probe probe;
    wheel_init(&wheel, 1000);
    probes_init(&probe, 1);
    wheel_arm(&wheel, &probe.timer, 1100);
    assert_int_equal(wheel_advance(&wheel, 1000), 0);
    assert_int_equal(wheel_advance(&wheel, 0), 0);
    assert_int_equal(wheel_advance(&wheel, 1104), 1);
}

static void the_last_deadline_of_all_is_kept(void **state)
{
    (void)state;
    struct probe probe;
    wheel_init(&wheel, 1000);
    probes_init(&probe, 1);
    wheel_arm(&wheel, &probe.timer, UINT64_MAX);
    assert_int_equal(wheel_advance(&wheel, 100 * SPAN), 0);
    assert_true(wheel_timer_armed(&probe.timer));
    assert_int_equal(probe.timer.due_ms, UINT64_MAX);
    wheel_disarm(&wheel, &probe.timer);
}

static void a_callback_that_arms_itself_in_the_past_fires_once_an_advance(void **state)
{
    (void)state;
    struct probe probe;
    wheel_init(&wheel, 1000);
    probes_init(&probe, 1);
    probe.again_ms = 1;
    wheel_arm(&wheel, &probe.timer, 1200);
    assert_int_equal(wheel_advance(&wheel, 1200), 1);
    assert_true(wheel_next_ms(&wheel) <= 1200);
    assert_int_equal(wheel_advance(&wheel, 1200), 1);
    assert_int_equal(wheel_advance(&wheel, 9000), 1);
    assert_int_equal(probe.fired_count, 3);
}

static void a_callback_may_disarm_what_is_due_in_the_same_tick(void **state)
{
    (void)state;
    struct probe probes[2];
    for (int past = 0; past < 2; past++) {
        wheel_init(&wheel, 1000);
        probes_init(probes, 2);
        probes[0].other = &probes[1];
        probes[1].other = &probes[0];
        for (int i = 0; i < 2; i++) {
            wheel_arm(&wheel, &probes[i].timer, past ? 900 : 1200);
        }
        assert_int_equal(wheel_advance(&wheel, 1200), 1);
        assert_int_equal(probes[0].fired_count + probes[1].fired_count, 1);
        assert_int_equal(wheel.armed_count, 0);
    }
}

static void a_callback_may_postpone_what_is_due_in_the_same_tick(void **state)
{
    (void)state;
    struct probe probes[2];
    wheel_init(&wheel, 1000);
    probes_init(probes, 2);
    for (int i = 0; i < 2; i++) {
        probes[i].other = &probes[1 - i];
        probes[i].other_ms = 5000;
        wheel_arm(&wheel, &probes[i].timer, 1200);
    }
    assert_int_equal(wheel_advance(&wheel, 1200), 1);
    assert_int_equal(wheel.armed_count, 1);
    assert_int_equal(wheel_advance(&wheel, 4999), 0);
    assert_int_equal(wheel_advance(&wheel, 5000), 1);
}

static void what_a_callback_arms_within_the_jump_fires_in_it(void **state)
{
    (void)state;
    struct probe probes[2];
    wheel_init(&wheel, 1000);
    probes_init(probes, 2);
    probes[0].other = &probes[1];
    probes[0].other_ms = 1304;
    wheel_arm(&wheel, &probes[0].timer, 1200);
    assert_int_equal(wheel_advance(&wheel, 1304), 2);
}

/* The first callback puts the third timer into the past, the second one draws it on to a time within the jump. */
static void a_past_timer_that_a_callback_draws_on_within_the_jump_fires_in_it(void **state)
{
    (void)state;
    struct probe probes[3];
    wheel_init(&wheel, 1000);
    probes_init(probes, 3);
    probes[0].other = probes[1].other = &probes[2];
    probes[0].other_ms = 1;
    probes[1].other_ms = 1400;
    wheel_arm(&wheel, &probes[0].timer, 1200);
    wheel_arm(&wheel, &probes[1].timer, 1304);
    assert_int_equal(wheel_advance(&wheel, 1600), 3);
}

static void free_owner(struct wheel_timer *timer, uint64_t now_ms)
{
    (void)now_ms;
    free(timer);
}

static void a_callback_may_free_its_owner(void **state)
{
    (void)state;
    wheel_init(&wheel, 1000);
    for (int i = 0; i < 10; i++) {
        struct wheel_timer *timer = malloc(sizeof *timer);
        wheel_timer_init(timer, free_owner);
        wheel_arm(&wheel, timer, 1200);
    }
    assert_int_equal(wheel_advance(&wheel, 1200), 10);
}

static void arm_without_a_callback(void *argument)
{
    struct wheel_timer timer;
    (void)argument;
    wheel_timer_init(&timer, NULL);
    wheel_arm(&wheel, &timer, 10);
}

static void a_timer_without_a_callback_is_refused(void **state)
{
    (void)state;
    wheel_init(&wheel, 0);
    assert_aborts(arm_without_a_callback, NULL, "steady/wheel.c:");
}

/* The naive model: a due time per timer, looked through from end to end. */
enum { TIMERS = 300 };

struct model {
    struct rng rng;
    struct wheel_timer timers[TIMERS];
    uint64_t due_ms[TIMERS]; /* 0: disarmed */
    bool late_comer[TIMERS]; /* armed by a callback for a tick that had passed: next advance */
    uint64_t now_ms;
    uint64_t last_tick; /* of the timer that fired last in this advance */
    uint64_t armed_count;
};

static struct model *model;

static uint64_t tick_of(uint64_t ms)
{
    return (ms + TICK - 1) / TICK;
}

static uint64_t random_due_ms(void)
{
    static const uint64_t spans_ms[] = {1, 20, 300, 5000, SPAN, 2 * SPAN, 20 * SPAN};
    uint64_t span_ms = spans_ms[rng_below(&model->rng, sizeof spans_ms / sizeof spans_ms[0])];
    uint64_t base_ms = model->now_ms - (rng_below(&model->rng, 20) == 0 ? span_ms : 0);
    return base_ms + rng_below(&model->rng, span_ms + 1);
}

/* Arms or disarms any timer in both. tick: the last one that was handled. */
static void change_one(uint64_t tick)
{
    size_t i = rng_below(&model->rng, TIMERS);
    model->armed_count -= model->due_ms[i] != 0;
    if (rng_below(&model->rng, 4) == 0) {
        wheel_disarm(&wheel, &model->timers[i]);
        model->due_ms[i] = 0;
    } else {
        model->due_ms[i] = random_due_ms();
        wheel_arm(&wheel, &model->timers[i], model->due_ms[i]);
        model->late_comer[i] = tick_of(model->due_ms[i]) <= tick;
    }
    model->armed_count += model->due_ms[i] != 0;
}

static void check_firing(struct wheel_timer *timer, uint64_t now_ms)
{
    size_t i = (size_t)(timer - model->timers);
    assert_int_equal(now_ms, model->now_ms);
    assert_true(model->due_ms[i] != 0);
    uint64_t tick = tick_of(model->due_ms[i]);
    assert_true(tick * TICK <= now_ms);
    if (!model->late_comer[i]) {
        assert_true(tick >= model->last_tick);
        model->last_tick = tick;
    }
    model->due_ms[i] = 0;
    model->armed_count--;
    for (uint64_t n = rng_below(&model->rng, 3); n > 0; n--) {
        change_one(wheel.tick);
    }
}

static void check_against_model(void)
{
    uint64_t earliest_tick = UINT64_MAX;
    bool late_comers = false;
    for (size_t i = 0; i < TIMERS; i++) {
        assert_int_equal(wheel_timer_armed(&model->timers[i]), model->due_ms[i] != 0);
        if (model->due_ms[i] == 0) {
            continue;
        }
        uint64_t tick = tick_of(model->due_ms[i]);
        if (tick < earliest_tick) {
            earliest_tick = tick;
        }
        if (tick <= model->now_ms / TICK) {
            late_comers = true;
        }
    }
    assert_int_equal(wheel.armed_count, model->armed_count);
    uint64_t next_ms = wheel_next_ms(&wheel);
    if (earliest_tick == UINT64_MAX) {
        assert_true(next_ms == UINT64_MAX);
    } else {
        assert_true(next_ms <= earliest_tick * TICK || late_comers);
    }
    assert_true(next_ms > model->now_ms || late_comers);
}

static void every_timer_does_as_the_naive_model_says(void **state)
{
    (void)state;
    model = calloc(1, sizeof *model);
    rng_init(&model->rng, unit_seed());
    model->now_ms = 10 * SPAN + rng_below(&model->rng, SPAN);
    wheel_init(&wheel, model->now_ms);
    for (int i = 0; i < TIMERS; i++) {
        wheel_timer_init(&model->timers[i], check_firing);
    }

    uint64_t fired_count = 0;
    for (int round = 0; round < 40000; round++) {
        for (uint64_t n = rng_below(&model->rng, 5); n > 0; n--) {
            change_one(wheel.tick);
        }
        check_against_model();

        static const uint64_t steps_ms[] = {0, 1, TICK, 50, 1000, SPAN, 3 * SPAN};
        uint64_t sort = rng_below(&model->rng, 100);
        uint64_t longest_ms = steps_ms[sort < 97 ? sort % 4 : 4 + sort % 3];
        model->now_ms += rng_below(&model->rng, longest_ms + 1);
        uint64_t tick = model->now_ms / TICK;
        bool must_fire[TIMERS];
        for (int i = 0; i < TIMERS; i++) {
            must_fire[i] = model->due_ms[i] != 0 && tick_of(model->due_ms[i]) <= tick;
        }
        model->last_tick = 0;
        fired_count += wheel_advance(&wheel, model->now_ms);
        for (int i = 0; i < TIMERS; i++) {
            /* What is still armed for a tick that passed was armed so by a callback. */
            if (must_fire[i] && model->due_ms[i] != 0 && tick_of(model->due_ms[i]) <= tick) {
                assert_true(model->late_comer[i]);
            }
        }
    }
    assert_true(fired_count > 10000);
    for (int i = 0; i < TIMERS; i++) {
        wheel_disarm(&wheel, &model->timers[i]);
    }
    assert_int_equal(wheel.armed_count, 0);
    assert_true(wheel_next_ms(&wheel) == UINT64_MAX);
    free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_timer_fires_once_within_a_tick_of_its_time),
        cmocka_unit_test(a_timer_beyond_the_horizon_waits_its_full_time),
        cmocka_unit_test(sleeping_until_the_next_time_misses_nothing),
        cmocka_unit_test(a_timer_pushed_ahead_fires_at_its_last_time_only),
        cmocka_unit_test(a_timer_drawn_earlier_fires_earlier),
        cmocka_unit_test(a_past_time_fires_at_the_next_advance),
        cmocka_unit_test(a_past_timer_can_be_moved_to_the_future_and_disarmed),
        cmocka_unit_test(a_disarmed_timer_does_not_fire),
        cmocka_unit_test(a_clock_that_jumps_far_fires_everything_due),
        cmocka_unit_test(a_clock_that_stands_or_steps_back_fires_nothing),
        cmocka_unit_test(the_last_deadline_of_all_is_kept),
        cmocka_unit_test(a_callback_that_arms_itself_in_the_past_fires_once_an_advance),
        cmocka_unit_test(a_callback_may_disarm_what_is_due_in_the_same_tick),
        cmocka_unit_test(a_callback_may_postpone_what_is_due_in_the_same_tick),
        cmocka_unit_test(what_a_callback_arms_within_the_jump_fires_in_it),
        cmocka_unit_test(a_past_timer_that_a_callback_draws_on_within_the_jump_fires_in_it),
        cmocka_unit_test(a_callback_may_free_its_owner),
        cmocka_unit_test(a_timer_without_a_callback_is_refused),
        cmocka_unit_test(every_timer_does_as_the_naive_model_says),
    };
    return cmocka_run_group_tests_name("wheel", tests, NULL, NULL);
}
