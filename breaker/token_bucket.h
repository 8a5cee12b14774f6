/*
 * Token bucket: a number of requests a second, a burst, and a reserve that retries may not use.
 *
 * Owns nothing; a token bucket is one embedded word, and zero is a full one. A rate is made of settings and shared by
 * the token buckets of a generation. Thread: any (one atomic word, exact: never more than the rate allows). Time base:
 * microseconds, monotonic, because rounded milliseconds would give the tokens of a fast rate in lumps. Good for 35
 * years of that clock.
 *
 * The word is the time at which the token bucket will be full again (the virtual scheduling algorithm of ITU-T I.371,
 * "GCRA").
 */
#ifndef EVENKEEL_BREAKER_TOKEN_BUCKET_H
#define EVENKEEL_BREAKER_TOKEN_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/settings.h"

struct token_bucket {
    uint64_t full_at; /* in ticks */
};

/* In ticks of 1/16 ns, so that a fast rate is not rounded. */
struct token_rate {
    uint64_t interval;    /* time in which one token comes; 0: no limit */
    uint64_t fresh_depth; /* how long before it is full a token bucket still gives a token */
    uint64_t retry_depth;
};

/* A token bucket holds settings->burst tokens and those of a tenth of a second, at least one. Retries leave
   retry_reserve of them. */
struct token_rate token_rate(const struct rate_settings *settings);

/* Takes a token, or sets *ret_wait_ms, at least 1: after this time there may be one. */
__attribute__((warn_unused_result)) bool token_bucket_take(struct token_bucket *bucket,
                                                           const struct token_rate *rate,
                                                           bool retry, uint64_t now_us,
                                                           uint64_t *ret_wait_ms);

/* Tokens that a fresh request would find. Not for a rate without a limit. */
uint64_t token_bucket_left(const struct token_bucket *bucket, const struct token_rate *rate,
                           uint64_t now_us);

/* A full token bucket can be forgotten without loss. */
bool token_bucket_full(const struct token_bucket *bucket, uint64_t now_us);

#endif
