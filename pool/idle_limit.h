/*
 * Idle limit: how long the other side keeps an idle connection. It is learned from the connections that the other side
 * closes, so that Evenkeel closes first and no request meets a connection that is being closed.
 *
 * Owns nothing; pure. Thread: its caller's. Time base: milliseconds, monotonic. An orderly end of a connection that
 * was idle for some time is a sign. Two signs that agree, from different moments, make a limit; connections that end
 * together may have met a restart. The limit grows with time, doubling in IDLE_LIMIT_DOUBLES_MS, until a new sign sets
 * it back, so that a wrong or outdated limit is forgotten.
 */
#ifndef EVENKEEL_POOL_IDLE_LIMIT_H
#define EVENKEEL_POOL_IDLE_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#define IDLE_LIMIT_DOUBLES_MS 3600000
/* Shorter signs are ignored: such a limit would leave no connection to reuse. */
#define IDLE_LIMIT_LEAST_MS 100

struct idle_limit {
    uint64_t sign_age_ms, sign_at_ms; /* the last sign; 0: none */
    uint64_t learned_ms;              /* learned limit, less a margin; 0: none */
    uint64_t learned_at_ms;
};

/* The other side has closed a connection that was idle for age_ms. True: the limit has changed. */
bool idle_limit_sign(struct idle_limit *limit, uint64_t age_ms, uint64_t now_ms);
/* How long connections may be idle: the configured limit, or the learned one if it is shorter. */
uint64_t idle_limit_ms(const struct idle_limit *limit, uint64_t configured_ms, uint64_t now_ms);

#endif
