/*
 * Little's law: what rate of requests a limit on requests in flight can carry, and how near a rate is to it.
 *
 * capacity = limit / service time. With 16 places and 20 ms there can be 800 requests a second; when the service time creeps to 22 ms,
 * 727, although nothing waits yet. The phase says how the upstream answers to more load.
 *
 * Owns nothing; embedded, zero-initialised. Pure. Thread: its owner's. Time base: seconds, passed in. Errors: none.
 */
#ifndef EVENKEEL_STEADY_LITTLE_H
#define EVENKEEL_STEADY_LITTLE_H

#include <stdbool.h>
#include <stdint.h>

#include "steady/enum_names.h"

/* Linear: more load is more answers, as fast as before. Sub-linear: the answers take longer, or 0.7 of the capacity
   is in use. Saturated: requests wait or are refused. */
#define LITTLE_PHASES(X)               \
    X(LITTLE_LINEAR, "linear")         \
    X(LITTLE_SUB_LINEAR, "sub_linear") \
    X(LITTLE_SATURATED, "saturated")

enum little_phase { ENUM_VALUES(LITTLE_PHASES) LITTLE_PHASE_COUNT };
const char *little_phase_name(enum little_phase phase);

/* Above this the utilisation is worth an alert. */
#define LITTLE_UTILISATION_HIGH 0.7

struct little_sample {
    uint64_t answers_count; /* ever */
    uint64_t refused_count; /* ever: requests that found no place in time */
    uint64_t queued_count;  /* waiting now */
    uint64_t limit;         /* of requests in flight */
    double service_s;       /* the median; 0: unknown */
};

struct little {
    uint64_t answers_count, refused_count; /* at the last sample */
    double rate;                           /* answers per second since the sample before */
    double service_s,
        least_service_s; /* the median; and its lowest, which rises slowly by itself */
    double capacity;     /* per second; 0: unknown */
    double utilisation;  /* 0: unknown */
    enum little_phase phase;
    uint32_t higher_count, lower_count; /* samples in a row that speak for another phase */
    uint32_t sample_count;
};

/* elapsed_s: since the last sample, > 0. */
void little_note(struct little *little, const struct little_sample *sample, double elapsed_s);

#endif
