/*
 * Adaptive limit of what is in flight at an upstream: as much as it can take before its answers come later for it.
 *
 * Owns: nothing on the heap; embedded. One per upstream or shard for all workers. Thread: any (atomics; a window is closed by the
 * thread that finds it over, nobody waits for that). Time base: milliseconds for windows, microseconds for latencies.
 *
 * The latency of a window is compared with the floor, what an answer takes when nothing queues for it. While it is more than
 * TOLERANCE times that, the limit shrinks; otherwise, if it is used, it grows by its square root. The floor falls with lower
 * latencies. It rises only by evidence: when the latency is above it, or the limit reached, the limit dips now and then to half of
 * what is in flight, and what answers take in the dip is the new floor. If they were late because of our load they come faster
 * then; if the upstream itself has slowed down they do not, and the floor accepts it. So the limit need not be forced to its
 * minimum to measure, nor does it creep up with a load that never ends: half of what TOLERANCE lets stand is below the knee
 * (TOLERANCE / 2 < 1), so each dip measures less queueing than the last, until there is none.
 */
#ifndef EVENKEEL_BREAKER_CONCURRENCY_LIMIT_H
#define EVENKEEL_BREAKER_CONCURRENCY_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

struct concurrency_limit {
    /* Atomics. */
    uint64_t limit_count;
    uint64_t least_count, most_count;
    uint64_t window_end_ms;
    uint64_t sample; /* of this window: the number of calls above, the sum of their us below */
    uint64_t peak_count;
    bool closing;

    /* Of the thread that closes a window. */
    double wanted; /* the limit outside dips */
    double floor_us;
    double recent_us;        /* smoothed */
    unsigned windows_to_dip; /* none earlier */
    double measured_at;      /* `wanted` when the floor was measured; 0 before that */
    enum { CONCURRENCY_STEADY, CONCURRENCY_DIPPING, CONCURRENCY_DIPPED } phase;
};

/* Begins at most_count: who needs no limit never meets one. 0 < least_count <= most_count. */
void concurrency_limit_init(struct concurrency_limit *limit, uint64_t least_count,
                            uint64_t most_count);
/* New settings; the limit stays if they allow it. */
void concurrency_limit_set_range(struct concurrency_limit *limit, uint64_t least_count,
                                 uint64_t most_count);

uint64_t concurrency_limit_get(const struct concurrency_limit *limit);

/* A call was answered (failures say nothing of capacity): what it took, and how many were in flight with it. True when the limit
   has changed. */
bool concurrency_limit_note(struct concurrency_limit *limit, uint64_t now_ms, uint64_t latency_us,
                            uint64_t in_flight_count);

#endif
