/*
 * The limits of a route in one generation: settings for token buckets and shards that outlive the generation.
 *
 * Owns nothing: policy/admission builds it and keeps what it points to. Thread: built on control, read by workers.
 */
#ifndef EVENKEEL_PROXY_WORKER_ADMISSION_VIEW_H
#define EVENKEEL_PROXY_WORKER_ADMISSION_VIEW_H

#include <stdbool.h>

#include "breaker/token_bucket.h"

struct admission;
struct admission_keys;
struct shard_set;

struct admission_view {
    struct admission *of;
    struct token_rate rate, key_rate, shard_rate;
    struct admission_keys *keys;
    struct shard_set *shards;
    bool limited; /* at least one of these limits is set */
};

#endif
