/* Building, retiring and collecting sets. */
#include "pool/sets.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pool/health_state.h"
#include "pool/queue.h"
#include "steady/check.h"
#include "steady/fault.h"
#include "steady/loop_clock.h"
#include "tls/client.h"

/* The set that is being built, and where to write why it cannot be. */
struct building {
    struct pools *pools;
    struct upstream_set_record *record;
    struct upstream_view *view;
    const struct upstream_view *previous; /* a view whose endpoints may be kept; NULL: none */
    size_t group_at; /* where the endpoints of the group begin that is being added */
    char *why;
    size_t why_bytes;
};

__attribute__((format(printf, 2, 3))) static void say(struct building *building, const char *format,
                                                      ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(building->why, building->why_bytes, format, arguments);
    va_end(arguments);
}

static enum upstream_result no_room(struct building *building,
                                    const struct endpoint_settings *settings)
{
    say(building,
        "upstream \"%s\": no memory for endpoint \"%s\", or more than %d endpoints in all",
        building->view->upstream->name, settings->text, POOL_ENDPOINTS);
    return UPSTREAM_NO_MEMORY;
}

/* ---- endpoints of a view ---- */

/* What makes it another endpoint: its address, the name that led there, and with TLS the name in the settings, because two
   services of different domains may have the same target. To be freed; NULL: no memory. */
static char *key_of(const struct upstream_view *view, const struct endpoint_settings *settings,
                    const struct named_address *named)
{
    char address[ADDRESS_TEXT_BYTES], *key = NULL;
    const struct address *at = &named->address;
    size_t address_bytes = address_format(&at->any, address);
    if (fault_hits(FAULT_ALLOC) ||
        asprintf(&key, "%s %u %s %s", address,
                 at->any.sa_family == AF_INET6 ? at->v6.sin6_scope_id : 0, named->hostname,
                 view->tls != NULL ? endpoint_identity(settings) : "") < 0) {
        return NULL;
    }
    for (char *c = key + address_bytes; *c != '\0'; c++) {
        *c = (char)tolower((unsigned char)*c);
    }
    return key;
}

static bool make_space(struct upstream_view *view)
{
    size_t count = view->endpoint_count;
    if ((count & (count - 1)) != 0) {
        return true;
    }
    size_t space = count == 0 ? 1 : 2 * count;
    struct endpoint **endpoints =
        fault_hits(FAULT_ALLOC) ? NULL : realloc(view->endpoints, space * sizeof *endpoints);
    if (endpoints == NULL) {
        return false;
    }
    view->endpoints = endpoints;
    uint32_t *weight_ends =
        fault_hits(FAULT_ALLOC) ? NULL : realloc(view->weight_ends, space * sizeof *weight_ends);
    if (weight_ends == NULL) {
        return false;
    }
    view->weight_ends = weight_ends;
    return true;
}

/* An endpoint that is named twice counts once, with both weights. weight_ends holds plain weights until the view is
   complete. */
static bool add_endpoint(struct building *building, struct endpoint *endpoint, uint32_t weight)
{
    struct upstream_view *view = building->view;
    if (endpoint->place < view->endpoint_count && view->endpoints[endpoint->place] == endpoint) {
        /* who is in ordinary use is no backup besides */
        view->weight_ends[endpoint->place] += endpoint->place >= building->group_at ? weight : 0;
        return true;
    }
    if (!make_space(view) || !text_index_add(&view->by_key, endpoint->names.key, endpoint)) {
        return false;
    }
    if (view->settings->sticky &&
        !text_index_add(&view->by_token, endpoint->names.token, endpoint)) {
        return false;
    }
    endpoint->place = view->endpoint_count;
    view->endpoints[view->endpoint_count] = endpoint;
    view->weight_ends[view->endpoint_count++] = weight;
    endpoint->sets_count++;
    return true;
}

/* Addresses of the entry now; 0: none are known. */
static size_t find_addresses(const struct pools *pools, const struct endpoint_settings *settings,
                             struct named_address *addresses)
{
    if (!settings->literal) {
        return pools->names.find == NULL ? 0
                                         : pools->names.find(pools->names.owner, settings,
                                                             addresses, POOL_NAME_ADDRESSES);
    }
    addresses[0].hostname = settings->host;
    addresses[0].weight = 1;
    CHECK(settings->local ? address_from_path(settings->host, &addresses[0].address)
                          : address_from_host(settings->host, strlen(settings->host),
                                              settings->port, &addresses[0].address));
    return 1;
}

/* A known endpoint stays the same object. One that joins an upstream which is already serving is marked `late`. */
static struct endpoint *obtain_endpoint(struct building *building,
                                        const struct endpoint_settings *settings,
                                        const struct named_address *named)
{
    char *key = key_of(building->view, settings, named);
    if (key == NULL) {
        return NULL;
    }
    struct endpoint *endpoint = text_index_find(&building->view->by_key, key);
    bool serves = building->previous != NULL && building->previous->endpoint_count > 0;
    if (endpoint == NULL && serves) {
        endpoint = text_index_find(&building->previous->by_key, key);
    }
    if (endpoint == NULL) {
        endpoint = endpoint_create(building->view, settings, named);
        if (endpoint != NULL) {
            endpoint->late = serves;
            endpoint->names.key = key;
            return endpoint;
        }
    }
    free(key);
    return endpoint;
}

static enum upstream_result add_entry(struct building *building,
                                      const struct endpoint_settings *settings)
{
    struct named_address addresses[POOL_NAME_ADDRESSES];
    size_t count = find_addresses(building->pools, settings, addresses);
    for (size_t i = 0; i < count; i++) {
        struct endpoint *endpoint = obtain_endpoint(building, settings, &addresses[i]);
        if (endpoint == NULL ||
            !add_endpoint(building, endpoint, (uint32_t)addresses[i].weight * settings->weight)) {
            return no_room(building, settings);
        }
    }
    return UPSTREAM_OK;
}

static struct endpoint_group group_of(struct upstream_view *view, size_t first, size_t after)
{
    for (size_t i = first + 1; i < after; i++) {
        view->weight_ends[i] += view->weight_ends[i - 1];
    }
    return (struct endpoint_group){.endpoints = &view->endpoints[first],
                                   .endpoint_count = after - first,
                                   .weight_ends = &view->weight_ends[first]};
}

static enum upstream_result add_group(struct building *building, bool backups)
{
    const struct upstream_settings *settings = building->view->settings;
    enum upstream_result result = UPSTREAM_OK;
    building->group_at = building->view->endpoint_count;
    for (size_t i = 0; i < settings->endpoint_count && result == UPSTREAM_OK; i++) {
        if (settings->endpoints[i].backup == backups) {
            result = add_entry(building, &settings->endpoints[i]);
        }
    }
    return result;
}

static enum upstream_result add_entries(struct building *building)
{
    struct upstream_view *view = building->view;
    enum upstream_result result = add_group(building, false);
    if (result == UPSTREAM_OK) {
        result = add_group(building, true);
    }
    if (result == UPSTREAM_OK && view->endpoint_count > 0) {
        view->groups[GROUP_ORDINARY] = group_of(view, 0, building->group_at);
        view->groups[GROUP_BACKUP] = group_of(view, building->group_at, view->endpoint_count);
    }
    return result;
}

const struct upstream_view *upstream_set_find(const struct upstream_set *set, const char *name)
{
    const struct upstream_set_record *record = container_of(set, struct upstream_set_record, set);
    return text_index_find(&record->by_name, name);
}

struct endpoint *upstream_view_find(const struct upstream_view *view, const char *token)
{
    return view->by_token.count > 0 ? text_index_find(&view->by_token, token) : NULL;
}

/* The view of that name in the newest live set that has it, if its connections may serve these settings too. */
static const struct upstream_view *find_previous(const struct pools *pools,
                                                 const struct upstream_settings *settings,
                                                 const struct tls_client *tls)
{
    const struct upstream_set_record *record;
    TAILQ_FOREACH (record, &pools->sets, link) {
        const struct upstream_view *view =
            record->retired ? NULL : text_index_find(&record->by_name, settings->name);
        if (view != NULL) {
            return settings_upstream_same_pool(view->settings, settings) && view->tls == tls ? view
                                                                                             : NULL;
        }
    }
    return NULL;
}

/* The TLS client that was already loaded for these settings: for an earlier upstream, or for a live set of the same
   configuration. */
static struct tls_client *find_tls(const struct building *building,
                                   const struct upstream_settings *settings)
{
    const struct upstream_set_record *record;
    struct tls_client *client = tls_client_index_find(&building->record->tls, &settings->tls);
    TAILQ_FOREACH (record, &building->pools->sets, link) {
        if (client != NULL) {
            break;
        }
        if (!record->retired && record->set.settings == building->record->set.settings) {
            client = tls_client_index_find(&record->tls, &settings->tls);
        }
    }
    return client;
}

/* If the files have changed, this is another TLS client. */
static enum upstream_result obtain_tls(struct building *building,
                                       const struct upstream_settings *settings)
{
    char why[512];
    if (!settings->tls.enabled) {
        return UPSTREAM_OK;
    }
    enum tls_client_result result = TLS_CLIENT_OK;
    building->view->tls = tls_client_get(find_tls(building, settings));
    if (building->view->tls == NULL) {
        result = tls_client_obtain(building->pools->tls, &settings->tls, &building->view->tls, why,
                                   sizeof why);
    }
    if (result == TLS_CLIENT_OK) {
        return tls_client_index_add(&building->record->tls, &settings->tls, building->view->tls)
                   ? UPSTREAM_OK
                   : UPSTREAM_NO_MEMORY;
    }
    say(building, "upstream \"%s\": %s", settings->name, why);
    return result == TLS_CLIENT_NO_MEMORY ? UPSTREAM_NO_MEMORY : UPSTREAM_BAD_FILE;
}

/* None of its endpoints is in the set that is in use now. */
static bool is_ahead(const struct upstream_view *view)
{
    for (size_t i = 0; i < view->endpoint_count; i++) {
        if (view->endpoints[i]->shown) {
            return false;
        }
    }
    return view->endpoint_count > 0;
}

static enum upstream_result build_view(struct building *building,
                                       const struct upstream_settings *settings)
{
    struct upstream_private *own = upstream_obtain(building->pools, settings->name);
    if (own == NULL) {
        say(building, "upstream \"%s\": no memory, or more than %d upstreams", settings->name,
            POOL_UPSTREAMS);
        return UPSTREAM_NO_MEMORY;
    }
    own->sets_count++;
    building->view->settings = settings;
    building->view->upstream = &own->upstream;
    enum upstream_result obtained = obtain_tls(building, settings);
    if (obtained != UPSTREAM_OK) {
        return obtained;
    }
    building->previous = find_previous(building->pools, settings, building->view->tls);
    enum upstream_result added = add_entries(building);
    if (added != UPSTREAM_OK) {
        return added;
    }
    building->view->ahead = is_ahead(building->view);
    if (!balance_prepare(building->view)) {
        say(building, "upstream \"%s\": no memory for its balance method", settings->name);
        return UPSTREAM_NO_MEMORY;
    }
    return UPSTREAM_OK;
}

/* ---- sets ---- */

static struct upstream_set_record *create_record(struct settings *settings)
{
    struct upstream_set_record *record = fault_hits(FAULT_ALLOC) ? NULL : calloc(1, sizeof *record);
    if (record == NULL) {
        return NULL;
    }
    record->set.views = fault_hits(FAULT_ALLOC)
                            ? NULL
                            : calloc(settings->upstream_count + 1, sizeof *record->set.views);
    if (record->set.views == NULL) {
        free(record);
        return NULL;
    }
    record->set.settings = settings_get(settings);
    return record;
}

/* Objects that only this set contained go with the next sweep. */
static void free_record(struct upstream_set_record *record)
{
    for (size_t v = 0; v < record->set.count; v++) {
        struct upstream_view *view = &record->set.views[v];
        for (size_t e = 0; e < view->endpoint_count; e++) {
            view->endpoints[e]->sets_count--;
        }
        if (view->upstream != NULL) {
            view->upstream->own->sets_count--;
        }
        balance_release(view);
        tls_client_put(&view->tls);
        free(view->endpoints);
        free(view->weight_ends);
        text_index_release(&view->by_key);
        text_index_release(&view->by_token);
    }
    free(record->set.views);
    text_index_release(&record->by_name);
    tls_client_index_release(&record->tls);
    settings_put(&record->set.settings);
    free(record);
}

static void count_live(const struct upstream_set *set, uint32_t change)
{
    for (size_t v = 0; v < set->count; v++) {
        for (size_t e = 0; e < set->views[v].endpoint_count; e++) {
            __atomic_fetch_add(&set->views[v].endpoints[e]->live_count, change, __ATOMIC_RELAXED);
        }
    }
}

static void limit_sessions(struct pools *pools, const struct tls_session_settings *settings)
{
    const struct session_limits limits = {
        .entries_count = settings->entries_count,
        .per_name_count = settings->per_name_count,
        .bytes = settings->memory_bytes,
        .ttl_ms = settings->ttl_ms,
    };
    session_cache_set_limits(tls_clients_sessions(pools->tls), &limits,
                             loop_clock_ms(&(struct loop_clock){0}));
}

enum upstream_result upstream_set_build(struct pools *pools, struct settings *settings,
                                        struct upstream_set **ret_set, char *why, size_t why_bytes)
{
    struct building building = {.pools = pools, .why = why, .why_bytes = why_bytes};
    struct upstream_set_record *record = create_record(settings);
    if (record == NULL) {
        say(&building, "no memory for the upstreams");
        return UPSTREAM_NO_MEMORY;
    }
    building.record = record;
    for (size_t i = 0; i < settings->upstream_count; i++) {
        building.view = &record->set.views[record->set.count++];
        enum upstream_result result = build_view(&building, &settings->upstreams[i]);
        if (result == UPSTREAM_OK &&
            !text_index_add(&record->by_name, settings->upstreams[i].name, building.view)) {
            result = UPSTREAM_NO_MEMORY;
        }
        if (result != UPSTREAM_OK) {
            free_record(record);
            sets_sweep(pools);
            return result;
        }
    }
    TAILQ_INSERT_HEAD(&pools->sets, record, link);
    count_live(&record->set, 1);
    *ret_set = &record->set;
    return UPSTREAM_OK;
}

void upstream_set_use(struct pools *pools, struct upstream_set *set)
{
    struct upstream_set_record *record = (struct upstream_set_record *)set;
    record->used = true;
    limit_sessions(pools, &set->settings->tls_sessions);
    sets_show_newest(pools);
}

struct set_warmth upstream_set_warmth(const struct upstream_set *set)
{
    struct set_warmth warmth = {.upstream_count = 0};
    for (size_t v = 0; v < set->count; v++) {
        const struct upstream_view *view = &set->views[v];
        const struct pool_settings *pool = &view->settings->pool;
        uint64_t most_count =
            pool->warm_min_count < pool->max_count ? pool->warm_min_count : pool->max_count;
        if (!view->ahead || most_count == 0) {
            continue;
        }
        warmth.upstream_count++;
        for (size_t e = 0; e < view->endpoint_count; e++) {
            const struct endpoint *endpoint = view->endpoints[e];
            uint64_t level_count = endpoint_level_count(endpoint, most_count, pool->warm_auto);
            uint64_t ready_count = count_read(&endpoint->upkeep.ready_count);
            uint64_t missing_count = ready_count < level_count ? level_count - ready_count : 0;
            warmth.wanted_count += level_count;
            warmth.ready_count += level_count - missing_count;
            if (count_read(&endpoint->upkeep.redial_failures_count) > 0) {
                warmth.failing_count += missing_count;
            }
        }
    }
    return warmth;
}

void upstream_set_retire(struct pools *pools, struct upstream_set **set)
{
    struct upstream_set_record *record = (struct upstream_set_record *)*set;
    if (record == NULL) {
        return;
    }
    *set = NULL;
    CHECK(!record->retired);
    record->retired = true;
    count_live(&record->set, (uint32_t)-1);
    sets_show_newest(pools);
}

enum upstream_result pools_reread_tls(struct pools *pools, const struct settings *settings,
                                      const struct upstream_settings *upstream, bool *ret_changed,
                                      char *why, size_t why_bytes)
{
    struct upstream_set_record *record;
    struct tls_client *client = NULL;
    enum tls_client_result result =
        tls_client_obtain(pools->tls, &upstream->tls, &client, why, why_bytes);
    if (result != TLS_CLIENT_OK) {
        return result == TLS_CLIENT_NO_MEMORY ? UPSTREAM_NO_MEMORY : UPSTREAM_BAD_FILE;
    }
    *ret_changed = false;
    TAILQ_FOREACH (record, &pools->sets, link) {
        if (!record->retired && record->set.settings == settings &&
            tls_client_index_find(&record->tls, &upstream->tls) != client) {
            tls_client_index_replace(&record->tls, &upstream->tls, client);
            *ret_changed = true;
        }
    }
    tls_client_put(&client);
    return UPSTREAM_OK;
}

/* A view is in use while a worker has it: as the current one, or as the last one of an upstream that is gone. */
static bool in_use(const struct pools *pools, const struct upstream_set *set)
{
    for (size_t v = 0; v < set->count; v++) {
        for (unsigned w = 0; w < pools->worker_count; w++) {
            if (__atomic_load_n(&set->views[v].upstream->views[w], __ATOMIC_ACQUIRE) ==
                &set->views[v]) {
                return true;
            }
        }
    }
    return false;
}

size_t pools_collect(struct pools *pools)
{
    struct upstream_set_record *record, *next;
    size_t alive_count = 0;
    for (record = TAILQ_FIRST(&pools->sets); record != NULL; record = next) {
        next = TAILQ_NEXT(record, link);
        if (!record->retired) {
            continue;
        }
        if (in_use(pools, &record->set)) {
            alive_count++;
            continue;
        }
        TAILQ_REMOVE(&pools->sets, record, link);
        free_record(record);
    }
    sets_sweep(pools);
    return alive_count;
}

void sets_show_newest(struct pools *pools)
{
    struct upstream_set_record *newest;
    TAILQ_FOREACH (newest, &pools->sets, link) {
        if (newest->used && !newest->retired) {
            break;
        }
    }
    struct upstream_private *own;
    struct endpoint *endpoint;
    TAILQ_FOREACH (own, &pools->known, link) {
        own->settings = NULL;
        own->shown_count = 0;
        TAILQ_FOREACH (endpoint, &own->endpoints, link) {
            if (endpoint->shown) {
                bound_remove(pools->registry, &endpoint->connections);
                endpoint->shown = false;
            }
        }
    }
    for (size_t v = 0; newest != NULL && v < newest->set.count; v++) {
        own = newest->set.views[v].upstream->own;
        own->settings = newest->set.views[v].settings;
        own->shown_count = newest->set.views[v].endpoint_count;
        for (size_t e = 0; e < newest->set.views[v].endpoint_count; e++) {
            endpoint = newest->set.views[v].endpoints[e];
            bound_register(pools->registry, &endpoint->connections);
            endpoint->shown = true;
        }
    }
    health_follow(pools, newest != NULL ? &newest->set : NULL);
}
