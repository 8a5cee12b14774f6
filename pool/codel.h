/*
 * Queue discipline: what to do with a queue that does not empty (controlled delay, after Nichols and Jacobson, RFC 8289, as it is
 * used for requests instead of packets).
 *
 * Owns nothing on the heap; embedded, zero-initialised but for the two limits. Thread: one, or the caller's lock. Time base:
 * milliseconds, monotonic.
 *
 * A queue that absorbs a burst is empty again soon. One whose oldest entry has waited for the target or longer at every look of a
 * whole interval only makes everybody late. It is then under stress until a whole interval has passed without such an entry.
 * Under stress the newest is served first, whose client surely still waits, and from the other end the oldest go that waited for
 * the target, as long as one entry stays to be served.
 */
#ifndef EVENKEEL_POOL_CODEL_H
#define EVENKEEL_POOL_CODEL_H

#include <stdbool.h>
#include <stdint.h>

#define CODEL_TARGET_MS 5
#define CODEL_INTERVAL_MS 100

struct codel {
    uint64_t target_ms, interval_ms;
    uint64_t late_since_ms; /* the first look of those in a row that found the oldest late */
    uint64_t late_last_ms;  /* the last look that found it late */
    bool late;              /* the last look of all did */
    bool stressed;          /* as of late_last_ms */
};

/* Both at least 1. */
void codel_init(struct codel *codel, uint64_t target_ms, uint64_t interval_ms);

/* A look at the queue, each time an entry comes, is served or is dropped: how long the oldest has waited then, 0 when there is
   none. */
void codel_look(struct codel *codel, uint64_t now_ms, uint64_t oldest_wait_ms);

/* Serve the newest first? */
bool codel_stressed(const struct codel *codel, uint64_t now_ms);

/* Drop an entry that has waited so long, while queued_count wait, itself included? */
bool codel_drops(const struct codel *codel, uint64_t now_ms, uint64_t wait_ms,
                 uint64_t queued_count);

#endif
