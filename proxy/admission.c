/* Buckets and shards of routes over reloads. */
#include "proxy/admission.h"

#include <stdlib.h>

#include "proxy/shards.h"
#include "steady/check.h"

struct admission_leftovers {
    struct shard_set_list sets;
};

static bool build_keys(struct admission *admission, const struct key_rate_settings *settings)
{
    if (!(settings->rate.per_second > 0)) {
        admission->keys = NULL;
        return true;
    }
    if (admission->keys != NULL && admission->keys_count == settings->keys_count) {
        return true;
    }
    admission->keys = key_buckets_create(settings->keys_count);
    admission->keys_count = settings->keys_count;
    return admission->keys != NULL;
}

static bool build_shards(struct admission *admission, const struct shard_settings *settings,
                         unsigned worker_count)
{
    if (settings->count == 0) {
        admission->shards = NULL;
        return true;
    }
    if (admission->shards == NULL || admission->shards->count != settings->count) {
        admission->shards = shard_set_create(settings->count, worker_count);
    }
    return admission->shards != NULL;
}

/* What is replaced here is freed with the generation that has it. */
enum admission_result admission_build(struct admission *admission,
                                      const struct route_settings *settings, unsigned worker_count,
                                      struct admission_view *ret_view)
{
    struct key_buckets *keys = admission->keys;
    size_t keys_count = admission->keys_count;
    struct shard_set *shards = admission->shards;
    if (!build_keys(admission, &settings->key_rate) ||
        !build_shards(admission, &settings->shards, worker_count)) {
        if (admission->keys != keys) {
            key_buckets_free(&admission->keys);
        }
        admission->keys = keys;
        admission->keys_count = keys_count;
        admission->shards = shards;
        return ADMISSION_NO_MEMORY;
    }
    *ret_view = (struct admission_view){
        .of = admission,
        .rate = token_rate(&settings->rate),
        .key_rate = token_rate(&settings->key_rate.rate),
        .shard_rate = token_rate(&settings->shards.rate),
        .keys = admission->keys,
        .shards = admission->shards,
    };
    ret_view->limited = ret_view->rate.interval != 0 || ret_view->key_rate.interval != 0 ||
                        ret_view->shards != NULL;
    return ADMISSION_OK;
}

void admission_adopt(const struct admission_view *view, const struct route_settings *settings)
{
    if (view->shards != NULL) {
        shard_set_adopt(view->shards, &settings->shards);
    }
}

static void give_up(struct admission_leftovers *leftovers, struct shard_set **set)
{
    TAILQ_INSERT_TAIL(&leftovers->sets, *set, link);
    *set = NULL;
    admission_collect(leftovers);
}

void admission_leave(struct admission_leftovers *leftovers, struct admission_view *view)
{
    if (view->of == NULL) {
        return;
    }
    if (view->keys != view->of->keys) {
        key_buckets_free(&view->keys);
    }
    if (view->shards != NULL && view->shards != view->of->shards) {
        give_up(leftovers, &view->shards);
    }
    view->of = NULL;
}

void admission_release(struct admission_leftovers *leftovers, struct admission *admission)
{
    key_buckets_free(&admission->keys);
    if (admission->shards != NULL) {
        give_up(leftovers, &admission->shards);
    }
}

struct admission_leftovers *admission_leftovers_create(void)
{
    struct admission_leftovers *leftovers = malloc(sizeof *leftovers);
    if (leftovers != NULL) {
        TAILQ_INIT(&leftovers->sets);
    }
    return leftovers;
}

void admission_collect(struct admission_leftovers *leftovers)
{
    struct shard_set *set, *next;
    for (set = TAILQ_FIRST(&leftovers->sets); set != NULL; set = next) {
        next = TAILQ_NEXT(set, link);
        if (shard_set_idle(set)) {
            TAILQ_REMOVE(&leftovers->sets, set, link);
            shard_set_free(&set);
        }
    }
}

void admission_leftovers_free(struct admission_leftovers **leftovers)
{
    if (*leftovers != NULL) {
        admission_collect(*leftovers);
        CHECK(TAILQ_EMPTY(&(*leftovers)->sets));
        free(*leftovers);
        *leftovers = NULL;
    }
}
