/*
 * What a route admits by, beyond one configuration: its bucket, the buckets of its keys, its shards. Kept by the route's name over
 * reloads, as its figures are.
 *
 * Owns: all of that. Thread: changed by control while a generation is built; the rest by any worker, with the pointers that its
 * generation has. What a reload replaces lives until no generation and no exchange uses it.
 */
#ifndef EVENKEEL_PROXY_ADMISSION_H
#define EVENKEEL_PROXY_ADMISSION_H

#include <stdbool.h>

#include "breaker/key_buckets.h"
#include "breaker/token_bucket.h"
#include "conf/settings.h"

struct shard_set;

/* By the route's name. */
struct admission {
    struct token_bucket bucket;
    struct key_buckets *keys; /* of the newest generation; NULL: none */
    size_t keys_count;
    struct shard_set *shards; /* likewise */
};

/* As one generation sees it. */
struct admission_view {
    struct admission *of;
    struct token_rate rate, key_rate, shard_rate;
    struct key_buckets *keys;
    struct shard_set *shards;
    bool limited; /* by any of that */
};

/* Replaced sets that exchanges are still in. */
struct admission_leftovers;

enum admission_result { ADMISSION_OK, ADMISSION_NO_MEMORY };
__attribute__((warn_unused_result)) enum admission_result admission_build(
    struct admission *admission, const struct route_settings *settings, unsigned worker_count,
    struct admission_view *ret_view);
/* The generation of the view is to be used: limits of its settings take effect. */
void admission_adopt(const struct admission_view *view, const struct route_settings *settings);
/* The generation of the view is over. */
void admission_leave(struct admission_leftovers *leftovers, struct admission_view *view);
void admission_release(struct admission_leftovers *leftovers, struct admission *admission);

/* NULL: no memory. */
struct admission_leftovers *admission_leftovers_create(void);
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
