/*
 * What health keeps with an endpoint and an upstream. Private to pool/.
 *
 * Owns: timers and probes under way, embedded in what they belong to. Thread: control, but for what says so. Time base: monotonic ms.
 */
#ifndef EVENKEEL_POOL_HEALTH_STATE_H
#define EVENKEEL_POOL_HEALTH_STATE_H

#include <event2/event_struct.h>

#include "pool/health.h"
#include "pool/probe.h"

/* Highest number of probes in flight, over all upstreams; a further probe waits for its next turn. */
#define HEALTH_PROBES 256
#define HEALTH_WHY_BYTES 64

struct health {
    struct health_env env;
    struct rng rng;
    struct bound probes_in_flight;
};

struct endpoint_health {
    struct endpoint *endpoint;
    /* From the newest live view that has the endpoint. NULL: there is none, and nothing is in progress. */
    const struct health_settings *settings;
    struct status status;
    bool drained;
    bool to_drain; /* while pools_restore_drained() reads what was said */
    struct probe *probe;
    struct event probe_timer, due_timer; /* assigned when there is a struct health */
    uint64_t created_ms, next_probe_ms;
    uint64_t probes_good, probes_failed, probes_put_off, ejections, changes;
    struct message failures; /* posted by the worker that counted failure number eject_after */
    char why[HEALTH_WHY_BYTES];
};

/* Attach and detach the health of an endpoint. */
__attribute__((warn_unused_result)) bool health_attach(struct endpoint *endpoint);
void health_detach(struct endpoint *endpoint);
/* The newest live set has changed: follows its endpoints, and lets go of all others. */
void health_follow(struct pools *pools, const struct upstream_set *newest);
void health_stop(struct pools *pools);
/* Takes the endpoint out of use or gives it back, as pools_drain() does. False: it is in no live set. */
bool health_drain(struct endpoint *endpoint, bool drained);
void health_fill(const struct endpoint *endpoint, struct endpoint_figures *figures);

#endif
