/*
 * Trouble: says in the log when limits begin and stop refusing, with cause, figure and remedy.
 *
 * A refusal is counted where it happens, by any thread. This looks at the counts once a second and tells each flood as two lines. A
 * budget bounds how many lines there are in all, as thousands of upstreams may begin to refuse at once.
 *
 * Owns: its episodes. Thread: control. Time base: CLOCK_MONOTONIC, ms. Errors: none.
 */
#ifndef EVENKEEL_PROXY_CONTROL_TROUBLE_H
#define EVENKEEL_PROXY_CONTROL_TROUBLE_H

#include <stdint.h>

#include "steady/episode.h"

struct control;

struct trouble {
    struct episode accept_pauses, no_memory, pool_losses;
    uint64_t looked_ms;
    uint64_t window_ms; /* since when lines are counted */
    uint64_t said_count, unsaid_count;
};

/* A warning within the budget. */
__attribute__((format(printf, 2, 3))) void trouble_say(struct control *control, const char *format,
                                                       ...);
/* Looks, if the last look is old enough. */
void trouble_look(struct control *control);

#endif
