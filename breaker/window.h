/*
 * Sums over a sliding time window, written by several threads.
 *
 * Owns: nothing on the heap; embedded, zero-initialised except by window_init(). Thread: any may add, sum up and
 * clear; a local belongs to one thread. Time base: milliseconds of the caller's monotonic clock; the clocks of two
 * threads may differ by less than a slot. Errors: none.
 *
 * The window is made of slots. Sums are never reset: the start of each slot is marked with the sums at that time, so
 * the sum over the last slots is a subtraction. The current slot counts in full although it has only begun: a window
 * of n slots covers between n - 1 and n slots of time. What is added while another thread begins a slot may be counted
 * in the slot before.
 */
#ifndef EVENKEEL_BREAKER_WINDOW_H
#define EVENKEEL_BREAKER_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#define WINDOW_SUMS 3
/* Readers look at WINDOW_SLOTS_MAX marks. A writer would have to pass them by the rest of the ring to overwrite one. */
#define WINDOW_SLOTS_MAX 11
#define WINDOW_MARKS 16
#define WINDOW_CACHE_LINE 64

struct window_mark {
    uint64_t start_ms;
    uint64_t sums[WINDOW_SUMS]; /* at the start of the slot */
};

struct window {
    /* Read by all threads, written once in a slot. */
    uint64_t end_ms;            /* of the present slot */
    uint64_t serial;            /* changes with every slot and every clearing */
    uint64_t newest;            /* number of marks ever made; this one is the present slot's */
    uint8_t lag_shift;          /* a local keeps back at most the slot's sum shifted by this */
    bool marking;               /* a thread is beginning a slot */
    uint64_t base[WINDOW_SUMS]; /* the sums at the last clearing */
    struct window_mark marks[WINDOW_MARKS];
    /* Written by all threads, so kept apart from the fields above. */
    uint64_t sums[WINDOW_SUMS];
};

/* One thread's additions of ones to one of the sums. In a busy window a local adds many at a time, so that threads
   seldom write shared memory. All locals together keep back at most 1/WINDOW_LAG of the slot's sum, and nothing while
   that is less than one for each local. What is kept back at the end of a slot is lost. */
struct window_local {
    uint64_t serial; /* of the window, when the current batch began */
    uint64_t from;   /* the sum at that time */
    uint64_t pending;
    uint64_t batch; /* to be added at once */
};

#define WINDOW_LAG 128

/* worker_count: how many threads will have a local; at least 1. */
void window_init(struct window *window, unsigned worker_count);
void window_add(struct window *window, unsigned sum, uint64_t n, uint64_t now_ms, uint64_t slot_ms);
/* Everything added before is out of the window. What another thread adds meanwhile may go either way. */
void window_clear(struct window *window);
/* The sums over the last slot_count <= WINDOW_SLOTS_MAX slots, the present one included. Slots may change their length from call
   to call: those begun keep the one they had. */
void window_sum(const struct window *window, uint64_t now_ms, uint64_t slot_ms, unsigned slot_count,
                uint64_t ret_sums[WINDOW_SUMS]);

/* Begins a slot. By another thread's clock the present one may not be over: then it does nothing. */
void window_turn(struct window *window, uint64_t now_ms, uint64_t slot_ms);
/* Adds what the local keeps back. Not for direct use. */
static inline void window_local_hand_over(struct window *window, struct window_local *local,
                                          unsigned sum)
{
    uint64_t before = __atomic_fetch_add(&window->sums[sum], local->pending, __ATOMIC_RELAXED);
    local->batch = (before - local->from) >> window->lag_shift;
    local->pending = 0;
}

/* Adds what the local keeps back, unless it is of a slot that is over. */
static inline void window_local_flush(struct window *window, struct window_local *local,
                                      unsigned sum)
{
    if (local->pending > 0 && local->serial == __atomic_load_n(&window->serial, __ATOMIC_RELAXED)) {
        window_local_hand_over(window, local, sum);
    }
}

/* Whether the present slot is over: window_turn() is due. */
static inline bool window_is_over(const struct window *window, uint64_t now_ms)
{
    return __builtin_expect(now_ms >= __atomic_load_n(&window->end_ms, __ATOMIC_RELAXED), 0);
}

/* Adds 1 to a sum, now or a little later. Not while the slot is over. */
static inline void window_local_add(struct window *window, struct window_local *local, unsigned sum)
{
    uint64_t serial = __atomic_load_n(&window->serial, __ATOMIC_RELAXED);
    if (__builtin_expect(serial != local->serial, 0)) {
        uint64_t from = __atomic_load_n(&window->sums[sum], __ATOMIC_RELAXED);
        *local = (struct window_local){.serial = serial, .from = from};
    }
    if (++local->pending >= local->batch) {
        window_local_hand_over(window, local, sum);
    }
}

#endif
