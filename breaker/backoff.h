/*
 * Backoff: how long to wait before a retry, and what wait to tell a client.
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
    unsigned retry;          /* 1 for the first retry */
    uint64_t retry_after_ms; /* wait that the upstream asked for; 0: none */
    uint64_t attempt_ms;     /* shortest time of an attempt */
    uint64_t deadline_ms;    /* of the exchange */
};

/* Full jitter: a uniform time between 0 and backoff_base_ms * 2^(retry - 1), at most backoff_max_ms, after the wait
   that the upstream asked for, and no longer than the deadline leaves room for. */
__attribute__((warn_unused_result)) enum backoff_result backoff_wait(
    const struct retry_settings *settings, const struct backoff_plan *plan, uint64_t now_ms,
    struct rng *rng, uint64_t *ret_wait_ms);

/* Seconds of a Retry-After for "not before wait_ms": never too few, and up to twice as many at random, so that clients
   do not all return at once. At least 1. */
uint64_t backoff_retry_after_s(uint64_t wait_ms, struct rng *rng);

#endif
