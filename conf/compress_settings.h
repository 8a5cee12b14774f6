/*
 * Settings of compression, at the top and of a route.
 *
 * Owns nothing: lists and texts are in the arena of the settings. Thread: any.
 */
#ifndef EVENKEEL_CONF_COMPRESS_SETTINGS_H
#define EVENKEEL_CONF_COMPRESS_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/content_coding.h"

/* Which responses of upstreams are compressed on their way to clients, and how. */
struct compress_settings {
    bool enabled;
    const enum content_coding *codings; /* the preferred one first */
    size_t coding_count;
    const char *const *types; /* "text/html", "text/" and an asterisk; lower case */
    size_t type_count;
    uint64_t min_bytes;
    uint64_t level;
    bool secrets; /* also responses that may hold some */
    bool given;   /* of a route: it has keys of its own */
};

#endif
