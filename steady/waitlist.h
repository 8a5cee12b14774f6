/*
 * A wait list: who waits, over all workers, for what may come free on any of them, and how he learns of it.
 *
 * What is waited for (a place, a connection), who may have it and in which order is its owner's policy. The list brings what came
 * free and who waits together, across threads and without a lock. Each worker has a local with a line of waiters, or several.
 * What comes free is offered to one local: the one that waits longest, or the freeing worker's own if that is hardly younger, as
 * crossing threads costs. That local gives turns as long as there is something to give, and offers what is left to the next.
 *
 * No wake-up is lost. Whenever something comes free a variable is changed, its rendezvous: mostly the count of what is taken.
 * Both sides change it, by waitlist_meet():
 *
 *     who frees                               who begins to wait
 *     F1  frees it                            W1  is counted and stands in line
 *     F2  changes its rendezvous              W2  changes every rendezvous, by nothing
 *     F3  if anyone is counted, offers it     W3  offers what there is
 *
 * 1. F2 and W2 change one variable, each in one step with acquire and release. So one of them is first, and what was done before
 *    it is seen after the other: by W3 what was freed, or by F3 who waits. It takes the change in between: of two threads that
 *    write one variable each and read the other's, both may miss what the other wrote.
 * 2. What a waiter needs may be two things with a rendezvous each, and may come free at the same time on two threads. Both find
 *    the waiter then, but each might miss what the other freed. So an offer changes offers_count before it looks what is there:
 *    the later one sees both.
 * 3. An offer calls the local that waits longest of those it sees. called_ms notes that a local is called; the caller changes it
 *    in one step, and so does the receiver, who clears it before it looks. Who finds it noted posts no second message, as the
 *    look is yet to come and will see all that was freed before.
 * 4. A local that was called gives turns until its lines are empty, nothing is left, or its first has no use for what is left. Then
 *    it calls the next in the order of their waits: behind the rank that it was called by itself, not behind that of its present
 *    first, who may be younger, so that nobody in between is left out. An offer therefore comes to all it sees, unless it is
 *    used up before, and it ends though nobody can use it. Who is not seen by it, or takes a place in front of it, does W1 to W3
 *    later on.
 * 5. Who is in his turn stays counted, and his local keeps its rank. If he comes back to the same line for the same, what was freed
 *    meanwhile was offered as if he had never left it. Else it may have been offered to nobody: he does W2 and W3.
 * 6. Who leaves the line may have been called for. The call comes all the same, and what it is for is passed on.
 *
 * So when no call is on its way, every local with waiters has looked since something that they need came free, and nothing is left
 * that its first could use. What comes free without F2 and F3 (a raised limit, a resource of the system) is not covered: for that a
 * list may have a recheck, at which every local that waits looks for itself.
 *
 * While nobody waits all this costs who frees one load.
 *
 * Owns: nothing but what it counts in the bound `waiting`; the locals are its owner's, which keeps them while
 * waitlist_idle() is false. Thread: a local is its worker's, but for what is said to be atomic. Time base: the loop clock.
 * Errors: false, when as many wait as may.
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
/* How much longer another worker's waiter must have waited than the own one to go first. */
#define WAITLIST_LOCAL_MS 5
#define WAITLIST_NOBODY_MS UINT64_MAX

/* Zeroed but for the functions before it waits first. */
struct waiter {
    TAILQ_ENTRY(waiter) link;
    struct waitlist_local *local; /* in one of its lines; NULL: in none */
    /* Out of the line; what it waits for may be there: to be tried within this call. From a frame of its own. NULL: the policy
       gives no turns. */
    void (*on_turn)(struct waiter *waiter);
    /* Out of the line: the policy gave it up. NULL: it must not. */
    void (*on_dropped)(struct waiter *waiter);
    uint64_t since_ms; /* when it began to wait, or 0 */
    uint8_t line;
    uint8_t wants; /* the policy's own word for what it lacks; set before it waits or returns */
};
TAILQ_HEAD(waiter_list, waiter);

struct waitlist_line {
    struct waiter_list waiters; /* oldest first */
    uint64_t count;
    uint64_t
        since_ms; /* atomic: of the first, or of the one whose turn it is; WAITLIST_NOBODY_MS: it is empty */
};

/* A worker's part of a list. */
struct waitlist_local {
    struct waitlist_line lines[WAITLIST_LINES];
    struct waiter *turn; /* whose on_turn runs, still counted; only compared */
    uint64_t turn_ms;    /* since when he waits, in which line he did, and what for */
    unsigned turn_line, turn_wants;
    uint64_t
        called_ms; /* atomic: the rank it was called by, WAITLIST_NOBODY_MS: it is not called */
    struct message call;
    struct deferred serve;
    struct wheel_timer recheck;
    struct loop *loop; /* its worker's; NULL: it has not been told yet */
    struct waitlist *list;
    unsigned index; /* the worker's */
} __attribute__((aligned(64)));

struct waitlist_policy {
    /* The lines whose first could use what is there now, as this local's worker sees it. It reads what F1 changes. */
    unsigned (*usable)(const struct waitlist_local *local);
    /* W2: waitlist_meet() with each variable that F2 may change. */
    void (*meet)(const struct waitlist_local *local);
    /* Gives turns while there is something to give and someone to take it. From a frame of its own. */
    void (*serve)(struct waitlist_local *local);
};

struct waitlist {
    const struct waitlist_policy *policy;
    struct bound *waiting; /* who is in line or in a turn; its limit is the owner's */
    uint64_t offers_count; /* atomic */
    uint64_t calls_count;  /* atomic: calls on their way, and locals that are to serve or do */
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
/* Nobody waits and no call is on its way: the locals may go, if nobody can begin to wait or offer any more. */
bool waitlist_idle(const struct waitlist *list);

/* Tells a local its worker's loop: before it waits first, and always the same. */
static inline void waitlist_attach(struct waitlist_local *local, struct loop *loop)
{
    if (local->loop == NULL) {
        local->loop = loop;
    }
    CHECK(local->loop == loop);
}

/* F2 and W2, one step with acquire and release; returns what was there before. */
static inline uint64_t waitlist_meet(uint64_t *rendezvous, uint64_t change)
{
    return __atomic_fetch_add(rendezvous, change, __ATOMIC_ACQ_REL);
}

/* The question of F3. */
static inline bool waitlist_waits(const struct waitlist *list)
{
    return __atomic_load_n(&list->waiting->used, __ATOMIC_RELAXED) > 0;
}

/* The offer of F3: whoever waits longest and could use what is there is called. `own` is the freeing worker's local. */
void waitlist_offer(struct waitlist_local *own);
/* Has the local serve at the end of the pass, though nothing may have come free. It has a loop. */
void waitlist_serve_soon(struct waitlist_local *local);

/* W1 to W3: to the end of the line, waiting from now on. */
__attribute__((warn_unused_result)) bool waitlist_wait(struct waitlist_local *local,
                                                       struct waiter *waiter, unsigned line);
/* To the front, waiting since when it first did (0: since now). In its turn it has its place for sure. */
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

/* Takes it out of its line, still counted: the policy calls on_turn. */
void waitlist_turn_begin(struct waiter *waiter);
/* False: it has come back to the front. */
bool waitlist_turn_end(struct waitlist_local *local);

/* Anyone waits in one of these lines; may be out of date by the time it is told. */
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
