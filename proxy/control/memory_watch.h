/*
 * The watch over memory: how much of the budget is in use, and what is given up when it is nearly all.
 *
 * Two figures are watched: the private memory of this process against limits.memory, and what its cgroup uses against nine tenths of the
 * cgroup's limit, which counts buffers of the kernel and an earlier process that still drains. The larger share decides the step
 * (steady/pressure.h). What modules account for themselves has its own bounds, parts of the same budget.
 *
 * Owns: its timer and what it asks the workers. Thread: control. Time base: CLOCK_MONOTONIC, ms. Errors: what cannot be read is not
 * watched.
 */
#ifndef EVENKEEL_PROXY_CONTROL_MEMORY_WATCH_H
#define EVENKEEL_PROXY_CONTROL_MEMORY_WATCH_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "steady/pressure.h"

struct control;

struct memory_watch {
    struct event *timer;
    struct pressure pressure;
    double share;        /* of the budget, at the last look */
    bool *asked;         /* [worker]: its answer is awaited */
    uint64_t trim_at_ms; /* when free memory is next given back to the kernel */
};

/* The workers exist. False: no memory. */
__attribute__((warn_unused_result)) bool memory_watch_start(struct control *control);
void memory_watch_free(struct control *control);

#endif
