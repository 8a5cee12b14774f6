/*
 * The cap on free redials: requests that met a kept connection which was dead may go out once more without being a
 * retry, but only a small part of them. Decisions only.
 *
 * Owns nothing; pure. Thread: its caller's. Time base: milliseconds, monotonic.
 */
#ifndef EVENKEEL_POOL_REDIAL_CAP_H
#define EVENKEEL_POOL_REDIAL_CAP_H

#include <stdbool.h>
#include <stdint.h>

/* Of the requests of the last window, and so many a window whatever the traffic. */
#define REDIAL_CAP_SHARE 0.05
#define REDIAL_CAP_WINDOW_MS 10000
#define REDIAL_CAP_LEAST 10

struct redial_cap {
    uint64_t at_ms, leases_count; /* when last asked */
    double left;                  /* redials that may go out */
};

void redial_cap_init(struct redial_cap *cap, uint64_t leases_count, uint64_t now_ms);
/* leases_count: all that were ever given. True: it may go out, and is counted. */
bool redial_cap_take(struct redial_cap *cap, uint64_t leases_count, uint64_t now_ms);

#endif
