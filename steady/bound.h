/*
 * Bounds: a named limit on a long-lived resource, with its use, its peak and its refusals.
 *
 * Owns: nothing on the heap; a bound is embedded in the module that grows and registered once.
 * Thread: take and give from any thread (relaxed atomics, exact limit); register and remove from the
 * thread that owns the registry; a share belongs to one thread.
 */
#ifndef EVENKEEL_STEADY_BOUND_H
#define EVENKEEL_STEADY_BOUND_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "steady/check.h"
#include "steady/episode.h"

struct bound {
    TAILQ_ENTRY(bound) link;
    const char *name;   /* snake_case, unit last when not a count: "buffers_bytes"; a label value */
    const char *detail; /* e.g. the upstream's name; NULL when there is only one */
    uint64_t limit;
    uint64_t used;
    uint64_t peak;
    uint64_t refused;        /* takes that were refused because of the limit */
    struct episode refusals; /* for whoever watches over `refused`: one thread */
    uint64_t number;         /* ascends in the list of the registry */
};

TAILQ_HEAD(bound_list, bound);

struct bound_registry {
    struct bound_list bounds;
    uint64_t count;
    uint64_t last_number;
};

void bound_registry_init(struct bound_registry *registry);
void bound_init(struct bound *bound, const char *name, const char *detail, uint64_t limit);
/* A bound is in at most one registry; both are asserted. */
void bound_register(struct bound_registry *registry, struct bound *bound);
void bound_remove(struct bound_registry *registry, struct bound *bound);

/* Takes n units if they fit below the limit, all or nothing; counts a refusal otherwise. */
__attribute__((warn_unused_result)) bool bound_take(struct bound *bound, uint64_t n);

/* Takes at least `least` units and up to `most`, as many as fit; returns how many. Returns 0 and counts one refusal
   when not even `least` fit. */
__attribute__((warn_unused_result)) uint64_t bound_take_some(struct bound *bound, uint64_t least,
                                                             uint64_t most);

/* Takes n units, all or nothing, if no more than `level` (or than the limit, if that is lower) are taken afterwards; counts no
   refusal. The comparison and the take are one step: a level that is looked at first and taken below later is passed by as many
   threads as look at the same time. */
__attribute__((warn_unused_result)) bool bound_take_below(struct bound *bound, uint64_t n,
                                                          uint64_t level);

/* Counts refusals: somebody who asked goes without, for good, because of this limit. Whoever waits for a place, makes room and asks
   again, or can do as well without, is not refused: see bound_try(). */
void bound_refuse(struct bound *bound, uint64_t n);

/* Takes n units if they fit below the limit, all or nothing; counts no refusal. If nothing comes of it in the end, bound_refuse(). */
__attribute__((warn_unused_result)) static inline bool bound_try(struct bound *bound, uint64_t n)
{
    return bound_take_below(bound, n, UINT64_MAX);
}

/* Gives n units back; giving more than is taken is a fatal defect (assertion stays on in release). */
void bound_give(struct bound *bound, uint64_t n);

/* Gives one unit back if more than the limit are taken, which was lowered. Threads that ask at once bring the use down to the
   limit, and not below it. */
__attribute__((warn_unused_result)) bool bound_give_surplus(struct bound *bound);

/* For resources counted elsewhere: publishes the present use (and so the peak). */
void bound_set_used(struct bound *bound, uint64_t used);
/* May be below what is used: then nothing more is lent until enough came back. */
void bound_set_limit(struct bound *bound, uint64_t limit);

static inline uint64_t bound_used(const struct bound *bound)
{
    return __atomic_load_n(&bound->used, __ATOMIC_RELAXED);
}

static inline uint64_t bound_limit(const struct bound *bound)
{
    return __atomic_load_n(&bound->limit, __ATOMIC_RELAXED);
}

uint64_t bound_peak(const struct bound *bound);
uint64_t bound_refused(const struct bound *bound);

/*
 * One thread's share of a bound that several threads use: it takes from the bound a little ahead and gives back a
 * little late, so that most takes and gives touch nothing shared. What it keeps in hand is at most
 * limit / BOUND_SHARE_PART, in whole steps (so small bounds are exact: every take and give goes to them), and nothing
 * when it lends nothing. So the limit is never exceeded, a refusal may come that much early for each other share, and
 * the bound's `used` may show that much too much for each share.
 */
struct bound_share {
    struct bound *bound; /* NULL: no limit, only counted */
    uint64_t used;       /* units lent by this share */
    uint64_t held;       /* units this share has of the bound; >= used */
    uint64_t keep;       /* units to keep in hand at most */
    uint64_t step;       /* all amounts taken, and so `keep`, are multiples of it */
};

#define BOUND_SHARE_PART 512

/* `step` is the greatest common divisor of all amounts that are taken. */
void bound_share_init(struct bound_share *share, struct bound *bound, uint64_t step);

/* Slow paths of take and give: the bound is asked. */
__attribute__((warn_unused_result)) bool bound_share_grow(struct bound_share *share, uint64_t n);
void bound_share_shrink(struct bound_share *share);

__attribute__((warn_unused_result)) static inline bool bound_share_take(struct bound_share *share,
                                                                        uint64_t n)
{
    if (share->held - share->used < n && !bound_share_grow(share, n)) {
        return false;
    }
    share->used += n;
    return true;
}

static inline void bound_share_give(struct bound_share *share, uint64_t n)
{
    CHECK(n <= share->used);
    share->used -= n;
    if (share->held - share->used > share->keep || share->used == 0) {
        bound_share_shrink(share);
    }
}

#endif
