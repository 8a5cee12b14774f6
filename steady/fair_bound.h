/*
 * A bound that no holder can use up: each may hold at most as much as is left for all others. So one holder gets up to half of the
 * bound, each of two a third, and whoever comes anew always finds something.
 *
 * Owns: nothing on the heap. Holders are told apart by slots, which their caller gets from a hash. Thread: any, as for bounds; the
 * limit is exact, a holder's share may be passed by what as many threads take at the same moment.
 */
#ifndef EVENKEEL_STEADY_FAIR_BOUND_H
#define EVENKEEL_STEADY_FAIR_BOUND_H

#include "steady/bound.h"

#define FAIR_BOUND_SLOTS 64

struct fair_bound {
    struct bound bound;
    uint64_t held[FAIR_BOUND_SLOTS];
};

void fair_bound_init(struct fair_bound *fair, const char *name, uint64_t limit);
/* Takes n units for the slot, all or nothing; counts a refusal otherwise. */
__attribute__((warn_unused_result)) bool fair_bound_take(struct fair_bound *fair, unsigned slot,
                                                         uint64_t n);
void fair_bound_give(struct fair_bound *fair, unsigned slot, uint64_t n);

#endif
