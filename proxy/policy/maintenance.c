/* The words in a row; what is closed is computed anew each time. */
#include "proxy/policy/maintenance.h"

#include <stdlib.h>
#include <string.h>

#include "proxy/policy/policy.h"
#include "proxy/worker/generation.h"

struct maintenance {
    size_t count;
    struct maintenance_word words[MAINTENANCE_WORDS];
};

struct maintenance *maintenance_create(void)
{
    return calloc(1, sizeof(struct maintenance));
}

void maintenance_free(struct maintenance **maintenance)
{
    free(*maintenance);
    *maintenance = NULL;
}

/* ---- words ---- */

/* The word's place; the number of words: there is none. */
static size_t find_word(const struct maintenance *maintenance, enum maintenance_of of,
                        const char *name)
{
    size_t at = 0;
    while (at < maintenance->count &&
           (maintenance->words[at].of != of || strcmp(maintenance->words[at].name, name) != 0)) {
        at++;
    }
    return at;
}

bool maintenance_say(struct maintenance *maintenance, const struct maintenance_word *word)
{
    size_t at = find_word(maintenance, word->of, word->name);
    if (at == MAINTENANCE_WORDS) {
        return false;
    }
    maintenance->count += at == maintenance->count;
    maintenance->words[at] = *word;
    return true;
}

void maintenance_take_back(struct maintenance *maintenance, enum maintenance_of of,
                           const char *name)
{
    size_t at = find_word(maintenance, of, name);
    if (at < maintenance->count) {
        maintenance->words[at] = maintenance->words[--maintenance->count];
    }
}

const struct maintenance_word *maintenance_said(const struct maintenance *maintenance,
                                                enum maintenance_of of, const char *name)
{
    size_t at = find_word(maintenance, of, name);
    return at < maintenance->count ? &maintenance->words[at] : NULL;
}

/* ---- for the next process ---- */

void maintenance_save(const struct maintenance *maintenance, struct pack *pack)
{
    for (size_t i = 0; i < maintenance->count; i++) {
        const struct maintenance_word *word = &maintenance->words[i];
        pack_u8(pack, (uint8_t)word->of);
        pack_text(pack, word->name);
        pack_any_text(pack, word->by);
        pack_any_text(pack, word->reason);
        pack_u64(pack, word->since_wall_ms);
    }
}

size_t maintenance_restore(struct maintenance *maintenance, struct unpack *unpack)
{
    maintenance->count = 0;
    while (unpack_more(unpack)) {
        struct maintenance_word word = {0};
        word.of = unpack_u8(unpack) == MAINTENANCE_OF_UPSTREAM ? MAINTENANCE_OF_UPSTREAM
                                                               : MAINTENANCE_OF_ROUTE;
        bool read = unpack_text(unpack, word.name, sizeof word.name) &&
                    unpack_any_text(unpack, word.by, sizeof word.by) &&
                    unpack_any_text(unpack, word.reason, sizeof word.reason);
        word.since_wall_ms = unpack_u64(unpack);
        if (!read || unpack->failed || !maintenance_say(maintenance, &word)) {
            break;
        }
    }
    return maintenance->count;
}

/* ---- what is closed ---- */

struct look {
    const struct maintenance *maintenance;
    const struct maintenance_env *env;
};

static unsigned why_closed(const struct look *look, const struct maintenance_settings *settings,
                           enum maintenance_of of, const char *name)
{
    unsigned why = settings->enabled ? MAINTENANCE_CONFIGURED : 0;
    if (settings->file[0] != '\0' && look->env->is_there(settings, look->env->owner)) {
        why |= MAINTENANCE_FILE;
    }
    if (look->maintenance->count > 0 && maintenance_said(look->maintenance, of, name) != NULL) {
        why |= MAINTENANCE_SAID;
    }
    return why;
}

/* Tells of what begins and ends, not of another reason for the same. */
static void set_closed(const struct look *look, uint8_t *closed, unsigned why,
                       enum maintenance_of of, const char *name)
{
    unsigned before = *closed & ~(unsigned)MAINTENANCE_UPSTREAM;
    unsigned own = why & ~(unsigned)MAINTENANCE_UPSTREAM;
    __atomic_store_n(closed, (uint8_t)why, __ATOMIC_RELAXED);
    if ((own != 0) != (before != 0)) {
        look->env->changed(of, name, own, maintenance_said(look->maintenance, of, name),
                           look->env->owner);
    }
}

/* Whether one of the route's upstreams is; which one gets a request is not known yet. */
static bool any_closed(const struct route_settings *route, const bool *closed)
{
    for (size_t i = 0; i < route->upstream_count; i++) {
        if (closed[route->upstreams[i].index]) {
            return true;
        }
    }
    return false;
}

bool maintenance_apply(const struct maintenance *maintenance, const struct generation *generation,
                       const struct maintenance_env *env)
{
    const struct look look = {maintenance, env};
    const struct upstream_set *set = generation->upstreams;
    bool *closed = calloc(set->count + 1, sizeof *closed);
    if (closed == NULL) {
        return false;
    }
    for (size_t i = 0; i < set->count; i++) {
        const struct upstream_view *view = &set->views[i];
        unsigned why = why_closed(&look, &view->settings->maintenance, MAINTENANCE_OF_UPSTREAM,
                                  view->upstream->name);
        closed[i] = why != 0;
        set_closed(&look, &policy_of(view->upstream)->maintenance, why, MAINTENANCE_OF_UPSTREAM,
                   view->upstream->name);
    }
    for (size_t i = 0; i < generation->settings->route_count; i++) {
        const struct route *route = &generation->routes[i];
        const struct route_settings *settings = route->settings;
        unsigned why =
            why_closed(&look, &settings->maintenance, MAINTENANCE_OF_ROUTE, route->figures->name);
        why |= any_closed(settings, closed) ? MAINTENANCE_UPSTREAM : 0;
        set_closed(&look, &route->figures->maintenance, why, MAINTENANCE_OF_ROUTE,
                   route->figures->name);
    }
    free(closed);
    return true;
}
