/* Checks of routes: their names, what they ask for, and where they lead. */
#include <inttypes.h>
#include <libconfig.h>
#include <stdio.h>
#include <string.h>

#include "conf/check.h"
#include "conf/follow.h"
#include "conf/load.h"
#include "conf/path_regex.h"
#include "conf/value.h"
#include "steady/text_index.h"

static void check_names(struct loading *loading)
{
    struct settings *settings = loading->settings;
    struct text_index names = {NULL, 0, 0};
    for (size_t i = 0; i < settings->route_count; i++) {
        struct route_settings *route = &settings->routes[i];
        if (route->name == NULL) {
            route->name = arena_printf(&loading->arena, "route-%zu", i + 1);
        }
        if (route->name != NULL && text_index_find(&names, route->name) != NULL) {
            char path[64];
            snprintf(path, sizeof path, "routes.[%zu].name", i);
            loading_report(loading, SETTINGS_ERROR, path, "\"%s\" is the name of another route",
                           route->name);
        } else if (route->name != NULL) {
            index_name(loading, &names, route->name, route);
        }
    }
    text_index_release(&names);
}

const char *nearest_name(const char *name, const void *items, size_t count, size_t item_bytes)
{
    const char *best = NULL;
    size_t best_distance = 4;
    for (size_t i = 0; i < count; i++) {
        const char *known = *(const char *const *)((const char *)items + i * item_bytes);
        size_t distance = value_distance(known, name);
        if (distance < best_distance) {
            best_distance = distance;
            best = known;
        }
    }
    return best;
}

void check_say_no_upstreams(struct loading *loading)
{
    if (loading_is_caused(loading, "upstreams")) {
        return;
    }
    loading_add_message(loading, SETTINGS_ERROR, loading->name, 0,
                        "upstreams: missing; a route asks for one: write upstreams = { NAME = { "
                        "endpoints = [ \"host:port\" ]; }; };");
    loading_add_cause(loading, "upstreams");
}

static void say_unknown_name(struct loading *loading, size_t route, const char *key,
                             const char *name, const char *near)
{
    char path[64], section[64];
    snprintf(section, sizeof section, "%ss", key);
    bool upstream = strcmp(key, "upstream") == 0;
    if (upstream && loading->settings->upstream_count == 0) {
        check_say_no_upstreams(loading);
        return;
    }
    if (loading_is_caused(loading, section) ||
        (!upstream && loading->settings->listener_count == 0)) {
        return; /* which is said already */
    }
    snprintf(path, sizeof path, "routes.[%zu].%s", route, key);
    if (near != NULL) {
        loading_report(loading, SETTINGS_ERROR, path,
                       "there is no %s \"%s\"; the nearest is \"%s\"", key, name, near);
    } else if (upstream && strpbrk(name, ":./") != NULL) {
        loading_report(loading, SETTINGS_ERROR, path,
                       "expected the name of an upstream, got \"%s\": write upstreams = { NAME = { "
                       "endpoints = \"%s\"; }; }; and here upstream = \"NAME\"",
                       name, name);
    } else {
        loading_report(loading, SETTINGS_ERROR, path, "there is no %s \"%s\"", key, name);
    }
}

/* A deadline of a route that is longer than the upstream's own limit has no effect. */
static void check_route_deadline(struct loading *loading, const struct route_settings *route,
                                 const struct upstream_settings *upstream, const char *path)
{
    if (route->deadline_ms > upstream->timeouts.total_ms) {
        loading_report(loading, SETTINGS_ERROR, path,
                       "deadline is longer than timeouts.total of upstream \"%s\" (%" PRIu64
                       " ms), which ends the exchange before: raise that",
                       upstream->name, upstream->timeouts.total_ms);
    }
}

static void check_route_upstream(struct loading *loading, size_t number, struct route_upstream *one,
                                 const struct text_index *upstreams)
{
    struct settings *settings = loading->settings;
    const struct route_settings *route = &settings->routes[number];
    struct upstream_settings *upstream = text_index_find(upstreams, one->name);
    char path[64];
    if (upstream == NULL) {
        say_unknown_name(loading, number, "upstream", one->name,
                         nearest_name(one->name, settings->upstreams, settings->upstream_count,
                                      sizeof *settings->upstreams));
        return;
    }
    one->index = (size_t)(upstream - settings->upstreams);
    upstream->sticky = upstream->sticky || route->sticky.cookie != NULL;
    snprintf(path, sizeof path, "routes.[%zu]", number);
    if (follow_route(&loading->arena, upstream, route, one) && one->timeouts == NULL) {
        check_route_deadline(loading, route, upstream, path);
    }
}

static void check_listener_name(struct loading *loading, size_t number, const char *name)
{
    const struct settings *settings = loading->settings;
    bool found = false;
    for (size_t i = 0; i < settings->listener_count && !found; i++) {
        found = strcmp(settings->listeners[i].name, name) == 0;
    }
    if (!found) {
        say_unknown_name(loading, number, "listener", name,
                         nearest_name(name, settings->listeners, settings->listener_count,
                                      sizeof *settings->listeners));
    }
}

static void check_route_listeners(struct loading *loading, size_t number)
{
    const struct route_match_settings *match = &loading->settings->routes[number].match;
    if (match->listener != NULL) {
        check_listener_name(loading, number, match->listener);
    }
    for (size_t i = 0; i < match->listener_count; i++) {
        check_listener_name(loading, number, match->listeners[i]);
    }
}

/* Two keys that say the same thing, of which one would be forgotten. */
static void check_either(struct loading *loading, size_t number, const char *key, bool one,
                         bool other)
{
    if (one && other) {
        char path[64];
        snprintf(path, sizeof path, "routes.[%zu].%s", number, key);
        loading_report(loading, SETTINGS_ERROR, path, "write %s or %ss, not both", key, key);
    }
}

static void check_route_regex(struct loading *loading, size_t number, const char *text)
{
    char path[64], why[PATH_REGEX_WHY_BYTES];
    struct path_regex *regex = path_regex_create(text, why);
    if (regex == NULL) {
        snprintf(path, sizeof path, "routes.[%zu].path_regex", number);
        loading_report(loading, SETTINGS_ERROR, path,
                       "expected a regular expression such as \"^/v[12]/(.*)\", got \"%s\": %s",
                       text, why);
    }
    path_regex_free(&regex);
}

static void check_route_match(struct loading *loading, size_t number)
{
    const struct route_match_settings *match = &loading->settings->routes[number].match;
    unsigned paths =
        (match->path != NULL) + (match->path_prefix != NULL) + (match->path_regex != NULL);
    if (paths > 1) {
        char path[64];
        snprintf(path, sizeof path, "routes.[%zu]", number);
        loading_report(loading, SETTINGS_ERROR, path,
                       "write one of path, path_prefix and path_regex: a route asks for one path");
    }
    check_either(loading, number, "host", match->host.name != NULL, match->host_count > 0);
    check_either(loading, number, "listener", match->listener != NULL, match->listener_count > 0);
    check_route_listeners(loading, number);
    if (match->path_regex != NULL) {
        check_route_regex(loading, number, match->path_regex);
    }
}

/* ---- what a route does ---- */

void say_of_route(struct loading *loading, size_t number, const char *key, const char *text)
{
    char path[96];
    snprintf(path, sizeof path, "routes.[%zu]%s%s", number, key[0] != '\0' ? "." : "", key);
    loading_report(loading, SETTINGS_ERROR, path, "%s", text);
}

const config_setting_t *given_of_route(const struct loading *loading, size_t number,
                                       const char *key)
{
    char name[64];
    snprintf(name, sizeof name, "routes.[%zu]", number);
    const config_setting_t *route = text_index_find(&loading->named, name);
    return route != NULL ? config_setting_lookup((config_setting_t *)(uintptr_t)route, key) : NULL;
}

/* Lists in which nothing stands: what they would say of nobody, they say of all. */
static void check_emptied(struct loading *loading, size_t number)
{
    static const struct {
        const char *key, *text;
    } rows[] = {
        {"access.allow", "is empty, which would let everybody in: name who may, or leave it out"},
        {"clients", "is empty, which would be all clients: name some, or leave it out"},
        {"hosts", "is empty, which would be all hosts: name some, or leave it out"},
        {"listeners", "is empty, which would be all listeners: name some, or leave it out"},
        {"methods", "is empty, which would be all methods: name some, or leave it out"},
        {"upgrade", "is empty, which would be any: write [ \"none\" ] for none, or leave it out"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const config_setting_t *list = given_of_route(loading, number, rows[i].key);
        if (list != NULL && config_setting_is_aggregate(list) && config_setting_length(list) == 0) {
            say_of_route(loading, number, rows[i].key, rows[i].text);
        }
    }
}

/* Groups that say something of upstreams, or of their answers. */
static void check_without_upstream(struct loading *loading, size_t number)
{
    static const struct {
        const char *key, *text;
    } rows[] = {
        {"compress", "has no effect without an upstream; of files, precompressed = true sends "
                     "those that are compressed already"},
        {"timeouts", "has no effect without an upstream"},
        {"upgrade", "has no effect without an upstream"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const config_setting_t *group = given_of_route(loading, number, rows[i].key);
        if (group != NULL && config_setting_length(group) > 0) {
            say_of_route(loading, number, rows[i].key, rows[i].text);
        }
    }
}

/* Not, if what it would do is there but wrong. */
static void say_nothing_to_do(struct loading *loading, size_t number)
{
    static const char *const keys[] = {"redirect.to", "respond.status", "files.root"};
    const struct route_settings *route = &loading->settings->routes[number];
    char path[64], key[96];
    snprintf(path, sizeof path, "routes.[%zu]", number);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        snprintf(key, sizeof key, "%s.%s", path, keys[i]);
        if (loading_is_caused(loading, key)) {
            return;
        }
    }
    loading_report_missing(
        loading, path, "upstream",
        route->respond.body.written != NULL
            ? "respond: expected a status such as respond = { status = 200; ... }"
        : route->files.try_count > 0 || route->files.precompressed
            ? "files: expected a folder such as files = { root = \"/var/www\"; ... }"
            : "expected upstream = \"NAME\", or redirect, respond or files in its place");
}

static void check_route_kind(struct loading *loading, size_t number)
{
    const struct route_settings *route = &loading->settings->routes[number];
    const struct rewrite_settings *rewrite = &route->rewrite;
    unsigned kinds = (route->upstream != NULL) + (route->redirect.to.written != NULL) +
                     (route->respond.status != 0) +
                     (route->files.root != NULL && route->upstream == NULL);
    bool rewrites = rewrite->path.written != NULL || rewrite->strip_prefix != NULL ||
                    rewrite->host.written != NULL;
    if (kinds == 0) {
        say_nothing_to_do(loading, number);
    } else if (kinds > 1) {
        say_of_route(loading, number, "",
                     "write one of upstream, redirect, respond and files: a route does one thing "
                     "(or files and upstream, for what is no file)");
    }
    if (rewrites && route->upstream == NULL && route->files.root == NULL && kinds > 0) {
        say_of_route(loading, number, "rewrite", "has no effect without an upstream or files");
    }
    if (rewrite->host.written != NULL && route->files.root != NULL && route->upstream == NULL) {
        say_of_route(loading, number, "rewrite.host", "has no effect on files");
    }
    if (route->buffer_bytes != 0 && route->upstream == NULL && kinds > 0) {
        say_of_route(loading, number, "buffer_request", "has no effect without an upstream");
    }
    if (rewrite->path.written != NULL && rewrite->strip_prefix != NULL) {
        say_of_route(loading, number, "rewrite", "write path or strip_prefix, not both");
    }
    if (route->upstream == NULL && kinds > 0) {
        check_without_upstream(loading, number);
    }
}

/* Groups that a text asks for must be in the expression. */
static void check_captures(struct loading *loading, size_t number, const char *key,
                           const struct edge_text *text, unsigned group_count)
{
    for (size_t i = 0; i < text->part_count; i++) {
        const struct edge_part *part = &text->parts[i];
        if (part->place == EDGE_CAPTURE && part->capture > group_count) {
            char path[96];
            snprintf(path, sizeof path, "routes.[%zu].%s", number, key);
            loading_report(loading, SETTINGS_ERROR, path,
                           "{%u} has no group: path_regex of the route has %u", part->capture,
                           group_count);
        }
    }
}

static unsigned groups_of(const struct route_match_settings *match)
{
    char why[PATH_REGEX_WHY_BYTES];
    struct path_regex *regex =
        match->path_regex != NULL ? path_regex_create(match->path_regex, why) : NULL;
    unsigned count = regex != NULL ? path_regex_group_count(regex) : 0;
    path_regex_free(&regex);
    return count;
}

static void check_field_texts(struct loading *loading, size_t number, const char *key,
                              const struct field_settings *fields, size_t count, unsigned groups)
{
    for (size_t i = 0; i < count; i++) {
        check_captures(loading, number, key, &fields[i].value, groups);
    }
}

static void check_route_edge(struct loading *loading, size_t number)
{
    const struct route_settings *route = &loading->settings->routes[number];
    const struct edge_settings *edge = &route->edge;
    unsigned groups = groups_of(&route->match);
    check_emptied(loading, number);
    check_route_kind(loading, number);
    check_texts(loading, number);
    check_captures(loading, number, "redirect.to", &route->redirect.to, groups);
    check_captures(loading, number, "respond.body", &route->respond.body, groups);
    check_captures(loading, number, "rewrite.path", &route->rewrite.path, groups);
    check_captures(loading, number, "rewrite.host", &route->rewrite.host, groups);
    check_field_texts(loading, number, "request.set", edge->request.set, edge->request.set_count,
                      groups);
    check_field_texts(loading, number, "request.add", edge->request.add, edge->request.add_count,
                      groups);
    /* a response comes when the path is not looked at any more */
    check_field_texts(loading, number, "response.set", edge->response.set, edge->response.set_count,
                      0);
    check_field_texts(loading, number, "response.add", edge->response.add, edge->response.add_count,
                      0);
}

static void check_references(struct loading *loading)
{
    struct settings *settings = loading->settings;
    struct text_index upstreams = {NULL, 0, 0}, cookies = {NULL, 0, 0};
    for (size_t i = 0; i < settings->upstream_count; i++) {
        index_name(loading, &upstreams, settings->upstreams[i].name, &settings->upstreams[i]);
    }
    for (size_t i = 0; i < settings->route_count; i++) {
        check_route_match(loading, i);
        check_route_edge(loading, i);
        check_auth(loading, i, &upstreams);
        check_mirror(loading, i, &upstreams);
        check_placement(loading, i, &cookies);
        for (size_t j = 0; j < settings->routes[i].upstream_count; j++) {
            check_route_upstream(loading, i, &settings->routes[i].upstreams[j], &upstreams);
        }
    }
    text_index_release(&cookies);
    text_index_release(&upstreams);
}

/* A route whose condition was not understood seems to have none. */
static void check_shadows(struct loading *loading)
{
    const struct settings *settings = loading->settings;
    if (loading->messages->error_count > 0) {
        return;
    }
    for (size_t i = 0; i + 1 < settings->route_count; i++) {
        if (settings_match_all(&settings->routes[i].match)) {
            char path[64];
            snprintf(path, sizeof path, "routes.[%zu]", i + 1);
            loading_report(loading, SETTINGS_WARNING, path,
                           "is never used: route \"%s\" before it takes every request",
                           settings->routes[i].name);
            return;
        }
    }
}

/* ---- compression ---- */

static void check_compress(struct loading *loading, const char *group,
                           const struct compress_settings *compress)
{
    const struct {
        const char *key;
        size_t count;
    } lists[] = {{"codings", compress->coding_count}, {"types", compress->type_count}};
    for (size_t i = 0; compress->enabled && i < sizeof lists / sizeof lists[0]; i++) {
        char path[96];
        snprintf(path, sizeof path, "%s.%s", group, lists[i].key);
        if (lists[i].count == 0) {
            loading_report(loading, SETTINGS_ERROR, path,
                           "is empty: write compress = { enabled = false; } for no compression");
        }
    }
}

static void check_compression(struct loading *loading)
{
    const struct settings *settings = loading->settings;
    check_compress(loading, "compress", &settings->compress);
    for (size_t i = 0; i < settings->route_count; i++) {
        char path[64];
        snprintf(path, sizeof path, "routes.[%zu].compress", i);
        if (settings->routes[i].compress.given) {
            check_compress(loading, path, &settings->routes[i].compress);
        }
    }
}

void check_routes(struct loading *loading)
{
    check_compression(loading);
    check_names(loading);
    check_references(loading);
    check_shadows(loading);
}
