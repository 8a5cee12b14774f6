/*
 * What is kept for a route by its name over reloads: a struct route_stats for each worker, and its limits.
 *
 * Owns nothing: control/reload makes them, one for each name that the process has ever had (bounded there). Thread:
 * made by control; each worker counts into its own part.
 */
#ifndef EVENKEEL_PROXY_WORKER_ROUTE_FIGURES_H
#define EVENKEEL_PROXY_WORKER_ROUTE_FIGURES_H

#include <stdint.h>

#include "proxy/worker/stats.h"

struct admission;

struct route_figures {
    const char *name;
    struct route_stats *by_worker; /* [worker_count] */
    struct admission *admission;
    uint8_t
        maintenance; /* why it is closed: enum maintenance_why, 0: it is not; atomic, written by control */
};

#endif
