/* Checks of what a route asks of those who use it. */
#include <stdio.h>
#include <string.h>

#include "conf/check.h"
#include "conf/load.h"
#include "conf/users.h"
#include "conf/value.h"

/* A client shows it. */
#define REALM_MAX_BYTES 64

static void say_of_auth(struct loading *loading, size_t number, const char *key, const char *text)
{
    char path[96];
    snprintf(path, sizeof path, "routes.[%zu].auth.%s", number, key);
    loading_report(loading, SETTINGS_ERROR, path, "%s", text);
}

/* Whether an error of the group or key is reported already. */
static bool is_caused(const struct loading *loading, size_t number, const char *name)
{
    char path[96];
    snprintf(path, sizeof path, "routes.[%zu].auth.%s", number, name);
    return loading_is_caused(loading, path);
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
    if (forward->upstream == NULL && is_caused(loading, number, "forward.upstream")) {
        return;
    }
    if (forward->upstream == NULL) {
        say_of_auth(loading, number, "forward",
                    "expected upstream = \"NAME\": the upstream that is asked");
        return;
    }
    check_forward_upstream(loading, number, upstreams);
    if (forward->path == NULL && !is_caused(loading, number, "forward.path")) {
        say_of_auth(loading, number, "forward",
                    "expected path = \"/verify\": what the upstream is asked for");
    } else if (forward->path != NULL && !is_target(forward->path)) {
        say_of_auth(loading, number, "forward.path",
                    "expected a path that begins with \"/\", such as \"/verify\"");
    }
}

/* What stands between quotes in a field. */
static bool is_realm(const char *realm)
{
    return strlen(realm) <= REALM_MAX_BYTES && strpbrk(realm, "\"\\") == NULL &&
           value_control_in(realm) == NULL;
}

static void check_basic(struct loading *loading, size_t number)
{
    struct auth_settings *auth = &loading->settings->routes[number].auth;
    char why[USERS_WHY_BYTES];
    if (auth->basic.file == NULL && is_caused(loading, number, "basic.file")) {
        return;
    }
    if (auth->basic.file == NULL) {
        say_of_auth(loading, number, "basic",
                    "expected file = \"FILE\": users and hashes, as htpasswd -B writes them");
    } else if (!users_read(&loading->arena, loading->reading, &auth->basic, why)) {
        say_of_auth(loading, number, "basic.file", why);
    }
    if (!is_realm(auth->basic.realm)) {
        say_of_auth(loading, number, "basic.realm",
                    "expected a text without quotes of at most 64 characters, such as \"staff\"");
    }
}

/* A group that is there but asks for nothing would leave the route open. */
void check_auth(struct loading *loading, size_t number, const struct text_index *upstreams)
{
    bool forward = given_of_route(loading, number, "auth.forward") != NULL;
    bool basic = given_of_route(loading, number, "auth.basic") != NULL;
    char path[64];
    snprintf(path, sizeof path, "routes.[%zu].auth", number);
    if (given_of_route(loading, number, "auth") == NULL || loading_is_caused(loading, path)) {
        return;
    }
    if (forward == basic) {
        loading_report(loading, SETTINGS_ERROR, path,
                       forward ? "write basic or forward, not both"
                               : "expected basic = { file = \"FILE\"; } or forward = { upstream = "
                                 "\"NAME\"; path = \"/verify\"; }");
    }
    if (forward && !is_caused(loading, number, "forward")) {
        check_forward(loading, number, upstreams);
    }
    if (basic && !is_caused(loading, number, "basic")) {
        check_basic(loading, number);
    }
}
