/* A window's sums are those of its slots, whoever adds; what locals keep back is small and falls on the safe side. */
#include "tests/unit/unit.h"

#include <pthread.h>

#include "breaker/window.h"
#include "steady/check.h"
#include "steady/rng.h"

#define SLOT 1000
#define SLOTS 10
#define THREADS 8

static uint64_t sum_at(const struct window *window, uint64_t now_ms, unsigned sum)
{
    uint64_t sums[WINDOW_SUMS];
    window_sum(window, now_ms, SLOT, SLOTS, sums);
    return sums[sum];
}

static void lane_add(struct window *window, struct window_local *local, unsigned sum,
                     uint64_t now_ms)
{
    if (window_is_over(window, now_ms)) {
        window_turn(window, now_ms, SLOT);
    }
    window_local_add(window, local, sum);
}

static void what_is_added_leaves_after_ten_slots(void **state)
{
    (void)state;
    for (uint64_t start_ms = 50000; start_ms < 52000; start_ms += 333) {
        struct window window;
        window_init(&window, 1);
        assert_int_equal(sum_at(&window, start_ms, 0), 0);
        window_add(&window, 0, 3, start_ms, SLOT);
        window_add(&window, 2, 5, start_ms, SLOT);
        uint64_t gone_ms = start_ms - start_ms % SLOT + SLOTS * SLOT;
        assert_int_equal(sum_at(&window, start_ms, 0), 3);
        assert_int_equal(sum_at(&window, gone_ms - 1, 0), 3);
        assert_int_equal(sum_at(&window, gone_ms - 1, 1), 0);
        assert_int_equal(sum_at(&window, gone_ms - 1, 2), 5);
        assert_int_equal(sum_at(&window, gone_ms, 0), 0);
        assert_int_equal(sum_at(&window, gone_ms, 2), 0);
        assert_int_equal(sum_at(&window, gone_ms + 1000000, 0), 0);
    }
}

static void time_near_zero_is_time(void **state)
{
    (void)state;
    struct window window;
    window_init(&window, 1);
    window_add(&window, 0, 1, 0, SLOT);
    window_add(&window, 0, 1, 999, SLOT);
    window_add(&window, 0, 1, 1000, SLOT);
    assert_int_equal(sum_at(&window, 1000, 0), 3);
    assert_int_equal(sum_at(&window, 9999, 0), 3);
    assert_int_equal(sum_at(&window, 10000, 0), 1);
    assert_int_equal(sum_at(&window, 11000, 0), 0);
}

static void clearing_forgets_what_was_and_counts_what_comes(void **state)
{
    (void)state;
    struct window window;
    struct window_local local = {.serial = 0};
    window_init(&window, 1);
    window_add(&window, 0, 7, 5000, SLOT);
    for (int i = 0; i < 1000; i++) {
        lane_add(&window, &local, 1, 5100);
    }
    window_clear(&window);
    assert_int_equal(sum_at(&window, 5100, 0), 0);
    assert_int_equal(sum_at(&window, 5100, 1), 0);
    window_add(&window, 0, 2, 5200, SLOT);
    lane_add(&window, &local, 1, 5200);
    assert_int_equal(sum_at(&window, 5200, 0), 2);
    assert_int_equal(sum_at(&window, 5200, 1), 1);
    assert_int_equal(sum_at(&window, 14999, 0), 2);
    assert_int_equal(sum_at(&window, 15000, 0), 0);
}

static void slots_may_change_their_length(void **state)
{
    (void)state;
    struct window window;
    uint64_t sums[WINDOW_SUMS];
    window_init(&window, 1);
    for (uint64_t now_ms = 100000; now_ms < 120000; now_ms += 100) {
        window_add(&window, 0, 1, now_ms, 1000);
    }
    /* Longer: no more than there is, all of it once the longer slots have come. */
    window_sum(&window, 119900, 6000, SLOTS, sums);
    assert_in_range(sums[0], 91, 200);
    for (uint64_t now_ms = 120000; now_ms < 240000; now_ms += 100) {
        window_add(&window, 0, 1, now_ms, 6000);
    }
    window_sum(&window, 239900, 6000, SLOTS, sums);
    assert_in_range(sums[0], 540, 600);
    /* Shorter: nothing that is too old. */
    window_sum(&window, 239900, 1000, SLOTS, sums);
    assert_in_range(sums[0], 1, 100);
    for (uint64_t now_ms = 240000; now_ms < 260000; now_ms += 100) {
        window_add(&window, 0, 1, now_ms, 1000);
    }
    window_sum(&window, 259900, 1000, SLOTS, sums);
    assert_in_range(sums[0], 91, 100);
}

/* Additions as they come, each remembered. */
struct model {
    uint64_t tick, sum, n;
};

static void random_additions_sum_up_as_in_a_list(void **state)
{
    (void)state;
    enum { ROUNDS = 40, ADDITIONS = 400 };
    static struct model model[ADDITIONS];
    struct rng rng;
    rng_init(&rng, unit_seed());
    for (int round = 0; round < ROUNDS; round++) {
        struct window window;
        window_init(&window, 1);
        uint64_t slot_ms = 1 + rng_below(&rng, 2000);
        unsigned slots = 1 + (unsigned)rng_below(&rng, WINDOW_SLOTS_MAX);
        uint64_t now_ms = rng_below(&rng, 100000), clear_from = 0;
        for (uint64_t i = 0; i < ADDITIONS; i++) {
            if (rng_below(&rng, 3) == 0) {
                now_ms += rng_below(&rng, slot_ms * (rng_below(&rng, 10) == 0 ? 20 : 1));
            }
            model[i] = (struct model){now_ms / slot_ms, rng_below(&rng, WINDOW_SUMS),
                                      rng_below(&rng, 100)};
            window_add(&window, (unsigned)model[i].sum, model[i].n, now_ms, slot_ms);
            if (rng_below(&rng, 100) == 0) {
                window_clear(&window);
                clear_from = i + 1;
            }
            uint64_t later_ms = now_ms + rng_below(&rng, 2) * rng_below(&rng, slot_ms * 12);
            uint64_t expected[WINDOW_SUMS] = {0}, sums[WINDOW_SUMS];
            for (uint64_t j = clear_from; j <= i; j++) {
                if (model[j].tick + slots > later_ms / slot_ms) {
                    expected[model[j].sum] += model[j].n;
                }
            }
            window_sum(&window, later_ms, slot_ms, slots, sums);
            for (int j = 0; j < WINDOW_SUMS; j++) {
                assert_int_equal(sums[j], expected[j]);
            }
        }
    }
}

static void a_lane_keeps_nothing_back_while_there_is_little(void **state)
{
    (void)state;
    struct window window;
    struct window_local locals[4] = {{.serial = 0}};
    window_init(&window, 4);
    for (uint64_t i = 0; i < WINDOW_LAG * 4 * 2 - 1; i++) {
        lane_add(&window, &locals[i % 4], 0, 7000);
        assert_int_equal(sum_at(&window, 7000, 0), i + 1);
    }
}

static void lanes_together_keep_back_less_than_their_share(void **state)
{
    (void)state;
    enum { LANES = 5, ADDITIONS = 300000 };
    struct window window;
    struct window_local locals[LANES] = {{.serial = 0}};
    struct rng rng;
    rng_init(&rng, unit_seed());
    window_init(&window, LANES);
    for (uint64_t i = 1; i <= ADDITIONS; i++) {
        lane_add(&window, &locals[rng_below(&rng, LANES)], 0, 7000);
        uint64_t sum = sum_at(&window, 7000, 0);
        assert_true(sum <= i);
        assert_true(i - sum <= i / WINDOW_LAG);
    }
    for (int i = 0; i < LANES; i++) {
        window_local_flush(&window, &locals[i], 0);
    }
    assert_int_equal(sum_at(&window, 7000, 0), ADDITIONS);
}

static void a_lane_does_not_bring_old_additions_into_a_new_slot(void **state)
{
    (void)state;
    struct window window;
    struct window_local busy = {.serial = 0}, other = {.serial = 0};
    window_init(&window, 1);
    for (int i = 0; i < 100000; i++) {
        lane_add(&window, &busy, 0, 7000);
    }
    uint64_t before = sum_at(&window, 7000, 0);
    lane_add(&window, &other, 0, 8000);
    window_local_flush(&window, &busy, 0);
    lane_add(&window, &busy, 0, 8000);
    assert_int_equal(sum_at(&window, 8000, 0), before + 2);
    assert_int_equal(sum_at(&window, 17000, 0), 2);
}

struct adder {
    struct window *window;
    uint64_t *clock_ms;
};

#define ADDITIONS_PER_THREAD 200000

static void *add_many(void *argument)
{
    struct adder *adder = argument;
    struct window_local local = {.serial = 0};
    for (uint64_t i = 0; i < ADDITIONS_PER_THREAD; i++) {
        /* Everybody's additions drive the clock: many slots pass while all add. */
        uint64_t now_ms = __atomic_load_n(adder->clock_ms, __ATOMIC_RELAXED);
        window_add(adder->window, 0, 1, now_ms, SLOT);
        lane_add(adder->window, &local, 1, now_ms);
        if (i % 16 == 0) {
            __atomic_fetch_add(adder->clock_ms, 1, __ATOMIC_RELAXED);
        }
        if (i % 1024 == 0) {
            CHECK(sum_at(adder->window, now_ms, 0) <= THREADS * ADDITIONS_PER_THREAD);
        }
    }
    return NULL;
}

static void run_adders(struct window *window, uint64_t *clock_ms)
{
    pthread_t threads[THREADS];
    struct adder adder = {.window = window, .clock_ms = clock_ms};
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, add_many, &adder), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
}

static void eight_threads_lose_nothing_while_slots_pass(void **state)
{
    (void)state;
    struct window window;
    uint64_t clock_ms = 1000000;
    uint64_t all = (uint64_t)THREADS * ADDITIONS_PER_THREAD;
    window_init(&window, THREADS);
    run_adders(&window, &clock_ms);
    /* Nothing is ever lost from the running sum; locals lose less than their share of each slot. */
    assert_int_equal(window.sums[0], all);
    assert_in_range(window.sums[1], all - all / WINDOW_LAG - THREADS, all);
    /* The last ten slots hold their share of a steady stream, give or take a slot and how unevenly the threads ran. */
    uint64_t per_slot = all / ((clock_ms - 1000000) / SLOT);
    assert_in_range(sum_at(&window, clock_ms, 0), per_slot * 7, per_slot * 13);
    assert_int_equal(sum_at(&window, clock_ms + SLOTS * SLOT, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_added_leaves_after_ten_slots),
        cmocka_unit_test(time_near_zero_is_time),
        cmocka_unit_test(clearing_forgets_what_was_and_counts_what_comes),
        cmocka_unit_test(slots_may_change_their_length),
        cmocka_unit_test(random_additions_sum_up_as_in_a_list),
        cmocka_unit_test(a_lane_keeps_nothing_back_while_there_is_little),
        cmocka_unit_test(lanes_together_keep_back_less_than_their_share),
        cmocka_unit_test(a_lane_does_not_bring_old_additions_into_a_new_slot),
        cmocka_unit_test(eight_threads_lose_nothing_while_slots_pass),
    };
    return cmocka_run_group_tests_name("window", tests, NULL, NULL);
}
