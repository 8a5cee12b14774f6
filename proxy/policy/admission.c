/* Token buckets and shards of routes, kept over reloads. */
#include "proxy/policy/admission.h"

#include <stdlib.h>
#include <string.h>

#include "proxy/policy/shards.h"
#include "steady/check.h"

ENUM_NAME_FUNCTION(admission_rate_name, enum admission_rate, ADMISSION_RATES)

struct admission_leftovers {
    struct shard_set_list sets;
    struct bound_registry *registry;
};

static struct admission_keys *keys_create(size_t keys_count)
{
    struct admission_keys *keys = malloc(sizeof *keys);
    if (keys == NULL) {
        return NULL;
    }
    *keys = (struct admission_keys){.buckets = key_buckets_create(keys_count), .count = keys_count};
    if (keys->buckets == NULL) {
        free(keys);
        return NULL;
    }
    return keys;
}

/* Keeps the current buckets of keys, makes new ones, or has none, as the settings say. */
static bool view_keys(struct admission_view *view, const struct key_rate_settings *settings)
{
    struct admission_keys *present = view->of->keys;
    if (view->key_rate.interval == 0 || settings->rate.fleet) {
        return true;
    }
    bool same = present != NULL && present->count == settings->keys_count;
    view->keys = same ? present : keys_create(settings->keys_count);
    if (view->keys != NULL) {
        view->keys->views_count++;
    }
    return view->keys != NULL;
}

static bool view_shards(struct admission_view *view, const char *route,
                        const struct shard_settings *settings, unsigned worker_count)
{
    struct shard_set *present = view->of->shards;
    if (settings->count == 0) {
        return true;
    }
    bool same = present != NULL && present->count == settings->count;
    view->shards = same ? present : shard_set_create(route, settings->count, worker_count);
    if (view->shards != NULL) {
        view->shards->views_count++;
    }
    return view->shards != NULL;
}

/* ---- rates over the fleet ---- */

const struct rate_settings *admission_rate_settings(const struct route_settings *settings,
                                                    enum admission_rate kind)
{
    const struct rate_settings *const rates[] = {
        [ADMISSION_RATE_ROUTE] = &settings->rate,
        [ADMISSION_RATE_KEY] = &settings->key_rate.rate,
        [ADMISSION_RATE_SHARD] = &settings->shards.rate,
    };
    return rates[kind];
}

static struct admission_leases *leases_create(size_t count, const struct rate_settings *settings)
{
    const struct token_rate rate = token_rate(settings);
    struct admission_leases *leases = malloc(sizeof *leases);
    if (leases == NULL) {
        return NULL;
    }
    *leases = (struct admission_leases){.table = rate_leases_create(count, &rate), .count = count};
    if (leases->table == NULL) {
        free(leases);
        return NULL;
    }
    return leases;
}

static size_t lease_count(const struct route_settings *settings, enum admission_rate kind)
{
    return kind == ADMISSION_RATE_ROUTE ? 1
           : kind == ADMISSION_RATE_KEY ? settings->key_rate.keys_count
                                        : settings->shards.count;
}

static bool view_leases(struct admission_view *view, const struct route_settings *settings,
                        enum admission_rate kind)
{
    const struct rate_settings *rate = admission_rate_settings(settings, kind);
    struct admission_leases *present = view->of->leases[kind];
    size_t count = lease_count(settings, kind);
    if (!rate->fleet || count == 0 || !(rate->per_second > 0)) {
        return true;
    }
    bool same = present != NULL && present->count == count;
    view->leases[kind] = same ? present : leases_create(count, rate);
    if (view->leases[kind] != NULL) {
        view->leases[kind]->views_count++;
    }
    return view->leases[kind] != NULL;
}

static bool view_all_leases(struct admission_view *view, const struct route_settings *settings)
{
    bool viewed = true;
    for (size_t kind = 0; viewed && kind < ADMISSION_RATE_COUNT; kind++) {
        viewed = view_leases(view, settings, kind);
    }
    return viewed;
}

static void leave_leases(struct admission_view *view, enum admission_rate kind)
{
    struct admission_leases *leases = view->leases[kind];
    if (leases == NULL || --leases->views_count > 0) {
        return;
    }
    if (view->of->leases[kind] == leases) {
        view->of->leases[kind] = NULL;
    }
    rate_leases_free(&leases->table);
    free(leases);
}

/* ---- views ---- */

enum admission_result admission_build(struct admission *admission,
                                      const struct route_settings *settings, unsigned worker_count,
                                      struct admission_view *ret_view)
{
    *ret_view = (struct admission_view){
        .of = admission,
        .rate = token_rate(&settings->rate),
        .key_rate = token_rate(&settings->key_rate.rate),
        .shard_rate = token_rate(&settings->shards.rate),
    };
    ret_view->limited = ret_view->rate.interval != 0 || ret_view->key_rate.interval != 0 ||
                        settings->shards.count != 0;
    bool built = view_keys(ret_view, &settings->key_rate) &&
                 view_shards(ret_view, settings->name, &settings->shards, worker_count) &&
                 view_all_leases(ret_view, settings);
    return built ? ADMISSION_OK : ADMISSION_NO_MEMORY;
}

void admission_adopt(struct admission_leftovers *leftovers, const struct admission_view *view,
                     const struct route_settings *settings)
{
    view->of->keys = view->keys;
    view->of->shards = view->shards;
    memcpy(view->of->leases, view->leases, sizeof view->leases);
    if (view->shards != NULL) {
        shard_set_adopt(view->shards, &settings->shards, leftovers->registry);
    }
}

static void leave_keys(struct admission_view *view)
{
    if (--view->keys->views_count > 0) {
        return;
    }
    if (view->of->keys == view->keys) {
        view->of->keys = NULL;
    }
    key_buckets_free(&view->keys->buckets);
    free(view->keys);
}

static void leave_shards(struct admission_leftovers *leftovers, struct admission_view *view)
{
    if (--view->shards->views_count > 0) {
        return;
    }
    if (view->of->shards == view->shards) {
        view->of->shards = NULL;
    }
    shard_set_retire(view->shards, leftovers->registry);
    TAILQ_INSERT_TAIL(&leftovers->sets, view->shards, link);
    admission_collect(leftovers);
}

void admission_leave(struct admission_leftovers *leftovers, struct admission_view *view)
{
    if (view->keys != NULL) {
        leave_keys(view);
    }
    if (view->shards != NULL) {
        leave_shards(leftovers, view);
    }
    for (size_t kind = 0; kind < ADMISSION_RATE_COUNT; kind++) {
        leave_leases(view, kind);
    }
    *view = (struct admission_view){.of = NULL};
}

struct admission_leftovers *admission_leftovers_create(struct bound_registry *registry)
{
    struct admission_leftovers *leftovers = malloc(sizeof *leftovers);
    if (leftovers != NULL) {
        TAILQ_INIT(&leftovers->sets);
        leftovers->registry = registry;
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
