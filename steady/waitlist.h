/*
 * A wait list: waiters on all workers, for capacity that may become free on any of them, and how they learn of it.
 *
 * What is waited for (a place, a connection), which waiter may have it and in which order is the owner's policy. The
 * list brings free capacity and waiters together, across threads and without a lock. Each worker has a local with one
 * or more lines of waiters. Free capacity is offered to one local: the one that has waited longest, or the freeing
 * worker's own if that is hardly younger, because crossing threads costs time. That local gives turns while there is
 * capacity, and offers the rest to the next local.
 *
 * No wake-up is lost. Each kind of capacity has a rendezvous variable, which is changed when capacity becomes free:
 * mostly the count of what is taken. Both sides change it, by waitlist_meet():
 *
 *     the side that frees                     the side that begins to wait
 *     F1  frees the capacity                  W1  is counted and joins a line
 *     F2  changes its rendezvous variable     W2  changes every rendezvous variable, by nothing
 *     F3  offers it, if a waiter is counted   W3  offers the capacity that there is
 *
 * 1. F2 and W2 change one variable, each in one step with acquire and release. So one of them is first, and what was
 * done before it is visible after the other: W3 sees what was freed, or F3 sees the waiter. The change in between is
 * needed: if two threads write one variable each and read the other's, both may miss what the other wrote.
 * 2. A waiter may need two kinds of capacity with a rendezvous variable each, which may become free at the same time
 * on two threads. Then both find the waiter, but each might miss what the other freed. So an offer changes
 * offers_count before it looks at the capacity: the later one sees both.
 * 3. An offer calls the local that has waited longest of those it sees. called_ms notes that a local is called. The
 * caller changes it in one step, and so does the receiver, which clears it before it looks. A caller that finds the
 * note set posts no second message, because the receiver has not looked yet, and will see everything that was freed
 * before.
 * 4. A called local gives turns until its lines are empty, no capacity is left, or its first waiter cannot use what is
 * left. Then it calls the next local in the order of their waits: the one behind the rank by which it was called
 * itself, not behind that of its current first waiter, which may be younger. So no local in between is left out. An
 * offer therefore reaches all locals that it sees unless it is used up before, and it ends even if no waiter can use
 * it. A waiter that it does not see, or that takes a place in front of it, does W1 to W3 later.
 * 5. A waiter in its turn stays counted, and its local keeps its rank. If it returns to the same line for the same
 * capacity, what was freed meanwhile was offered as if it had never left the line. Else the capacity may have been
 * offered to no waiter: it does W2 and W3.
 * 6. A waiter that leaves its line may have been called. The call arrives all the same, and passes the capacity on.
 *
 * So when no call is on its way, every local with waiters has looked since capacity that they need became free, and no
 * capacity is left that its first waiter could use. Capacity that becomes free without F2 and F3 (a raised limit, a
 * resource of the system) is not covered. For that a list may have a recheck, at which every local that waits looks by
 * itself.
 *
 * While there is no waiter, all this costs the side that frees one load.
 *
 * Owns: only what it counts in the bound `waiting`; the locals are its owner's, which keeps them while waitlist_idle()
 * is false. Thread: a local is its worker's, except what is said to be atomic. Time base: the loop clock. Errors:
 * false, if as many wait as may.
 */
#ifndef EVENKEEL_STEADY_WAITLIST_H
#define EVENKEEL_STEADY_WAITLIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "steady/bound.h"
#include "steady/check.h"
#include "steady/loop.h"

/* Lines of a local: bit n of a set of lines stands for line n. */
#define WAITLIST_LINES 2
/* A waiter of another worker goes first if it has waited longer than the freeing worker's own by more than this. */
#define WAITLIST_LOCAL_MS 5
#define WAITLIST_NOBODY_MS UINT64_MAX

/* Zeroed except for the functions before it waits first. */
struct waiter {
    TAILQ_ENTRY(waiter) link;
    struct waitlist_local *local; /* in one of its lines; NULL: in none */
    /* The waiter has left its line, and what it waits for may be there: to be tried within this call. Called from a
       frame of the event loop. NULL: the policy gives no turns. */
    void (*on_turn)(struct waiter *waiter);
    /* The waiter has left its line, because the policy gave it up. NULL: it is never given up. */
    void (*on_dropped)(struct waiter *waiter);
    uint64_t since_ms; /* when it began to wait, or 0 */
    uint8_t line;
    uint8_t wants; /* what it lacks, in the policy's own terms; set before it waits or returns */
};
TAILQ_HEAD(waiter_list, waiter);

struct waitlist_line {
    struct waiter_list waiters; /* oldest first */
    uint64_t count;
    /* atomic: of the first waiter, or of the one whose turn it is; WAITLIST_NOBODY_MS: the line is empty */
    uint64_t since_ms;
};

/* A worker's part of a list. */
struct waitlist_local {
    struct waitlist_line lines[WAITLIST_LINES];
    struct waiter *turn; /* the waiter whose on_turn runs, still counted; only compared */
    uint64_t turn_ms;    /* since when it has waited, in which line, and for what */
    unsigned turn_line, turn_wants;
    /* atomic: the rank by which the local was called; WAITLIST_NOBODY_MS: it is not called */
    uint64_t called_ms;
    struct message call;
    struct deferred serve;
    struct wheel_timer recheck;
    struct loop *loop; /* its worker's; NULL: not attached yet */
    struct waitlist *list;
    unsigned index; /* the worker's index */
} __attribute__((aligned(64)));

struct waitlist_policy {
    /* The lines whose first waiter could use the capacity that there is now, as this local's worker sees it. Reads what
       F1 changes. */
    unsigned (*usable)(const struct waitlist_local *local);
    /* W2: waitlist_meet() with each variable that F2 may change. */
    void (*meet)(const struct waitlist_local *local);
    /* Gives turns while there are capacity and waiters. Called from a frame of the event loop. */
    void (*serve)(struct waitlist_local *local);
};

struct waitlist {
    const struct waitlist_policy *policy;
    struct bound *waiting; /* waiters in lines and in turns; the owner sets its limit */
    uint64_t offers_count; /* atomic */
    uint64_t calls_count;  /* atomic: calls on their way, and locals that serve or are about to */
    uint64_t recheck_ms;   /* 0: none */
    char *locals;
    size_t stride_bytes;
    unsigned local_count;
};

/* `first` is the first of an array with one local for each worker, perhaps as part of something larger: the next one is
   `stride_bytes` behind it. */
void waitlist_init(struct waitlist *list, const struct waitlist_policy *policy,
                   struct bound *waiting, struct waitlist_local *first, size_t stride_bytes,
                   unsigned local_count);
/* Whether no waiter is left and no call is on its way: the locals may be freed, if no more can begin to wait or offer. */
bool waitlist_idle(const struct waitlist *list);

/* Tells a local the loop of its worker, before it waits first, and always the same loop. */
static inline void waitlist_attach(struct waitlist_local *local, struct loop *loop)
{
    if (local->loop == NULL) {
        local->loop = loop;
    }
    CHECK(local->loop == loop);
}

/* F2 and W2: one step with acquire and release. Returns the old value. */
static inline uint64_t waitlist_meet(uint64_t *rendezvous, uint64_t change)
{
    return __atomic_fetch_add(rendezvous, change, __ATOMIC_ACQ_REL);
}

/* The question of F3. */
static inline bool waitlist_waits(const struct waitlist *list)
{
    return __atomic_load_n(&list->waiting->used, __ATOMIC_RELAXED) > 0;
}

/* The offer of F3: calls the local that has waited longest and could use the capacity. `own` is the freeing worker's
   local. */
void waitlist_offer(struct waitlist_local *own);
/* Lets the local serve at the end of the pass, even if nothing has become free. It has a loop. */
void waitlist_serve_soon(struct waitlist_local *local);

/* W1 to W3: joins the end of the line, waiting from now on. */
__attribute__((warn_unused_result)) bool waitlist_wait(struct waitlist_local *local,
                                                       struct waiter *waiter, unsigned line);
/* Joins the front, waiting since its first wait (0: since now). A waiter in its turn always has room. */
__attribute__((warn_unused_result)) bool waitlist_return(struct waitlist_local *local,
                                                         struct waiter *waiter, unsigned line);
/* Leaves the line. */
void waitlist_cancel(struct waiter *waiter);

/* ---- for the policy's serve() ---- */

static inline struct waiter *waitlist_first(const struct waitlist_local *local, unsigned line)
{
    return TAILQ_FIRST(&local->lines[line].waiters);
}

static inline struct waiter *waitlist_last(const struct waitlist_local *local, unsigned line)
{
    return TAILQ_LAST(&local->lines[line].waiters, waiter_list);
}

/* Takes the waiter out of its line, still counted; then the policy calls on_turn. */
void waitlist_turn_begin(struct waiter *waiter);
/* False: the waiter has returned to the front. */
bool waitlist_turn_end(struct waitlist_local *local);

/* Whether there are waiters in one of these lines; may be out of date at once. */
bool waitlist_waits_in(const struct waitlist *list, unsigned lines);

static inline bool waitlist_local_waits(const struct waitlist_local *local)
{
    for (unsigned line = 0; line < WAITLIST_LINES; line++) {
        if (local->lines[line].count > 0) {
            return true;
        }
    }
    return false;
}

#endif
