/* Checks of what a route asks of those who use it. */
#include <stdio.h>
#include <string.h>

#include "conf/check.h"
#include "conf/load.h"

static void say_of_auth(struct loading *loading, size_t number, const char *key, const char *text)
{
    char path[96];
    snprintf(path, sizeof path, "routes.[%zu].auth.%s", number, key);
    loading_report(loading, SETTINGS_ERROR, path, "%s", text);
}

/* Bytes that can stand in a request line. */
static bool is_target(const char *path)
{
    if (path[0] != '/') {
        return false;
    }
    for (const char *at = path; *at != '\0'; at++) {
        if ((unsigned char)*at <= ' ' || (unsigned char)*at >= 0x7f || *at == '#') {
            return false;
        }
    }
    return true;
}

static void check_forward_upstream(struct loading *loading, size_t number,
                                   const struct text_index *upstreams)
{
    struct settings *settings = loading->settings;
    struct auth_forward_settings *forward = &settings->routes[number].auth.forward;
    const struct upstream_settings *upstream = text_index_find(upstreams, forward->upstream);
    if (upstream != NULL) {
        forward->upstream_index = (size_t)(upstream - settings->upstreams);
        return;
    }
    if (settings->upstream_count == 0 || loading_is_caused(loading, "upstreams")) {
        check_say_no_upstreams(loading);
        return;
    }
    const char *near = nearest_name(forward->upstream, settings->upstreams,
                                    settings->upstream_count, sizeof *settings->upstreams);
    char text[256];
    snprintf(text, sizeof text, "there is no upstream \"%.64s\"%s%.64s%s", forward->upstream,
             near != NULL ? "; the nearest is \"" : "", near != NULL ? near : "",
             near != NULL ? "\"" : "");
    say_of_auth(loading, number, "forward.upstream", text);
}

static void check_forward(struct loading *loading, size_t number,
                          const struct text_index *upstreams)
{
    const struct auth_forward_settings *forward = &loading->settings->routes[number].auth.forward;
    if (forward->upstream == NULL) {
        if (forward->path != NULL || forward->copy_count > 0) {
            say_of_auth(loading, number, "forward",
                        "expected upstream = \"NAME\": the upstream that is asked");
        }
        return;
    }
    check_forward_upstream(loading, number, upstreams);
    if (forward->path == NULL) {
        say_of_auth(loading, number, "forward",
                    "expected path = \"/verify\": what the upstream is asked for");
    } else if (!is_target(forward->path)) {
        say_of_auth(loading, number, "forward.path",
                    "expected a path that begins with \"/\", such as \"/verify\"");
    }
}

void check_auth(struct loading *loading, size_t number, const struct text_index *upstreams)
{
    check_forward(loading, number, upstreams);
}
