/*
 * Token buckets of many keys: a bounded number of them, and whoever has used least of its rate is forgotten first.
 *
 * Owns: the buckets. Thread: any; no lock. Keys are told by a hash of theirs, 64 bits wide. Errors: NULL from
 * key_buckets_create() only. Time base: microseconds, monotonic.
 *
 * Eight buckets share a set; a new key takes the fullest one of its set. Nothing is lost when that one is full, which is so as long as
 * there are about half as many keys under way as buckets; else the key that was pushed out starts anew, and is counted. A key that
 * comes while another thread takes from the bucket it is given may get one token too many, once.
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

/* As token_bucket_take() for the key's bucket. */
__attribute__((warn_unused_result)) bool key_buckets_take(struct key_buckets *buckets,
                                                          uint64_t key_hash,
                                                          const struct token_rate *rate, bool retry,
                                                          uint64_t now_us, uint64_t *ret_wait_ms);

struct key_buckets_figures {
    uint64_t room_count, pushed_out_count;
    uint64_t used_count; /* keys whose bucket is not full */
};
struct key_buckets_figures key_buckets_figures(const struct key_buckets *buckets, uint64_t now_us);

#endif
