/* Checks of several upstreams in a route, and of cookies that name endpoints. */
#include <stdio.h>
#include <string.h>

#include "conf/check.h"
#include "conf/load.h"
#include "steady/text_index.h"

static void check_split(struct loading *loading, size_t number)
{
    const struct route_settings *route = &loading->settings->routes[number];
    uint64_t total = 0;
    for (size_t i = 0; i < route->upstream_count; i++) {
        const struct route_upstream *one = &route->upstreams[i];
        total += one->weight;
        for (size_t j = 0; j < i; j++) {
            if (strcmp(one->name, route->upstreams[j].name) == 0) {
                char text[128];
                snprintf(text, sizeof text, "\"%s\" is named twice: write one weight", one->name);
                say_of_route(loading, number, "upstream", text);
                return;
            }
        }
    }
    if (route->upstream_count > 0 && total == 0) {
        say_of_route(loading, number, "upstream",
                     "no upstream gets a request: a weight has to be above 0");
    }
    if (route->upstream_count == 0 && route->split.key != KEY_NONE) {
        say_of_route(loading, number, "split", "has no effect without an upstream");
    }
}

/* Whether one route leads to an upstream to which the other does not. */
static bool leads_elsewhere(const struct route_settings *route, const struct route_settings *other)
{
    for (size_t i = 0; i < route->upstream_count; i++) {
        bool found = false;
        for (size_t j = 0; j < other->upstream_count && !found; j++) {
            found = strcmp(route->upstreams[i].name, other->upstreams[j].name) == 0;
        }
        if (!found) {
            return true;
        }
    }
    return false;
}

/* Two routes with one cookie and different upstreams would replace each other's. */
static void check_sticky_name(struct loading *loading, size_t number, struct text_index *cookies)
{
    struct route_settings *route = &loading->settings->routes[number];
    const struct route_settings *other = text_index_find(cookies, route->sticky.cookie);
    if (other == NULL) {
        index_name(loading, cookies, route->sticky.cookie, route);
    } else if (leads_elsewhere(route, other) || leads_elsewhere(other, route)) {
        char text[256];
        snprintf(text, sizeof text,
                 "\"%s\" names endpoints of other upstreams in route \"%.64s\": write another name",
                 route->sticky.cookie, other->name);
        say_of_route(loading, number, "sticky.cookie", text);
    }
}

static void check_sticky(struct loading *loading, size_t number, struct text_index *cookies)
{
    const struct route_settings *route = &loading->settings->routes[number];
    const struct sticky_settings *sticky = &route->sticky;
    if (sticky->cookie != NULL && route->upstream_count == 0) {
        say_of_route(loading, number, "sticky", "has no effect without an upstream");
    } else if (sticky->cookie != NULL) {
        check_sticky_name(loading, number, cookies);
    } else if (sticky->max_age_ms != 0 || sticky->same_site != SAME_SITE_LAX) {
        say_of_route(
            loading, number, "sticky",
            "the name of the cookie is missing: write sticky = { cookie = \"node\"; ... }");
    }
}

void check_placement(struct loading *loading, size_t number, struct text_index *cookies)
{
    check_split(loading, number);
    check_sticky(loading, number, cookies);
}
