/*
 * What an event loop consists of besides its events: the clock, the timers, what is deferred to the end of the pass, what is
 * freed then, the mailbox and random numbers. The event base itself is its owner's: nothing here knows libevent.
 *
 * Two rules that everything on a loop keeps:
 * - A wake-up only marks. Nothing runs a connection from inside another's callback: the callback defers it, and the loop runs
 *   what is deferred after the pass.
 * - Closing takes effect at once (unlinked, descriptors closed, no more calls); memory is freed when the pass is over. So any
 *   frame further up may still look at the object.
 *
 * Owns: the mailbox; what was handed to loop_free_later() until loop_free_deferred(). Thread: the loop's; others post to the
 * mailbox. Time base: CLOCK_MONOTONIC, read once a pass.
 */
#ifndef EVENKEEL_STEADY_LOOP_H
#define EVENKEEL_STEADY_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "steady/container_of.h"
#include "steady/loop_clock.h"
#include "steady/mailbox.h"
#include "steady/rng.h"
#include "steady/wheel.h"

/* Work for the end of the pass; embedded, zeroed, `run` set once. */
struct deferred {
    TAILQ_ENTRY(deferred) link;
    void (*run)(struct deferred *deferred);
    bool queued;
};
TAILQ_HEAD(deferred_list, deferred);

/* Embedded in what is freed at the end of the pass. */
struct deferred_free {
    SLIST_ENTRY(deferred_free) link;
    /* Frees the object that embeds it; `owner` is what loop_free_deferred() was given. */
    void (*free)(struct deferred_free *deferred, void *owner);
};
SLIST_HEAD(deferred_free_list, deferred_free);

struct loop {
    struct loop_clock clock;
    struct wheel wheel;
    struct deferred_list deferred;
    struct deferred pass_end; /* behind what a pass runs */
    struct deferred_free_list freed;
    struct mailbox *mailbox;
    struct rng rng;
};

/* Reads the clock and seeds the random numbers. On failure nothing is held. */
__attribute__((warn_unused_result)) enum mailbox_result loop_init(struct loop *loop);
/* The mailbox is empty and nothing is deferred. A zeroed loop is fine. */
void loop_release(struct loop *loop);

static inline uint64_t loop_now_ms(struct loop *loop)
{
    return loop_clock_ms(&loop->clock);
}

/* Runs it at the end of the pass, once however often it is deferred before. */
static inline void loop_defer(struct loop *loop, struct deferred *deferred)
{
    if (!deferred->queued) {
        deferred->queued = true;
        TAILQ_INSERT_TAIL(&loop->deferred, deferred, link);
    }
}

/* The same, but what runs at the end of a pass defers it to the same pass, behind all that was deferred before. Not for work that defers
   itself: the pass would not end. */
static inline void loop_defer_within(struct loop *loop, struct deferred *deferred)
{
    if (!loop->pass_end.queued || deferred->queued) {
        loop_defer(loop, deferred);
        return;
    }
    deferred->queued = true;
    TAILQ_INSERT_BEFORE(&loop->pass_end, deferred, link);
}

/* Not being deferred is fine. */
static inline void loop_defer_cancel(struct loop *loop, struct deferred *deferred)
{
    if (deferred->queued) {
        deferred->queued = false;
        TAILQ_REMOVE(&loop->deferred, deferred, link);
    }
}

static inline bool loop_has_deferred(const struct loop *loop)
{
    return !TAILQ_EMPTY(&loop->deferred);
}

/* Runs what was deferred before the call, and what loop_defer_within() adds meanwhile; what defers itself anew waits for the next one.
   Returns how many ran. */
uint64_t loop_run_deferred(struct loop *loop);

static inline void loop_free_later(struct loop *loop, struct deferred_free *deferred,
                                   void (*free_fn)(struct deferred_free *deferred, void *owner))
{
    deferred->free = free_fn;
    SLIST_INSERT_HEAD(&loop->freed, deferred, link);
}

static inline void loop_free_deferred(struct loop *loop, void *owner)
{
    while (!SLIST_EMPTY(&loop->freed)) {
        struct deferred_free *deferred = SLIST_FIRST(&loop->freed);
        SLIST_REMOVE_HEAD(&loop->freed, link);
        deferred->free(deferred, owner);
    }
}

#endif
