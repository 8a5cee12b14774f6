/*
 * Token buckets of many keys: a bounded number of them; the keys that have used least of their rate are forgotten
 * first.
 *
 * Owns: the token buckets. Thread: any; no lock. Keys are identified by a hash of 64 bits. Errors: NULL from
 * key_buckets_create() only. Time base: microseconds, monotonic.
 *
 * Eight token buckets share a set, and a new key takes the fullest one of its set. Nothing is lost if that one is
 * full, which is so while about half as many keys are active as there are token buckets. Else the replaced key starts
 * again, and is counted. A key that comes while another thread takes from the token bucket that it is given may get
 * one token too many, once.
 */
#ifndef EVENKEEL_BREAKER_KEY_BUCKETS_H
#define EVENKEEL_BREAKER_KEY_BUCKETS_H

#include <stddef.h>

#include "breaker/token_bucket.h"

struct key_buckets;

/* At least key_count buckets; NULL when memory is exhausted. */
struct key_buckets *key_buckets_create(size_t key_count);
/* NULL is fine. */
void key_buckets_free(struct key_buckets **buckets);

/* As token_bucket_take() for the key's token bucket. */
__attribute__((warn_unused_result)) bool key_buckets_take(struct key_buckets *buckets,
                                                          uint64_t key_hash,
                                                          const struct token_rate *rate, bool retry,
                                                          uint64_t now_us, uint64_t *ret_wait_ms);

struct key_buckets_figures {
    uint64_t room_count, pushed_out_count;
    uint64_t used_count; /* keys whose token bucket is not full */
};
struct key_buckets_figures key_buckets_figures(const struct key_buckets *buckets, uint64_t now_us);

#endif
