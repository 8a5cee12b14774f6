/*
 * Warm state of a fleet: what makes one replica warm makes the next one warm from its first second, without a shared disk.
 *
 * Owns: nothing but where it stands (in struct fleet). Private to fleet/, but for fleet.h. Thread: control. Time base: CLOCK_MONOTONIC,
 * ms. Bounds: WARM_VALUES_MOST containers of at most WARM_VALUE_BYTES_MOST in the store.
 *
 * In each warm_state.interval one replica that is ready publishes its state, sealed with the fleet's key (pool/warm_file.h). One that
 * starts takes the newest that is good, before it serves.
 */
#ifndef EVENKEEL_PROXY_FLEET_WARM_VALUES_H
#define EVENKEEL_PROXY_FLEET_WARM_VALUES_H

#include "proxy/fleet/fleet.h"

#define WARM_VALUES_MOST 3
#define WARM_VALUE_BYTES_MOST (4u << 20)

/* Taking the state at the start. */
enum warm_take { WARM_TAKE_NOT, WARM_TAKE_WANTED, WARM_TAKE_ASKED, WARM_TAKE_OVER };

struct warm_values {
    enum warm_take take;
    unsigned number;  /* of the container that is asked for, the newest first */
    bool asked;       /* for the turn to publish; its answer has not come */
    uint64_t turn_ms; /* when it was asked for last */
    uint64_t published_count, taken_bytes;
};

void warm_values_housekeeping(struct fleet *fleet, uint64_t now_ms);

#endif
