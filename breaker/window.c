/* Running sums, marked at the beginning of each slot. */
#include "breaker/window.h"

#include <stddef.h>

#include "steady/check.h"

static uint64_t load(const uint64_t *value)
{
    return __atomic_load_n(value, __ATOMIC_RELAXED);
}

static void store(uint64_t *value, uint64_t n)
{
    __atomic_store_n(value, n, __ATOMIC_RELAXED);
}

void window_init(struct window *window, unsigned worker_count)
{
    CHECK(worker_count > 0);
    *window = (struct window){.lag_shift = 0};
    while (UINT64_C(1) << window->lag_shift < (uint64_t)WINDOW_LAG * worker_count) {
        window->lag_shift++;
    }
}

void window_turn(struct window *window, uint64_t now_ms, uint64_t slot_ms)
{
    CHECK(slot_ms > 0);
    /* A second thread does not wait: what it adds belongs to the slot before, by a hair. */
    if (__atomic_exchange_n(&window->marking, true, __ATOMIC_ACQUIRE)) {
        return;
    }
    if (now_ms >= load(&window->end_ms)) {
        uint64_t next = load(&window->newest) + 1;
        struct window_mark *mark = &window->marks[next % WINDOW_MARKS];
        uint64_t start_ms = now_ms - now_ms % slot_ms;
        store(&mark->start_ms, start_ms);
        for (unsigned i = 0; i < WINDOW_SUMS; i++) {
            store(&mark->sums[i], load(&window->sums[i]));
        }
        __atomic_store_n(&window->newest, next, __ATOMIC_RELEASE);
        store(&window->end_ms, start_ms + slot_ms);
        __atomic_fetch_add(&window->serial, 1, __ATOMIC_RELAXED);
    }
    __atomic_store_n(&window->marking, false, __ATOMIC_RELEASE);
}

void window_add(struct window *window, unsigned sum, uint64_t n, uint64_t now_ms, uint64_t slot_ms)
{
    if (window_is_over(window, now_ms)) {
        window_turn(window, now_ms, slot_ms);
    }
    __atomic_fetch_add(&window->sums[sum], n, __ATOMIC_RELAXED);
}

void window_clear(struct window *window)
{
    for (unsigned i = 0; i < WINDOW_SUMS; i++) {
        store(&window->base[i], load(&window->sums[i]));
    }
    __atomic_fetch_add(&window->serial, 1, __ATOMIC_RELAXED);
}

/* The sum at the mark, or at the last clearing if that is later. */
static uint64_t later(const struct window *window, const struct window_mark *mark, unsigned sum)
{
    uint64_t at_mark = load(&mark->sums[sum]);
    uint64_t base = load(&window->base[sum]);
    return at_mark > base ? at_mark : base;
}

void window_sum(const struct window *window, uint64_t now_ms, uint64_t slot_ms, unsigned slot_count,
                uint64_t ret_sums[WINDOW_SUMS])
{
    CHECK(slot_ms > 0 && slot_count > 0 && slot_count <= WINDOW_SLOTS_MAX);
    uint64_t start_ms = now_ms - now_ms % slot_ms;
    uint64_t past_ms = slot_ms * (slot_count - 1);
    uint64_t oldest_ms = start_ms > past_ms ? start_ms - past_ms : 0;
    uint64_t newest = __atomic_load_n(&window->newest, __ATOMIC_ACQUIRE);
    const struct window_mark *from = NULL;
    for (unsigned i = 0; i < slot_count; i++) {
        const struct window_mark *mark = &window->marks[(newest - i) % WINDOW_MARKS];
        if (load(&mark->start_ms) < oldest_ms) {
            break;
        }
        from = mark;
    }
    for (unsigned i = 0; i < WINDOW_SUMS; i++) {
        /* A thread that was paused while the whole ring passed may find a mark newer than the sum that it reads then. */
        uint64_t since = from != NULL ? later(window, from, i) : 0;
        uint64_t sum = load(&window->sums[i]);
        ret_sums[i] = from != NULL && sum > since ? sum - since : 0;
    }
}
