/*
 * A configuration while it is being read: private to conf/.
 *
 * Owns: the settings under construction and their arena, until settings_adopt(). Thread: the one that loads. Errors: messages by
 * file and line; memory that ran out is noted in the arena.
 */
#ifndef EVENKEEL_CONF_LOAD_H
#define EVENKEEL_CONF_LOAD_H

#include <libconfig.h>

#include "conf/arena.h"
#include "conf/schema.h"
#include "conf/schema_types.h"
#include "conf/settings.h"
#include "conf/source.h"
#include "steady/text_index.h"

/* Elements of a list, and of a section. */
#define LOADING_ITEMS_MAX 16384

#define LOADING_SET_TWICE "this key is set twice in its group"

struct loading {
    config_t *config;
    const char *name; /* of the file */
    struct source source;
    struct text_index named; /* "upstreams.app": to what the file says of it */
    struct text_index
        causes; /* full paths of keys whose value is wrong, or that were meant by unknown ones */
    struct arena arena;
    struct settings *settings;
    struct settings_messages *messages;
    const struct schema_type *bool_type;
    const struct settings_reading *reading; /* NULL: nobody wants to know */
};

/* Adds a message about a key by its full path: "upstreams.app.pool.max", "routes.[0].upstream". */
__attribute__((format(printf, 4, 5))) void loading_report(struct loading *loading,
                                                          enum settings_severity severity,
                                                          const char *path, const char *format,
                                                          ...);

/* The same about a key that is at hand. */
__attribute__((format(printf, 5, 6))) void loading_report_at(struct loading *loading,
                                                             enum settings_severity severity,
                                                             const config_setting_t *at,
                                                             const char *path, const char *format,
                                                             ...);
/* Whether an error was reported of this key, or of a group around it: what follows from that is not reported too. */
bool loading_is_caused(const struct loading *loading, const char *path);
void loading_add_cause(struct loading *loading, const char *path);
/* Adds an error about a group that lacks a key, unless that follows from another one. */
__attribute__((format(printf, 4, 5))) void loading_report_missing(struct loading *loading,
                                                                  const char *group,
                                                                  const char *key,
                                                                  const char *format, ...);

/* The file does not parse. */
void loading_report_parse_error(struct loading *loading);
/* A message about a file, and a line of it unless that is 0. */
void loading_add_message(struct loading *loading, enum settings_severity severity, const char *file,
                         unsigned line, const char *text);

/* Takes what the file says of a row into the element; `path` is the full one. (conf/load_values.c) */
void loading_take_row(struct loading *loading, const config_setting_t *setting,
                      const struct schema_row *row, const char *path, void *element);

/* An error: a value stands where a group belongs, and what to write in its place. inner: the group's path within the section, with a
   dot at its end; "": the whole element. (conf/load_values.c) */
void loading_want_group(struct loading *loading, const config_setting_t *setting,
                        const struct schema_section *section, const char *inner, const char *path,
                        void *element);

/* As loading_take_row(), of a row whose value is a group of its own: fields, pages. (conf/load_edge.c) */
void loading_take_edge(struct loading *loading, const config_setting_t *setting,
                       const struct schema_row *row, const char *path, void *element);

bool loading_is_section(const char *name);

/* Moves the settings and their arena into a counted object (conf/settings.c). NULL: no memory; the arena is released. */
struct settings *settings_adopt(struct settings *settings, struct arena *arena);

#endif
