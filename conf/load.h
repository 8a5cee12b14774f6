/*
 * A configuration while it is being read: private to conf/.
 *
 * Thread: the one that loads.
 */
#ifndef EVENKEEL_CONF_LOAD_H
#define EVENKEEL_CONF_LOAD_H

#include <libconfig.h>

#include "conf/arena.h"
#include "conf/schema.h"
#include "conf/schema_types.h"
#include "conf/settings.h"

struct loading {
    config_t *config;
    const char *name; /* of the file */
    struct arena arena;
    struct settings *settings;
    struct settings_messages *messages;
    const struct schema_type *bool_type;
};

/* Adds a message about a key by its full path: "upstreams.app.pool.max", "routes.[0].upstream". */
__attribute__((format(printf, 4, 5))) void loading_report(struct loading *loading, int severity,
                                                          const char *path, const char *format,
                                                          ...);

bool loading_is_section(const char *name);

/* Moves the settings and their arena into a counted object (conf/settings.c). NULL: no memory; the arena is released. */
struct settings *settings_adopt(struct settings *settings, struct arena *arena);

#endif
