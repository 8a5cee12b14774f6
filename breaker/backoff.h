/*
 * Backoff: how long to wait before a retry, and what to tell a client that has to wait.
 *
 * Owns nothing; pure. Thread: any. Time base: milliseconds, monotonic. Spec: RFC 9110 10.2.3 (Retry-After).
 */
#ifndef EVENKEEL_BREAKER_BACKOFF_H
#define EVENKEEL_BREAKER_BACKOFF_H

#include <stdint.h>

#include "conf/settings.h"
#include "steady/rng.h"

enum backoff_result {
    BACKOFF_WAIT,
    BACKOFF_TOO_LATE, /* the wait and an attempt would not end before the deadline */
};

struct backoff_plan {
    unsigned retry;          /* 1 for the first */
    uint64_t retry_after_ms; /* what the upstream asked for, 0 when it did not */
    uint64_t attempt_ms;     /* what an attempt needs at least */
    uint64_t deadline_ms;    /* of the exchange */
};

/* Full jitter: uniform between nothing and backoff_base_ms * 2^(retry - 1), at most backoff_max_ms, on top of what the upstream
   asked for, and no longer than the deadline leaves room for. */
__attribute__((warn_unused_result)) enum backoff_result backoff_wait(
    const struct retry_settings *settings, const struct backoff_plan *plan, uint64_t now_ms,
    struct rng *rng, uint64_t *ret_wait_ms);

/* The seconds of a Retry-After that says: not before wait_ms. Never too few, up to twice as many, so that not all come back at
   once. At least 1. */
uint64_t backoff_retry_after_s(uint64_t wait_ms, struct rng *rng);

#endif
