/*
 * What a replica asks the store for, and what it gives back, of one key of a rate over the fleet: a pure decision from what happened to
 * the key since the last one.
 *
 * Each of N replicas has a share of its own, 1/N of the rate, which it uses without asking and tells of afterwards. What the shares of
 * others leave over is in the store; a replica whose demand is above its share asks for as much of it as it will need until it asks
 * again. So nobody's share can be taken by others, the rest goes where the demand is, and without the store the shares remain, whose
 * sum is the rate.
 *
 * Owns nothing; pure. Thread: any. Time base: milliseconds that wrap (struct rate_lease_memory). Errors: none.
 */
#ifndef EVENKEEL_PROXY_FLEET_RATE_LEASE_H
#define EVENKEEL_PROXY_FLEET_RATE_LEASE_H

#include "breaker/rate_leases.h"

/* X(id, ms, why) */
#define RATE_LEASE_TIMES(X)                                                                    \
    X(RATE_LEASE_PERIOD_MS, 100, "how often a replica asks for a limit at most")               \
    X(RATE_LEASE_AHEAD_MS, 150, "for how long what it is lent has to last")                    \
    X(RATE_LEASE_FADES_MS, 300, "within which demand that is over is forgotten")               \
    X(RATE_LEASE_HELD_LEAST_MS, 300, "for which a token is held for a key that may come back") \
    X(RATE_LEASE_HELD_MOST_MS, 60000, "the same of a slow rate, which has two of its tokens' time")
enum rate_lease_time {
#define X(id, ms, why) id = (ms),
    RATE_LEASE_TIMES(X)
#undef X
};

/* What is kept in the store beyond the burst, in seconds of the rate: two periods, so that one may be late. */
#define RATE_LEASE_STEADY_S 0.2

/* A rate over so many replicas. */
struct rate_lease_terms {
    double per_second;
    double burst;
    unsigned replica_count; /* at least 1 */
};

/* The share of one replica, and the most tokens that the store keeps for all. */
struct rate_settings rate_lease_share(const struct rate_settings *whole, unsigned replica_count);
double rate_lease_depth(const struct rate_lease_terms *terms);
/* How far those who use their shares unasked may get ahead of the store, in seconds. */
double rate_lease_debt_s(const struct rate_lease_terms *terms);

/* What is said to the store of a key. All 0: nothing. */
struct rate_lease_word {
    uint32_t used_count; /* of the share, since the last word */
    uint32_t back_count; /* given back */
    uint32_t want_count; /* asked for */
};

/* Decides, and notes in `memory` what it has to know the next time; *ret_busy: whether that has to come although nobody uses the key. */
struct rate_lease_word rate_lease_decide(const struct rate_lease_terms *terms,
                                         struct rate_lease_memory *memory,
                                         const struct rate_lease_seen *seen, uint32_t now_ms,
                                         bool *ret_busy);

/* The store's answer to what was wanted: at least 0: so many tokens; below: none, and none before so many milliseconds. Whatever the
   store says, a replica never gets more than it has asked for. Returns how many are lent. */
uint32_t rate_lease_answer(struct rate_lease_memory *memory, uint32_t want_count, long long answer,
                           uint32_t now_ms);

#endif
