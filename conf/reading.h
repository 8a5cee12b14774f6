/*
 * What a load of settings waits for: each path is told before it is touched, because its disk may hang.
 *
 * Owns nothing. Thread: tell() is called by the one that loads. Errors: none of its own.
 */
#ifndef EVENKEEL_CONF_READING_H
#define EVENKEEL_CONF_READING_H

#include <stddef.h>

#include "conf/settings.h"

struct settings_reading {
    void (*tell)(const char *path, void *owner); /* NULL: the path before is read */
    void *owner;
};

/* As settings_load(). `reading`: NULL: nobody wants to know. */
__attribute__((warn_unused_result)) enum settings_result settings_load_told(
    const char *path, const struct settings_reading *reading, struct settings **ret_settings,
    struct settings_messages *ret_messages);

/* For those who read. */
static inline void reading_tell(const struct settings_reading *reading, const char *path)
{
    if (reading != NULL) {
        reading->tell(path, reading->owner);
    }
}

#endif
