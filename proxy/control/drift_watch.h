/*
 * The watch over drift: samples every figure at each tick, and says in the log when something begins and ends to drift.
 *
 * Owns: its book and its timer (in struct control). Thread: control. Time base: ticks of drift.interval on CLOCK_MONOTONIC. Errors: without
 * memory nothing is watched, which the log says.
 */
#ifndef EVENKEEL_PROXY_CONTROL_DRIFT_WATCH_H
#define EVENKEEL_PROXY_CONTROL_DRIFT_WATCH_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "proxy/admin/drift_book.h"
#include "steady/histogram.h"

struct control;

struct drift_watch {
    struct drift_book *book; /* NULL: nothing is watched */
    struct event *timer;
    uint64_t tick, sampled_ms; /* of the last sample; 0: none yet */
    /* counts at the last sample, from which rates are made */
    uint64_t begun_count, answered_count, failed_count;
    struct histogram responses_us;
};

__attribute__((warn_unused_result)) bool drift_watch_start(struct control *control);
void drift_watch_free(struct control *control);

#endif
