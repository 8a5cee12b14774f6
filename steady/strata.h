/*
 * Strata: the parts of the traffic to which calls belong, so that a failure that one part meets is not taken for one
 * that all meet.
 *
 * A call is in one of STRATA_COUNT strata by its client and in one by its path. This file has what breakers and
 * ejection share: failures in a row, by stratum.
 *
 * Owns: nothing on the heap; embedded, zero-initialised. Thread: any; everything is relaxed atomics, and two threads
 * at the beginning of a row may lose a failure. Errors: none. Spec: docs/internals/breaker.md.
 */
#ifndef EVENKEEL_STEADY_STRATA_H
#define EVENKEEL_STEADY_STRATA_H

#include <stdbool.h>
#include <stdint.h>

#define STRATA_COUNT 16

/* The two ways in which traffic is divided. */
enum strata_side { STRATA_BY_CLIENT, STRATA_BY_PATH };
#define STRATA_SIDES 2

/* The strata of a call, each below STRATA_COUNT. */
struct strata {
    uint8_t client, path;
};

/* A set of strata: a bit each, those of paths above those of clients. */
#define STRATA_BIT(side, i) (UINT32_C(1) << ((side)*STRATA_COUNT + (i)))
#define STRATA_OF_SIDE(side) ((STRATA_BIT(side, STRATA_COUNT - 1) << 1) - STRATA_BIT(side, 0))

static inline uint32_t strata_bits(struct strata strata)
{
    return STRATA_BIT(STRATA_BY_CLIENT, strata.client) | STRATA_BIT(STRATA_BY_PATH, strata.path);
}

static inline unsigned strata_count(uint32_t set, enum strata_side side)
{
    return (unsigned)__builtin_popcount(set & STRATA_OF_SIDE(side));
}

/* Failures since the last call that did not fail. The owner counts them, and sets its count to 0 when a call succeeds:
   then the next failure begins a new row. */
struct strata_row {
    /* failures in which the call had no part, because nobody was reached */
    uint32_t unreached_count;
    uint32_t failed_counts[STRATA_SIDES][STRATA_COUNT];
};

/* first: the failure begins a row. */
void strata_row_add(struct strata_row *row, struct strata strata, bool first);
void strata_row_add_unreached(struct strata_row *row, bool first);

/* Whether a row of at least `wanted` failures is evidence for all traffic and not only for a part of it. On each side
   on which several strata have traffic, it has to touch more than half of those that so many calls can touch, and a
   quarter of `wanted` has to come from others than the stratum with the most. */
__attribute__((warn_unused_result)) bool strata_row_speaks_for_all(const struct strata_row *row,
                                                                   uint64_t wanted,
                                                                   uint32_t with_traffic);

#endif
