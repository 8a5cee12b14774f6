/* The acts. What outlives this process is told to control (said()). */
#include "proxy/admin/admin_acts.h"

#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "pool/health.h"
#include "proxy/policy/maintenance.h"
#include "proxy/policy/policy.h"
#include "steady/loop_clock.h"

int admin_drain(const struct admin_env *env, const struct admin_names *names, struct evbuffer *out)
{
    (void)names;
    evbuffer_add_printf(out, "draining\n");
    env->drain(env->owner);
    return 202;
}

static int drain_endpoint(const struct admin_env *env, const struct admin_names *names,
                          struct evbuffer *out, bool drained)
{
    struct overview overview;
    env->overview(&overview, env->owner);
    size_t count = pools_drain(overview.pools, names->text[0], names->text[1], drained);
    if (count == 0) {
        evbuffer_add_printf(out, "no such endpoint\n");
        return 404;
    }
    evbuffer_add_printf(out, "%zu %s %s\n", count, count == 1 ? "endpoint" : "endpoints",
                        drained ? "drained" : "undrained");
    env->said(env->owner);
    return 200;
}

int admin_drain_endpoint(const struct admin_env *env, const struct admin_names *names,
                         struct evbuffer *out)
{
    return drain_endpoint(env, names, out, true);
}

int admin_undrain_endpoint(const struct admin_env *env, const struct admin_names *names,
                           struct evbuffer *out)
{
    return drain_endpoint(env, names, out, false);
}

struct force_walk {
    const char *name;
    enum breaker_force force;
    bool found;
};

static void force_upstream(const struct upstream *upstream, void *owner)
{
    struct force_walk *walk = owner;
    const struct upstream_settings *settings = upstream_settings_shown(upstream);
    if (settings != NULL && strcmp(upstream->name, walk->name) == 0) {
        policy_force(upstream, settings, walk->force, loop_clock_ms(&(struct loop_clock){0}));
        walk->found = true;
    }
}

static int force_breaker(const struct admin_env *env, const struct admin_names *names,
                         struct evbuffer *out, enum breaker_force force, const char *done)
{
    struct overview overview;
    struct force_walk walk = {names->text[0], force, false};
    env->overview(&overview, env->owner);
    pools_each_upstream(overview.pools, force_upstream, &walk);
    evbuffer_add_printf(out, "%s\n", walk.found ? done : "no such upstream");
    if (walk.found) {
        env->said(env->owner);
    }
    return walk.found ? 200 : 404;
}

int admin_open_breaker(const struct admin_env *env, const struct admin_names *names,
                       struct evbuffer *out)
{
    return force_breaker(env, names, out, BREAKER_FORCE_OPEN, "open until told otherwise");
}

int admin_close_breaker(const struct admin_env *env, const struct admin_names *names,
                        struct evbuffer *out)
{
    return force_breaker(env, names, out, BREAKER_FORCE_CLOSED, "closed until told otherwise");
}

int admin_free_breaker(const struct admin_env *env, const struct admin_names *names,
                       struct evbuffer *out)
{
    return force_breaker(env, names, out, BREAKER_FORCE_NONE, "judges by itself");
}

/* ---- maintenance ---- */

static bool is_configured(const struct settings *settings, enum maintenance_of of, const char *name)
{
    size_t count = of == MAINTENANCE_OF_ROUTE ? settings->route_count : settings->upstream_count;
    for (size_t i = 0; i < count; i++) {
        const char *known =
            of == MAINTENANCE_OF_ROUTE ? settings->routes[i].name : settings->upstreams[i].name;
        if (strcmp(known, name) == 0) {
            return true;
        }
    }
    return false;
}

/* A control character would break the log's line. */
static bool take_text(const struct evkeyvalq *query, const char *key, char *text, size_t text_bytes)
{
    const char *value = evhttp_find_header(query, key);
    text[0] = '\0';
    if (value == NULL) {
        return true;
    }
    for (const char *at = value; *at != '\0'; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7f) {
            return false;
        }
    }
    return (size_t)snprintf(text, text_bytes, "%s", value) < text_bytes;
}

/* False: the query is malformed, or a text of it too long. */
static bool take_word(const struct admin_names *names, struct maintenance_word *word)
{
    struct evkeyvalq query;
    if (names->query == NULL) {
        return true;
    }
    if (evhttp_parse_query_str(names->query, &query) != 0) {
        return false;
    }
    bool taken = take_text(&query, "by", word->by, sizeof word->by) &&
                 take_text(&query, "reason", word->reason, sizeof word->reason);
    evhttp_clear_headers(&query);
    return taken;
}

static int close_for_maintenance(const struct admin_env *env, const struct admin_names *names,
                                 struct evbuffer *out, enum maintenance_of of)
{
    struct overview overview;
    struct maintenance_word word = {.of = of, .since_wall_ms = (uint64_t)time(NULL) * 1000};
    env->overview(&overview, env->owner);
    if (!is_configured(overview.settings, of, names->text[0])) {
        evbuffer_add_printf(out, "no such %s\n", of == MAINTENANCE_OF_ROUTE ? "route" : "upstream");
        return 404;
    }
    snprintf(word.name, sizeof word.name, "%s", names->text[0]);
    if (!take_word(names, &word)) {
        evbuffer_add_printf(out, "expected ?by=WHO&reason=WHY, at most %d and %d bytes\n",
                            MAINTENANCE_BY_BYTES - 1, MAINTENANCE_REASON_BYTES - 1);
        return 400;
    }
    if (!maintenance_say(overview.maintenance, &word)) {
        evbuffer_add_printf(out, "at most %d may be closed\n", MAINTENANCE_WORDS);
        return 409;
    }
    env->said(env->owner);
    evbuffer_add_printf(out, "closed until told otherwise\n");
    return 200;
}

/* Of a name that is not configured any more a word can be taken back, too. */
static int open_again(const struct admin_env *env, const struct admin_names *names,
                      struct evbuffer *out, enum maintenance_of of)
{
    struct overview overview;
    env->overview(&overview, env->owner);
    if (!is_configured(overview.settings, of, names->text[0]) &&
        maintenance_said(overview.maintenance, of, names->text[0]) == NULL) {
        evbuffer_add_printf(out, "no such %s\n", of == MAINTENANCE_OF_ROUTE ? "route" : "upstream");
        return 404;
    }
    maintenance_take_back(overview.maintenance, of, names->text[0]);
    env->said(env->owner);
    evbuffer_add_printf(out, "open, unless the configuration or a file says otherwise\n");
    return 200;
}

int admin_close_route(const struct admin_env *env, const struct admin_names *names,
                      struct evbuffer *out)
{
    return close_for_maintenance(env, names, out, MAINTENANCE_OF_ROUTE);
}

int admin_open_route(const struct admin_env *env, const struct admin_names *names,
                     struct evbuffer *out)
{
    return open_again(env, names, out, MAINTENANCE_OF_ROUTE);
}

int admin_close_upstream(const struct admin_env *env, const struct admin_names *names,
                         struct evbuffer *out)
{
    return close_for_maintenance(env, names, out, MAINTENANCE_OF_UPSTREAM);
}

int admin_open_upstream(const struct admin_env *env, const struct admin_names *names,
                        struct evbuffer *out)
{
    return open_again(env, names, out, MAINTENANCE_OF_UPSTREAM);
}
