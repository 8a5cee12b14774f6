/* A one-level timing wheel whose timers move lazily. */
#include "steady/wheel.h"

#include <stddef.h>

#include "steady/check.h"

#define WORDS (WHEEL_SLOTS / 64)
#define NEVER UINT64_MAX

/* The first tick that is not before the time. */
static uint64_t tick_of(uint64_t due_ms)
{
    return due_ms / WHEEL_TICK_MS + (due_ms % WHEEL_TICK_MS != 0);
}

static size_t slot_of(uint64_t tick)
{
    return tick % WHEEL_SLOTS;
}

void wheel_init(struct wheel *wheel, uint64_t now_ms)
{
    *wheel = (struct wheel){.tick = now_ms / WHEEL_TICK_MS};
}

void wheel_timer_init(struct wheel_timer *timer, wheel_fire_fn *fire)
{
    *timer = (struct wheel_timer){.fire = fire};
}

/* Puts a timer that is in no list where due_ms belongs: ticks that were handled are past, and what is beyond the
   horizon waits in the farthest slot. */
static void insert(struct wheel *wheel, struct wheel_timer *timer, uint64_t due_ms)
{
    timer->due_ms = due_ms;
    uint64_t tick = tick_of(due_ms);
    if (tick <= wheel->tick) {
        timer->slot_ms = NEVER;
        LIST_INSERT_HEAD(&wheel->past, timer, link);
        return;
    }
    if (tick - wheel->tick >= WHEEL_SLOTS) {
        tick = wheel->tick + WHEEL_SLOTS - 1;
    }
    timer->slot_ms = (tick - 1) * WHEEL_TICK_MS + 1;
    size_t slot = slot_of(tick);
    LIST_INSERT_HEAD(&wheel->slots[slot], timer, link);
    wheel->occupied[slot / 64] |= UINT64_C(1) << slot % 64;
}

/* For a past timer the slot is any; its bit says what it said. */
static void take_out(struct wheel *wheel, struct wheel_timer *timer)
{
    LIST_REMOVE(timer, link);
    size_t slot = slot_of(tick_of(timer->slot_ms));
    if (LIST_EMPTY(&wheel->slots[slot])) {
        wheel->occupied[slot / 64] &= ~(UINT64_C(1) << slot % 64);
    }
}

void wheel_place(struct wheel *wheel, struct wheel_timer *timer, uint64_t due_ms)
{
    CHECK(timer->fire != NULL);
    if (wheel_timer_armed(timer)) {
        take_out(wheel, timer);
    } else {
        wheel->armed_count++;
    }
    insert(wheel, timer, due_ms > 0 ? due_ms : 1);
}

void wheel_disarm(struct wheel *wheel, struct wheel_timer *timer)
{
    if (!wheel_timer_armed(timer)) {
        return;
    }
    CHECK(wheel->armed_count > 0);
    take_out(wheel, timer);
    timer->due_ms = 0;
    wheel->armed_count--;
}

/* The next tick after the handled one whose slot holds timers, NEVER if there is none. */
static uint64_t next_tick(const struct wheel *wheel)
{
    size_t first = slot_of(wheel->tick + 1);
    uint64_t word = wheel->occupied[first / 64] & UINT64_MAX << first % 64;
    for (size_t i = first / 64, n = 0; n <= WORDS; n++) {
        if (word != 0) {
            size_t slot = i * 64 + (size_t)__builtin_ctzll(word);
            return wheel->tick + 1 + (slot - first) % WHEEL_SLOTS;
        }
        i = (i + 1) % WORDS;
        word = wheel->occupied[i];
    }
    return NEVER;
}

/* Fires or puts on every timer that is in the slot now. The slot is emptied first, so that what callbacks arm is not
   seen again; they may disarm what waits in `due`, as a list element is removed without knowing its list. */
static uint64_t run_slot(struct wheel *wheel, struct wheel_slot *slot, uint64_t now_ms)
{
    struct wheel_slot due = *slot;
    LIST_INIT(slot);
    if (!LIST_EMPTY(&due)) {
        LIST_FIRST(&due)->link.le_prev = &due.lh_first;
    }

    uint64_t fired_count = 0;
    while (!LIST_EMPTY(&due)) {
        struct wheel_timer *timer = LIST_FIRST(&due);
        LIST_REMOVE(timer, link);
        if (tick_of(timer->due_ms) > wheel->tick) {
            insert(wheel, timer, timer->due_ms);
            continue;
        }
        timer->due_ms = 0;
        wheel->armed_count--;
        fired_count++;
        timer->fire(timer, now_ms);
    }
    return fired_count;
}

uint64_t wheel_advance(struct wheel *wheel, uint64_t now_ms)
{
    uint64_t target = now_ms / WHEEL_TICK_MS;
    uint64_t fired_count = 0;
    if (!LIST_EMPTY(&wheel->past)) {
        fired_count = run_slot(wheel, &wheel->past, now_ms);
    }

    while (wheel->tick < target) {
        uint64_t tick = next_tick(wheel);
        if (tick > target) {
            wheel->tick = target;
            break;
        }
        wheel->tick = tick;
        size_t slot = slot_of(tick);
        wheel->occupied[slot / 64] &= ~(UINT64_C(1) << slot % 64);
        fired_count += run_slot(wheel, &wheel->slots[slot], now_ms);
    }
    return fired_count;
}

uint64_t wheel_next_ms(const struct wheel *wheel)
{
    if (!LIST_EMPTY(&wheel->past)) {
        return wheel->tick * WHEEL_TICK_MS;
    }
    uint64_t tick = next_tick(wheel);
    return tick == NEVER ? NEVER : tick * WHEEL_TICK_MS;
}
