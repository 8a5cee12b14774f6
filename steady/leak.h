/*
 * Leaks on purpose: a program that loses descriptors, memory and places, so that a soak sees whether it tells (tests/soak/drift.py).
 *
 * Compiled to nothing unless configured with --enable-leaks. Then each request loses 1 KiB, each fiftieth of a worker a descriptor,
 * and a bound a thousandth of its limit in a minute; EVENKEEL_LEAK_SPEED is how many times as much of the bound.
 *
 * Owns: what is lost. Thread: any; leak_of_places() of one only. Time: milliseconds since the start. Errors: none, what cannot be
 * lost is kept.
 */
#ifndef EVENKEEL_STEADY_LEAK_H
#define EVENKEEL_STEADY_LEAK_H

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <stdint.h>

#include "steady/bound.h"
#include "steady/counter.h"

#ifdef EVENKEEL_LEAKS
enum { LEAK_IS_ON = 1 };
/* What the version says of such a build. */
#define LEAK_REMARK " (leaks on purpose)"
#else
enum { LEAK_IS_ON = 0 };
#define LEAK_REMARK ""
#endif

/* Part of such a build only. */
void leak_descriptors_and_memory(uint64_t nth_request);
void leak_places(struct bound *bound, uint64_t running_ms);

/* A request is over; so many of its worker's are. */
static inline void leak_of_request(const uint64_t *finished_count)
{
    if (LEAK_IS_ON) {
        leak_descriptors_and_memory(stat_read(finished_count));
    }
}

static inline void leak_of_places(struct bound *bound, uint64_t running_ms)
{
    if (LEAK_IS_ON) {
        leak_places(bound, running_ms);
    }
}

#endif
