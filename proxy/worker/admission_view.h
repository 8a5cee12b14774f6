/*
 * The limits of a route in one generation: settings for token buckets and shards that outlive the generation.
 *
 * Owns nothing: policy/admission builds it and keeps what it points to. Thread: built on control, read by workers.
 */
#ifndef EVENKEEL_PROXY_WORKER_ADMISSION_VIEW_H
#define EVENKEEL_PROXY_WORKER_ADMISSION_VIEW_H

#include <stdbool.h>

#include "breaker/token_bucket.h"
#include "steady/enum_names.h"

struct admission;
struct admission_keys;
struct admission_leases;
struct shard_set;

/* The rates of a route. */
#define ADMISSION_RATES(X)            \
    X(ADMISSION_RATE_ROUTE, "rate")   \
    X(ADMISSION_RATE_KEY, "key_rate") \
    X(ADMISSION_RATE_SHARD, "shards.rate")
enum admission_rate { ENUM_VALUES(ADMISSION_RATES) ADMISSION_RATE_COUNT };
const char *admission_rate_name(enum admission_rate value);

struct admission_view {
    struct admission *of;
    struct token_rate rate, key_rate, shard_rate;
    struct admission_keys *keys;
    struct shard_set *shards;
    struct admission_leases
        *leases[ADMISSION_RATE_COUNT]; /* of rates over the fleet; NULL: not one */
    bool limited;                      /* at least one of these limits is set */
};

#endif
