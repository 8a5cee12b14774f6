/* Messages about a configuration: with file and line, and with the text of the line where that helps. */
#include <libconfig.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/load.h"

#define PATH_TEXT_BYTES 256

void loading_add_message(struct loading *loading, enum settings_severity severity, const char *file,
                         unsigned line, const char *text)
{
    struct settings_messages *messages = loading->messages;
    struct settings_message *grown =
        realloc(messages->items, (messages->count + 1) * sizeof *grown);
    if (grown == NULL) {
        loading->arena.failed = true;
        return;
    }
    messages->items = grown;
    char *full = NULL;
    int length = line > 0 ? asprintf(&full, "%s:%u: %s", file, line, text)
                          : asprintf(&full, "%s: %s", file, text);
    if (length < 0) {
        loading->arena.failed = true;
        return;
    }
    struct settings_message *message = &grown[messages->count++];
    message->severity = severity;
    message->text = full;
    messages->error_count += severity == SETTINGS_ERROR;
}

/* What the file says under a path: "upstreams.app.pool.max". NULL: nothing. */
static const config_setting_t *given_at(const struct loading *loading, const char *path)
{
    char name[PATH_TEXT_BYTES];
    const char *dot = strchr(path, '.');
    size_t name_bytes = dot != NULL ? (size_t)(dot + 1 - path) + strcspn(dot + 1, ".") : 0;
    snprintf(name, sizeof name, "%.*s", (int)name_bytes, path);
    config_setting_t *named = text_index_find(&loading->named, name);
    return named != NULL ? config_setting_lookup(named, path + name_bytes)
                         : config_lookup(loading->config, path);
}

static struct source_place place_of(const struct loading *loading, const config_setting_t *setting)
{
    return source_place(&loading->source, config_setting_source_line(setting));
}

void loading_add_cause(struct loading *loading, const char *path)
{
    const char *copy = arena_text(&loading->arena, path, strlen(path));
    if (copy == NULL || (text_index_find(&loading->causes, copy) == NULL &&
                         !text_index_add(&loading->causes, copy, loading))) {
        loading->arena.failed = true;
    }
}

bool loading_is_caused(const struct loading *loading, const char *path)
{
    char around[PATH_TEXT_BYTES];
    snprintf(around, sizeof around, "%s", path);
    while (around[0] != '\0' && text_index_find(&loading->causes, around) == NULL) {
        char *dot = strrchr(around, '.');
        *(dot != NULL ? dot : around) = '\0';
    }
    return around[0] != '\0';
}

static void report(struct loading *loading, enum settings_severity severity, const char *path,
                   const char *text);

void loading_report_missing(struct loading *loading, const char *group, const char *key,
                            const char *format, ...)
{
    char text[1024], path[PATH_TEXT_BYTES];
    va_list args;
    snprintf(path, sizeof path, "%s.%s", group, key);
    if (loading_is_caused(loading, path)) {
        return;
    }
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    report(loading, SETTINGS_ERROR, group, text);
}

void loading_report(struct loading *loading, enum settings_severity severity, const char *path,
                    const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    report(loading, severity, path, text);
}

static void report(struct loading *loading, enum settings_severity severity, const char *path,
                   const char *text)
{
    const config_setting_t *at = NULL;
    char shorter[PATH_TEXT_BYTES];
    snprintf(shorter, sizeof shorter, "%s", path);
    /* the line of the key itself, or of the nearest group around it that is in the file */
    while (at == NULL && shorter[0] != '\0') {
        at = given_at(loading, shorter);
        char *dot = strrchr(shorter, '.');
        *(dot != NULL ? dot : shorter) = '\0';
    }
    struct source_place place = {loading->name, 0};
    if (at != NULL) {
        place = place_of(loading, at);
    }
    char full[1400];
    snprintf(full, sizeof full, "%s: %s", path, text);
    loading_add_message(loading, severity, place.file, place.line, full);
}

void loading_report_at(struct loading *loading, enum settings_severity severity,
                       const config_setting_t *at, const char *path, const char *format, ...)
{
    char text[1024], full[1400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const struct source_place place = place_of(loading, at);
    if (severity == SETTINGS_ERROR) {
        loading_add_cause(loading, path);
    }
    snprintf(full, sizeof full, "%s: %s", path, text);
    loading_add_message(loading, severity, place.file, place.line, full);
}

void loading_report_parse_error(struct loading *loading)
{
    const char *text = config_error_text(loading->config);
    const unsigned text_line = (unsigned)config_error_line(loading->config);
    const struct source_place place = source_place(&loading->source, text_line);
    char full[1024];
    if (strcmp(text, "duplicate setting name") == 0) {
        char line[160];
        source_quote(&loading->source, text_line, line, sizeof line);
        snprintf(full, sizeof full, LOADING_SET_TWICE ": %s", line);
    } else {
        snprintf(full, sizeof full, "%s%s", text,
                 strcmp(text, "syntax error") == 0
                     ? ": something is missing or misplaced here or just before"
                     : "");
    }
    loading_add_message(loading, SETTINGS_ERROR, place.file, place.line, full);
}

void settings_messages_free(struct settings_messages *messages)
{
    for (size_t i = 0; i < messages->count; i++) {
        free((char *)(uintptr_t)messages->items[i].text);
    }
    free(messages->items);
    *messages = (struct settings_messages){0};
}
