/* One function for each condition, the cheap ones first. */
#include "proxy/worker/route.h"

#include <string.h>

#include "proxy/http/cookie.h"

size_t host_name_bytes(const char *host, size_t host_bytes)
{
    if (host_bytes > 0 && host[0] == '[') {
        const char *end = memchr(host, ']', host_bytes);
        return end != NULL ? (size_t)(end - host) + 1 : host_bytes;
    }
    const char *colon = memchr(host, ':', host_bytes);
    size_t bytes = colon != NULL ? (size_t)(colon - host) : host_bytes;
    return bytes > 1 && host[bytes - 1] == '.' ? bytes - 1 : bytes;
}

struct route_text route_host_of(const struct http_head *head)
{
    const char *host = head_text(head, head->host);
    return (struct route_text){host, host_name_bytes(host, head->host.bytes)};
}

/* ---- conditions ---- */

bool route_takes_listener(const struct route *route, const char *name)
{
    const struct route_match_settings *match = &route->settings->match;
    if (!(route->conditions & ROUTE_BY_LISTENER)) {
        return true;
    }
    for (size_t i = 0; i < match->listener_count; i++) {
        if (strcmp(match->listeners[i], name) == 0) {
            return true;
        }
    }
    return match->listener != NULL && strcmp(match->listener, name) == 0;
}

/* Lengths tell most hosts apart. The pattern is in lower case. */
static bool host_is(const struct host_settings *pattern, const char *name, size_t name_bytes)
{
    /* ".suffix" and at least one byte before it */
    if (pattern->is_suffix ? name_bytes <= pattern->bytes : name_bytes != pattern->bytes) {
        return false;
    }
    const char *end = name + name_bytes - pattern->bytes;
    for (size_t i = pattern->bytes; i > 0; i--) {
        if (route_lower(end[i - 1]) != (unsigned char)pattern->name[i - 1]) {
            return false;
        }
    }
    return true;
}

static bool host_matches(const struct route_match_settings *match,
                         const struct route_request *request)
{
    for (size_t i = 0; i < match->host_count; i++) {
        if (host_is(&match->hosts[i], request->host.at, request->host.bytes)) {
            return true;
        }
    }
    return match->host.name != NULL && host_is(&match->host, request->host.at, request->host.bytes);
}

/* Whole segments: what follows the prefix begins with "/", unless the prefix ends with it. */
static bool prefix_matches(const struct route *route, const struct route_request *request)
{
    const char *prefix = route->settings->match.path_prefix;
    size_t bytes = route->path_bytes;
    return request->path.bytes >= bytes && memcmp(request->path.at, prefix, bytes) == 0 &&
           (request->path.bytes == bytes || prefix[bytes - 1] == '/' ||
            request->path.at[bytes] == '/');
}

static bool path_matches(const struct route *route, const struct route_request *request)
{
    if (route->conditions & ROUTE_BY_PREFIX) {
        return prefix_matches(route, request);
    }
    return request->path.bytes == route->path_bytes &&
           memcmp(request->path.at, route->settings->match.path, route->path_bytes) == 0;
}

static bool method_matches(const struct route_match_settings *match, const struct http_head *head)
{
    const char *method = head_text(head, head->method_text);
    for (size_t i = 0; i < match->method_count; i++) {
        if (strlen(match->methods[i]) == head->method_text.bytes &&
            memcmp(match->methods[i], method, head->method_text.bytes) == 0) {
            return true;
        }
    }
    return false;
}

/* NULL: any value will do. */
static bool value_is(const char *wanted, const char *value, size_t bytes)
{
    return wanted == NULL || (strlen(wanted) == bytes && memcmp(wanted, value, bytes) == 0);
}

static bool header_matches(const struct route *route, const struct http_head *head)
{
    const struct route_match_settings *match = &route->settings->match;
    const struct http_field *field =
        head_find_name(head, match->header_name, route->header_name_bytes);
    return field != NULL &&
           value_is(match->header_value, head->base + field->value_at, field->value_bytes);
}

static bool query_matches(const struct route *route, const struct http_head *head)
{
    const struct route_match_settings *match = &route->settings->match;
    const char *target = head_text(head, head->target), *end = target + head->target.bytes;
    const char *at = memchr(target, '?', head->target.bytes);
    while (at != NULL && ++at <= end) {
        const char *next = memchr(at, '&', (size_t)(end - at));
        const char *stop = next != NULL ? next : end;
        const char *equal = memchr(at, '=', (size_t)(stop - at));
        const char *name_end = equal != NULL ? equal : stop;
        const char *value = equal != NULL ? equal + 1 : stop;
        if ((size_t)(name_end - at) == route->query_name_bytes &&
            memcmp(at, match->query_name, route->query_name_bytes) == 0 &&
            value_is(match->query_value, value, (size_t)(stop - value))) {
            return true;
        }
        at = next;
    }
    return false;
}

static bool cookie_matches(const struct route *route, const struct http_head *head)
{
    const struct route_match_settings *match = &route->settings->match;
    const char *value;
    size_t bytes;
    return cookie_find(head, match->cookie_name, route->cookie_name_bytes, &value, &bytes) &&
           value_is(match->cookie_value, value, bytes);
}

static bool client_matches(const struct route_match_settings *match, const struct sockaddr *client)
{
    for (size_t i = 0; i < match->client_count; i++) {
        if (address_in_prefix(client, &match->clients[i])) {
            return true;
        }
    }
    return false;
}

/* ---- the whole ---- */

static bool rest_matches(const struct route *route, const struct route_request *request)
{
    const struct route_match_settings *match = &route->settings->match;
    unsigned asks = route->conditions;
    return route_takes_listener(route, request->listener_name) &&
           (!(asks & ROUTE_BY_METHOD) || method_matches(match, request->head)) &&
           (!(asks & ROUTE_BY_HEADER) || header_matches(route, request->head)) &&
           (!(asks & ROUTE_BY_QUERY) || query_matches(route, request->head)) &&
           (!(asks & ROUTE_BY_COOKIE) || cookie_matches(route, request->head)) &&
           (!(asks & ROUTE_BY_CLIENT) || client_matches(match, request->client));
}

enum route_result route_matches(const struct route *route, const struct route_request *request,
                                bool host_known)
{
    unsigned asks = route->conditions;
    if ((asks & ROUTE_BY_HOST) && !host_known && !host_matches(&route->settings->match, request)) {
        return ROUTE_NONE;
    }
    if ((asks & (ROUTE_BY_PATH | ROUTE_BY_PREFIX)) && !path_matches(route, request)) {
        return ROUTE_NONE;
    }
    if (!rest_matches(route, request)) {
        return ROUTE_NONE;
    }
    if (!(asks & ROUTE_BY_REGEX)) {
        return ROUTE_FOUND;
    }
    switch (path_regex_match(route->regex, request->scratch, request->path.at, request->path.bytes,
                             NULL)) {
    case PATH_REGEX_MATCH: return ROUTE_FOUND;
    case PATH_REGEX_CUT: return ROUTE_CUT;
    case PATH_REGEX_NO_MATCH: break;
    }
    return ROUTE_NONE;
}

/* ---- preparation ---- */

/* Every path begins with "/", so that as a prefix it asks for nothing. */
static unsigned conditions_of(const struct route_match_settings *match)
{
    const struct {
        bool asks;
        enum route_condition condition;
    } rows[] = {
        {match->listener != NULL || match->listener_count > 0, ROUTE_BY_LISTENER},
        {match->host.name != NULL || match->host_count > 0, ROUTE_BY_HOST},
        {match->path != NULL, ROUTE_BY_PATH},
        {match->path_prefix != NULL && strcmp(match->path_prefix, "/") != 0, ROUTE_BY_PREFIX},
        {match->path_regex != NULL, ROUTE_BY_REGEX},
        {match->method_count > 0, ROUTE_BY_METHOD},
        {match->header_name != NULL, ROUTE_BY_HEADER},
        {match->query_name != NULL, ROUTE_BY_QUERY},
        {match->cookie_name != NULL, ROUTE_BY_COOKIE},
        {match->client_count > 0, ROUTE_BY_CLIENT},
    };
    unsigned conditions = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        conditions |= rows[i].asks ? (unsigned)rows[i].condition : 0;
    }
    return conditions;
}

static size_t bytes_of(const char *text)
{
    return text != NULL ? strlen(text) : 0;
}

bool route_prepare(struct route *route, const struct route_settings *settings)
{
    const struct route_match_settings *match = &settings->match;
    char why[PATH_REGEX_WHY_BYTES];
    route->settings = settings;
    route->conditions = conditions_of(match);
    route->split = settings->upstream_count > 1;
    route->path_bytes = bytes_of(match->path != NULL ? match->path : match->path_prefix);
    route->header_name_bytes = bytes_of(match->header_name);
    route->query_name_bytes = bytes_of(match->query_name);
    route->cookie_name_bytes = bytes_of(match->cookie_name);
    if (match->path_regex != NULL) {
        route->regex = path_regex_create(match->path_regex, why);
    }
    return match->path_regex == NULL || route->regex != NULL;
}

static bool edge_asks(const struct edge_settings *edge)
{
    const struct field_edit_settings *edits[] = {&edge->request, &edge->response};
    for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++) {
        if (edits[i]->set_count + edits[i]->add_count + edits[i]->remove_count > 0) {
            return true;
        }
    }
    return edge->page_count > 0;
}

static bool has_timeouts(const struct route_settings *settings)
{
    for (size_t i = 0; i < settings->upstream_count; i++) {
        if (settings->upstreams[i].timeouts != NULL) {
            return true;
        }
    }
    return false;
}

void route_set_edge(struct route *route, const struct edge_settings *all)
{
    const struct route_settings *settings = route->settings;
    const struct rewrite_settings *rewrite = &settings->rewrite;
    route->edge = settings->upstream_count == 0 || settings->files.root != NULL || edge_asks(all) ||
                  edge_asks(&settings->edge) ||
                  settings->access.allow_count + settings->access.deny_count > 0 ||
                  auth_asked(&settings->auth) || rewrite->path.written != NULL ||
                  rewrite->strip_prefix != NULL || rewrite->host.written != NULL ||
                  has_timeouts(settings) || settings->sticky.cookie != NULL ||
                  settings->body_bytes != 0 || settings->buffer_bytes != 0 ||
                  settings->mirror.upstream != NULL || settings->compress.enabled;
}

void route_release(struct route *route)
{
    path_regex_free(&route->regex);
}
