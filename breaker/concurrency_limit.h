/*
 * Adaptive limit of the calls in flight at an upstream: as many as it can handle before its answers become later for
 * it.
 *
 * Owns: nothing on the heap; embedded. One for each upstream or shard, for all workers. Thread: any (atomics; the
 * thread that finds a window over closes it, and no thread waits for that). Time base: milliseconds for windows,
 * microseconds for latencies.
 *
 * The latency of a window is compared with the floor, the latency of an answer when nothing queues for it. While it is
 * more than TOLERANCE times the floor, the limit shrinks; else, if the limit is reached, it grows by its square root.
 * The floor follows lower latencies. It rises only by evidence: when the latency is above it, or the limit is reached,
 * the limit dips now and then to half of what is in flight, and the latency in the dip is the new floor. If answers
 * were late because of our load, they are faster in the dip; if the upstream itself has become slower they are not,
 * and the floor follows. So the limit need not go to its minimum to measure, and it does not creep up with a load that
 * never ends: half of what TOLERANCE allows is below the knee (TOLERANCE / 2 < 1), so each dip measures less queueing
 * than the last, until there is none.
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
    /* of this window: number of calls in the high bits, the sum of their us in the low bits */
    uint64_t sample;
    uint64_t peak_count;
    bool closing;

    /* Used only by the thread that closes a window. */
    double wanted; /* the limit outside dips */
    double floor_us;
    double recent_us;        /* smoothed */
    unsigned windows_to_dip; /* no dip before */
    double measured_at;      /* `wanted` when the floor was measured; 0: not yet */
    enum { CONCURRENCY_STEADY, CONCURRENCY_DIPPING, CONCURRENCY_DIPPED } phase;
};

/* Begins at most_count, so that an upstream that needs no limit never meets one. 0 < least_count <= most_count. */
void concurrency_limit_init(struct concurrency_limit *limit, uint64_t least_count,
                            uint64_t most_count);
/* New settings; the limit stays if they allow it. */
void concurrency_limit_set_range(struct concurrency_limit *limit, uint64_t least_count,
                                 uint64_t most_count);

uint64_t concurrency_limit_get(const struct concurrency_limit *limit);

/* A call was answered (failures say nothing about capacity): its latency, and the number of calls in flight with it.
   True: the limit has changed. */
bool concurrency_limit_note(struct concurrency_limit *limit, uint64_t now_ms, uint64_t latency_us,
                            uint64_t in_flight_count);

#endif
