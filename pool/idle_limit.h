/*
 * Idle limit: how long the other side keeps an idle connection, learned from when it closes them, so that ours are
 * closed first and no request meets one that is being closed.
 *
 * Owns nothing; pure. Thread: its caller's. Time base: milliseconds, monotonic. An orderly end of a connection that rested for a ms is a sign;
 * two signs that agree, from different moments, make a limit (connections that end together may have met a restart). A
 * limit grows with time, doubling in IDLE_LIMIT_DOUBLES_MS, until a new sign sets it back: what was learned wrongly,
 * or has changed since, is forgotten.
 */
#ifndef EVENKEEL_POOL_IDLE_LIMIT_H
#define EVENKEEL_POOL_IDLE_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#define IDLE_LIMIT_DOUBLES_MS 3600000
/* Signs below this say nothing: closing before would leave nothing to reuse. */
#define IDLE_LIMIT_LEAST_MS 100

struct idle_limit {
    uint64_t sign_age_ms, sign_at_ms; /* the last sign; 0: none */
    uint64_t learned_ms; /* what connections may rest, margin taken off; 0: nothing learned */
    uint64_t learned_at_ms;
};

/* A connection was closed by the other side after it had rested for age_ms. True: the limit has changed. */
bool idle_limit_sign(struct idle_limit *limit, uint64_t age_ms, uint64_t now_ms);
/* What connections may rest: the configured limit, or less. */
uint64_t idle_limit_ms(const struct idle_limit *limit, uint64_t configured_ms, uint64_t now_ms);

#endif
