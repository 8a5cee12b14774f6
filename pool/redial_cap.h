/*
 * The cap on free redials: a request that met a dead pooled connection may be sent once more without counting as a
 * retry, but only for a small part of the requests. Decisions only.
 *
 * Owns nothing; pure. Thread: its caller's. Time base: milliseconds, monotonic.
 */
#ifndef EVENKEEL_POOL_REDIAL_CAP_H
#define EVENKEEL_POOL_REDIAL_CAP_H

#include <stdbool.h>
#include <stdint.h>

/* The share of the requests of the last window, and the number in a window that is allowed whatever the traffic. */
#define REDIAL_CAP_SHARE 0.05
#define REDIAL_CAP_WINDOW_MS 10000
#define REDIAL_CAP_LEAST 10

struct redial_cap {
    uint64_t at_ms, requests_count; /* time and requests of the last call */
    double left;                    /* number of redials that are allowed now */
};

void redial_cap_init(struct redial_cap *cap, uint64_t requests_count, uint64_t now_ms);
/* requests_count: number of all requests so far, which never falls. True: the redial is allowed, and is counted. */
bool redial_cap_take(struct redial_cap *cap, uint64_t requests_count, uint64_t now_ms);

#endif
