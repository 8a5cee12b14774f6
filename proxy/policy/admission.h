/*
 * What a route admits by, beyond one configuration: its bucket, the buckets of its keys, its shards. Kept by the route's name from
 * one generation to the next.
 *
 * Owns: all of that; keys and shards live as long as a generation sees them, shards also as long as an exchange has one. Thread:
 * made, adopted and left by control; used by any worker, with the pointers that its generation has.
 */
#ifndef EVENKEEL_PROXY_POLICY_ADMISSION_H
#define EVENKEEL_PROXY_POLICY_ADMISSION_H

#include <stdbool.h>

#include "breaker/key_buckets.h"
#include "breaker/token_bucket.h"
#include "conf/settings.h"
#include "proxy/worker/admission_view.h"
#include "steady/bound.h"

struct shard_set;

struct admission_keys {
    struct key_buckets *buckets;
    size_t count;
    unsigned views_count; /* generations that see them; control only */
};

/* By the route's name. */
struct admission {
    struct token_bucket bucket;
    struct admission_keys *keys; /* as the adopted generation sees them; NULL: none */
    struct shard_set *shards;    /* likewise */
};

/* Replaced sets that exchanges still have shards of, and where the bounds of the others are told. */
struct admission_leftovers;

enum admission_result { ADMISSION_OK, ADMISSION_NO_MEMORY };
/* Has to be left, whatever the result. */
__attribute__((warn_unused_result)) enum admission_result admission_build(
    struct admission *admission, const struct route_settings *settings, unsigned worker_count,
    struct admission_view *ret_view);
/* The generation of the view is to be used: limits of its settings take effect. */
void admission_adopt(struct admission_leftovers *leftovers, const struct admission_view *view,
                     const struct route_settings *settings);
/* The generation of the view is over. A view that was never built (all zero) is fine. */
void admission_leave(struct admission_leftovers *leftovers, struct admission_view *view);

/* NULL: no memory. */
struct admission_leftovers *admission_leftovers_create(struct bound_registry *registry);
/* Frees those that nobody is in any more. */
void admission_collect(struct admission_leftovers *leftovers);
/* After all workers have ended. NULL is fine. */
void admission_leftovers_free(struct admission_leftovers **leftovers);

/* What a listener admits by: its own bucket, shared by the workers, and the rate of the generation they are at. */
struct listener_admission {
    struct token_bucket *bucket; /* NULL: no listener any more */
    struct token_rate rate;
};

#endif
