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

void loading_report(struct loading *loading, enum settings_severity severity, const char *path,
                    const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const config_setting_t *at = NULL;
    char shorter[PATH_TEXT_BYTES];
    snprintf(shorter, sizeof shorter, "%s", path);
    /* the line of the key itself, or of the nearest group around it that is in the file */
    while (at == NULL && shorter[0] != '\0') {
        at = config_lookup(loading->config, shorter);
        char *dot = strrchr(shorter, '.');
        *(dot != NULL ? dot : shorter) = '\0';
    }
    const char *file = at != NULL ? config_setting_source_file(at) : NULL;
    char full[1400];
    snprintf(full, sizeof full, "%s: %s", path, text);
    loading_add_message(loading, severity, file != NULL ? file : loading->name,
                        at != NULL ? config_setting_source_line(at) : 0, full);
}

void loading_report_at(struct loading *loading, enum settings_severity severity,
                       const config_setting_t *at, const char *path, const char *format, ...)
{
    char text[1024], full[1400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const char *file = config_setting_source_file(at);
    snprintf(full, sizeof full, "%s: %s", path, text);
    loading_add_message(loading, severity, file != NULL ? file : loading->name,
                        config_setting_source_line(at), full);
}

/* The text of a line of a file without the space around it; false when it cannot be read. */
static bool file_line(const char *path, int number, char *line, size_t line_bytes)
{
    FILE *file = fopen(path, "re");
    bool found = false;
    if (file == NULL) {
        return false;
    }
    while (number > 0 && (found = fgets(line, (int)line_bytes, file) != NULL)) {
        /* a line longer than the buffer comes in parts, of which the last counts */
        number -= strchr(line, '\n') != NULL;
    }
    fclose(file);
    line[strcspn(line, "\r\n")] = '\0';
    memmove(line, line + strspn(line, " \t"), strlen(line + strspn(line, " \t")) + 1);
    return found;
}

void loading_report_parse_error(struct loading *loading)
{
    const char *file = config_error_file(loading->config);
    const char *text = config_error_text(loading->config);
    char full[1024];
    char line[160];
    if (strcmp(text, "duplicate setting name") == 0) {
        text = "this key is set twice in its group";
        if (file_line(file != NULL ? file : loading->name, config_error_line(loading->config), line,
                      sizeof line)) {
            snprintf(full, sizeof full, "%s: %s", text, line);
            loading_add_message(loading, SETTINGS_ERROR, file != NULL ? file : loading->name,
                                (unsigned)config_error_line(loading->config), full);
            return;
        }
    }
    snprintf(full, sizeof full, "%s%s", text,
             strcmp(text, "syntax error") == 0
                 ? ": something is missing or misplaced here or just before"
                 : "");
    loading_add_message(loading, SETTINGS_ERROR, file != NULL ? file : loading->name,
                        (unsigned)config_error_line(loading->config), full);
}

void settings_messages_free(struct settings_messages *messages)
{
    for (size_t i = 0; i < messages->count; i++) {
        free((char *)(uintptr_t)messages->items[i].text);
    }
    free(messages->items);
    *messages = (struct settings_messages){0};
}
