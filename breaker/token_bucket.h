/*
 * Token bucket: so many requests a second, some more at once, and a reserve that retries may not touch.
 *
 * Owns nothing; a bucket is one word, embedded, and zero is a full one; a rate is made of settings and shared by the buckets of a
 * generation. Thread: any (one atomic word, exact: never more than the rate allows). Time base: microseconds, monotonic; not the
 * rounded milliseconds, which would hand out a fast rate in lumps. Good for 35 years of that clock.
 *
 * The word is the time at which the bucket will be full again (the virtual scheduling algorithm of ITU-T I.371, "GCRA").
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
    uint64_t interval;    /* in which a token comes; 0: no limit */
    uint64_t fresh_depth; /* how far before its being full a bucket still gives */
    uint64_t retry_depth;
};

/* A bucket holds settings->burst tokens and a tenth of a second's, at least one; retries leave retry_reserve of them. */
struct token_rate token_rate(const struct rate_settings *settings);

/* Takes a token, or sets *ret_wait_ms, at least 1, to the time after which there may be one. */
__attribute__((warn_unused_result)) bool token_bucket_take(struct token_bucket *bucket,
                                                           const struct token_rate *rate,
                                                           bool retry, uint64_t now_us,
                                                           uint64_t *ret_wait_ms);

/* Nothing is lost when a full bucket is forgotten. */
bool token_bucket_full(const struct token_bucket *bucket, uint64_t now_us);

#endif
