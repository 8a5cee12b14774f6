/* Checks of texts with placeholders: that they are what stands where they go. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "conf/check.h"
#include "conf/load.h"
#include "conf/value.h"

#define TYPE_MAX_BYTES 128

static void check_own_answer(struct loading *loading, size_t number)
{
    const struct redirect_settings *redirect = &loading->settings->routes[number].redirect;
    if (redirect->status > 303 && redirect->status < 307) {
        say_of_route(loading, number, "redirect.status", "expected 301, 302, 303, 307 or 308");
    }
    const char *type = loading->settings->routes[number].respond.type;
    if (strlen(type) > TYPE_MAX_BYTES || value_control_in(type) != NULL) {
        say_of_route(loading, number, "respond.type",
                     "expected a type such as \"text/plain\" of at most 128 characters");
    }
}

/* Of what the configuration writes; "#" in a request is encoded. */
static void check_rewrite_path(struct loading *loading, size_t number)
{
    const struct edge_text *text = &loading->settings->routes[number].rewrite.path;
    for (size_t i = 0; i < text->part_count; i++) {
        if (text->parts[i].place == EDGE_LITERAL && strchr(text->parts[i].text, '#') != NULL) {
            say_of_route(loading, number, "rewrite.path", "a path has no \"#\": write %23");
            return;
        }
    }
    if (text->written != NULL && strstr(text->written, "://") != NULL) {
        say_of_route(loading, number, "rewrite.path",
                     "expected a path such as \"/{1}\": the upstream says to which server it goes, "
                     "rewrite.host what that is told");
    }
}

/* ---- where a redirect leads ---- */

/* Whether a URL with a scheme begins there, and names a host if it is one of those that do. */
static bool is_url(const char *text)
{
    size_t bytes = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-");
    bool scheme = bytes > 0 && text[bytes] == ':';
    bool hosted = (bytes == 4 && strncasecmp(text, "http", 4) == 0) ||
                  (bytes == 5 && strncasecmp(text, "https", 5) == 0);
    const char *rest = text + bytes + 1;
    return scheme && (!hosted || (strncmp(rest, "//", 2) == 0 && strchr("/?#", rest[2]) == NULL));
}

static bool is_target(const struct edge_text *text)
{
    if (text->part_count == 0) {
        return false;
    }
    const struct edge_part *first = &text->parts[0];
    return first->place == EDGE_LITERAL
               ? strchr("/?#", first->text[0]) != NULL || is_url(text->written)
               : first->place != EDGE_HOST;
}

static void check_redirect_target(struct loading *loading, size_t number)
{
    const struct edge_text *to = &loading->settings->routes[number].redirect.to;
    char path[64];
    if (to->written == NULL || is_target(to)) {
        return;
    }
    bool bare = strchr(to->written, ':') == NULL && to->written[0] != '\0';
    snprintf(path, sizeof path, "routes.[%zu].redirect.to", number);
    loading_report(loading, SETTINGS_ERROR, path,
                   "expected a URL such as \"https://{host}{target}\", or a path that begins with "
                   "\"/\", got \"%s\"%s%s%s",
                   to->written, bare ? ": write \"https://" : "", bare ? to->written : "",
                   bare ? "\"" : "");
}

/* ---- slashes ---- */

/* "https://{host}/{target}" leads to "https://shop.example//path". At the beginning they are joined. */
static void check_slashes(struct loading *loading, size_t number, const char *key,
                          const struct edge_text *text)
{
    for (size_t i = 1; i < text->part_count; i++) {
        const struct edge_part *before = &text->parts[i - 1], *part = &text->parts[i];
        bool begins = part->place == EDGE_TARGET || part->place == EDGE_PATH;
        bool doubled = before->place == EDGE_LITERAL && before->text[before->bytes - 1] == '/' &&
                       (i > 1 || before->bytes > 1);
        if (begins && doubled) {
            char path[64];
            snprintf(path, sizeof path, "routes.[%zu].%s", number, key);
            loading_report(
                loading, SETTINGS_WARNING, path,
                "{%s} begins with \"/\" itself: write none before it, or two stand there",
                part->place == EDGE_TARGET ? "target" : "path");
        }
    }
}

void check_texts(struct loading *loading, size_t number)
{
    const struct route_settings *route = &loading->settings->routes[number];
    check_own_answer(loading, number);
    check_redirect_target(loading, number);
    check_rewrite_path(loading, number);
    check_slashes(loading, number, "redirect.to", &route->redirect.to);
    check_slashes(loading, number, "rewrite.path", &route->rewrite.path);
}
