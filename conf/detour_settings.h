/*
 * Settings of what happens to requests beside their upstream, or in its place: copies to a mirror, and maintenance.
 *
 * Owns nothing: lists and texts are in the arena of the settings. Thread: any.
 */
#ifndef EVENKEEL_CONF_DETOUR_SETTINGS_H
#define EVENKEEL_CONF_DETOUR_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "steady/address.h"

/* Requests are answered 503, but those of some clients. */
struct maintenance_settings {
    bool enabled;
    const char *file;    /* as long as it is there; "": none */
    bool file_was_there; /* when the settings were read */
    uint64_t retry_after_ms;
    struct address_prefix *allow;
    size_t allow_count;
};

/* Copies of requests go to another upstream. */
struct mirror_settings {
    const char *text;      /* as configured */
    const char *upstream;  /* NULL: none do */
    size_t upstream_index; /* into settings.upstreams */
    double share;          /* of requests */
    uint64_t body_bytes;   /* no copy of a longer body is made */
    bool unsafe;           /* of methods that may change something, too */
};

#endif
