/* Checks of a route's mirror. */
#include <stdio.h>
#include <string.h>

#include "conf/check.h"
#include "conf/load.h"
#include "steady/text_index.h"

static void say(struct loading *loading, size_t number, const char *text)
{
    char path[64];
    snprintf(path, sizeof path, "routes.[%zu].mirror", number);
    loading_report(loading, SETTINGS_ERROR, path, "%s", text);
}

static void say_unknown(struct loading *loading, size_t number, const char *name)
{
    const struct settings *settings = loading->settings;
    if (settings->upstream_count == 0 || loading_is_caused(loading, "upstreams")) {
        return; /* which is said already */
    }
    const char *near = nearest_name(name, settings->upstreams, settings->upstream_count,
                                    sizeof *settings->upstreams);
    char text[256];
    snprintf(text, sizeof text, "there is no upstream \"%.64s\"%s%.64s%s", name,
             near != NULL ? "; the nearest is \"" : "", near != NULL ? near : "",
             near != NULL ? "\"" : "");
    say(loading, number, text);
}

static bool leads_to(const struct route_settings *route, const char *upstream)
{
    for (size_t i = 0; i < route->upstream_count; i++) {
        if (strcmp(route->upstreams[i].name, upstream) == 0) {
            return true;
        }
    }
    return false;
}

void check_mirror(struct loading *loading, size_t number, const struct text_index *upstreams)
{
    struct route_settings *route = &loading->settings->routes[number];
    if (route->mirror.upstream == NULL) {
        return;
    }
    const struct upstream_settings *upstream = text_index_find(upstreams, route->mirror.upstream);
    if (upstream == NULL) {
        say_unknown(loading, number, route->mirror.upstream);
        return;
    }
    route->mirror.upstream_index = (size_t)(upstream - loading->settings->upstreams);
    if (route->upstream == NULL) {
        say(loading, number, "has no effect without an upstream");
    } else if (leads_to(route, route->mirror.upstream)) {
        say(loading, number, "is the upstream of the route: it would get each request twice");
    }
}
