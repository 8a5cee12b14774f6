/*
 * The limits of a route that outlive a generation: its token bucket, the token buckets of its keys, its shards, and in place of token
 * buckets the leases of rates over the fleet. They pass from one generation to the next by the route's name.
 *
 * Owns: all of that. Keys and shards live as long as a generation uses them; shards also as long as an exchange holds
 * one. Thread: made, adopted and left by control; used by any worker through the pointers of its generation.
 */
#ifndef EVENKEEL_PROXY_POLICY_ADMISSION_H
#define EVENKEEL_PROXY_POLICY_ADMISSION_H

#include <stdbool.h>

#include "breaker/key_buckets.h"
#include "breaker/rate_leases.h"
#include "breaker/token_bucket.h"
#include "conf/settings.h"
#include "proxy/worker/admission_view.h"
#include "steady/bound.h"

struct shard_set;

struct admission_keys {
    struct key_buckets *buckets;
    size_t count;
    unsigned views_count; /* generations that use them; control only */
};

/* Of a rate over the fleet. */
struct admission_leases {
    struct rate_leases *table;
    size_t count;
    unsigned views_count; /* generations that use them; control only */
};

/* By the route's name. */
struct admission {
    struct token_bucket bucket;
    struct admission_keys *keys; /* those that the adopted generation uses; NULL: none */
    struct shard_set *shards;    /* those that the adopted generation uses; NULL: none */
    struct admission_leases *leases[ADMISSION_RATE_COUNT]; /* the same */
};

/* Replaced sets of shards that exchanges still hold, and the registry of the bounds of the others. */
struct admission_leftovers;

/* The settings of one of the rates of a route. */
const struct rate_settings *admission_rate_settings(const struct route_settings *settings,
                                                    enum admission_rate kind);

enum admission_result { ADMISSION_OK, ADMISSION_NO_MEMORY };
/* The view must be left with admission_leave(), whatever the result. */
__attribute__((warn_unused_result)) enum admission_result admission_build(
    struct admission *admission, const struct route_settings *settings, unsigned worker_count,
    struct admission_view *ret_view);
/* The generation of the view is about to be used: its limits take effect. */
void admission_adopt(struct admission_leftovers *leftovers, const struct admission_view *view,
                     const struct route_settings *settings);
/* The generation of the view is over. A view that was never built (all zero) is fine. */
void admission_leave(struct admission_leftovers *leftovers, struct admission_view *view);

/* NULL: no memory. */
struct admission_leftovers *admission_leftovers_create(struct bound_registry *registry);
/* Frees the sets whose shards no exchange holds any more. */
void admission_collect(struct admission_leftovers *leftovers);
/* After all workers have ended. NULL is fine. */
void admission_leftovers_free(struct admission_leftovers **leftovers);

/* The rate limit of a listener: its token bucket, shared by the workers, and the rate in the worker's generation. */
struct listener_admission {
    struct token_bucket *bucket; /* NULL: the listener is gone */
    struct token_rate rate;
};

#endif
