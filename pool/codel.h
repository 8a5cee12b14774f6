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
    /* time of the first of the looks in a row that found the oldest entry late */
    uint64_t late_since_ms;
    uint64_t late_last_ms; /* time of the last look that found the oldest entry late */
    bool late;             /* the last look found the oldest entry late */
    bool stressed;         /* the queue was under stress at late_last_ms */
};

/* Both times are at least 1. */
void codel_init(struct codel *codel, uint64_t target_ms, uint64_t interval_ms);

/* Looks at the queue. To be called each time that an entry joins, is served or is dropped. oldest_wait_ms: how long the
   oldest entry has waited; 0: the queue is empty. */
void codel_look(struct codel *codel, uint64_t now_ms, uint64_t oldest_wait_ms);

bool codel_stressed(const struct codel *codel, uint64_t now_ms);

/* Which entry is served next. */
enum codel_end { CODEL_OLDEST, CODEL_NEWEST };
enum codel_end codel_next(const struct codel *codel, uint64_t now_ms);

/* True: an entry that has waited for wait_ms is to be dropped. queued_count: number of entries, this one included. */
bool codel_drops(const struct codel *codel, uint64_t now_ms, uint64_t wait_ms,
                 uint64_t queued_count);

#endif
