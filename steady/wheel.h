/*
 * Timing wheel: every timeout of one worker, O(1) to arm, move and disarm, no allocation.
 *
 * Owns: the slots; a timer is embedded in its owner and must be disarmed before the owner is freed.
 * Thread: one thread per wheel. Time base: monotonic milliseconds, passed in.
 * Arming for a later time only notes the new time; the timer is moved when its old slot comes up. So a
 * timer that is pushed ahead on every request costs a store. A timer never fires early and fires at most
 * WHEEL_TICK_MS late once wheel_advance() is called in time.
 */
#ifndef EVENKEEL_STEADY_WHEEL_H
#define EVENKEEL_STEADY_WHEEL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#define WHEEL_TICK_MS 8
#define WHEEL_SLOTS 1024

struct wheel_timer;

/* Called with the timer already disarmed; may arm it again, arm or disarm any other, or free the owner. */
typedef void wheel_fire_fn(struct wheel_timer *timer, uint64_t now_ms);

struct wheel_timer {
    LIST_ENTRY(wheel_timer) link;
    uint64_t due_ms; /* when to fire; 0: disarmed */
    uint64_t
        slot_ms; /* armed: the earliest due time its slot serves, 0 < slot_ms <= due_ms; past: UINT64_MAX */
    wheel_fire_fn *fire;
};

LIST_HEAD(wheel_slot, wheel_timer);

/* Tick t is the time t * WHEEL_TICK_MS. Slot t % WHEEL_SLOTS is looked at when tick t comes and holds timers due after
   tick t - 1 and up to t, or later: those are put on then. */
struct wheel {
    struct wheel_slot slots[WHEEL_SLOTS];
    struct wheel_slot past; /* armed for a tick that was handled already; these move at once */
    uint64_t occupied[WHEEL_SLOTS / 64]; /* a bit per slot that holds timers */
    uint64_t tick;                       /* the last tick that was handled */
    uint64_t armed_count;
};

void wheel_init(struct wheel *wheel, uint64_t now_ms);

void wheel_timer_init(struct wheel_timer *timer, wheel_fire_fn *fire);

/* wheel_arm() when the timer has to change its place. */
void wheel_place(struct wheel *wheel, struct wheel_timer *timer, uint64_t due_ms);

static inline bool wheel_timer_armed(const struct wheel_timer *timer)
{
    return timer->due_ms != 0;
}

/* Arms or re-arms for an absolute time (a past time fires at the next advance). */
static inline void wheel_arm(struct wheel *wheel, struct wheel_timer *timer, uint64_t due_ms)
{
    if (wheel_timer_armed(timer) && due_ms >= timer->slot_ms) {
        timer->due_ms = due_ms;
    } else {
        wheel_place(wheel, timer, due_ms);
    }
}

/* Disarming a disarmed timer is fine. */
void wheel_disarm(struct wheel *wheel, struct wheel_timer *timer);

/* Fires everything due by the last tick up to now_ms, in order of ticks; what a callback arms for a past time waits
   for the next call. Not from within a callback. Returns how many fired. */
uint64_t wheel_advance(struct wheel *wheel, uint64_t now_ms);

/* The time at which wheel_advance() next has something to look at; UINT64_MAX when nothing is armed.
   O(slots / 64). */
uint64_t wheel_next_ms(const struct wheel *wheel);

#endif
