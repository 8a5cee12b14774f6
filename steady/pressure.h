/*
 * Pressure: how near the memory in use is to what may be used, as steps that each give something up.
 *
 * A step begins at its share of the budget and ends PRESSURE_SLACK below it, so that a use that moves around a share does not begin and
 * end it all the time. The lower steps stay in force in the higher ones.
 *
 * Owns nothing; embedded, zero-initialised. Pure. Thread: its owner's. Errors: none.
 */
#ifndef EVENKEEL_STEADY_PRESSURE_H
#define EVENKEEL_STEADY_PRESSURE_H

#include <stdint.h>

#include "steady/enum_names.h"

/* Columns: id, label value, share of the budget at which it begins, what happens then. */
#define PRESSURE_ROWS(X)                                                                 \
    X(PRESSURE_NONE, "none", 0, "")                                                      \
    X(PRESSURE_SHRINK, "shrink_pools", 0.80, "idle connections to upstreams are closed") \
    X(PRESSURE_NO_RETRIES, "refuse_retries", 0.85, "nothing is retried or hedged")       \
    X(PRESSURE_REFUSE, "refuse_work", 0.90, "new requests are answered 503 (no_memory)") \
    X(PRESSURE_PAUSE, "pause_accept", 0.95, "no client is accepted, and idle clients are closed")

#define PRESSURE_SLACK 0.05

#define PRESSURE_VALUE(id, ...) id,
#define PRESSURE_NAME(id, name, ...) name,
enum pressure_step { PRESSURE_ROWS(PRESSURE_VALUE) PRESSURE_STEP_COUNT };

struct pressure {
    enum pressure_step step;
    uint64_t begun_counts[PRESSURE_STEP_COUNT]; /* of PRESSURE_NONE: how often all steps ended */
};

/* The share of the budget that is in use now. Returns the step that applies; each step that begins is counted. */
enum pressure_step pressure_note(struct pressure *pressure, double share);

const char *pressure_step_name(enum pressure_step step);
/* What happens from this step on: "nothing is retried or hedged". */
const char *pressure_step_effect(enum pressure_step step);

#endif
