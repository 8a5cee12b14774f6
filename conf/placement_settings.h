/*
 * Settings that say where the requests of a route go: several upstreams, and clients that stay at an endpoint. Part of
 * conf/settings.h.
 *
 * Owns nothing: texts are in the arena of the settings. Thread: any; immutable once built.
 */
#ifndef EVENKEEL_CONF_PLACEMENT_SETTINGS_H
#define EVENKEEL_CONF_PLACEMENT_SETTINGS_H

#include <stddef.h>
#include <stdint.h>

#include "steady/enum_names.h"

struct timeout_settings;

/* What makes requests alike. The name of a header or cookie follows the colon. */
#define KEY_SOURCES(X)       \
    X(KEY_HOST, "host")      \
    X(KEY_HEADER, "header:") \
    X(KEY_COOKIE, "cookie:") \
    X(KEY_CLIENT, "client")  \
    X(KEY_NONE, "none") /* each request for itself; only where a key may be missing */
enum key_source { ENUM_VALUES(KEY_SOURCES) };

#define SAME_SITES(X) \
    X(SAME_SITE_LAX, "lax") X(SAME_SITE_STRICT, "strict") X(SAME_SITE_NONE, "none")
enum same_site { ENUM_VALUES(SAME_SITES) };

/* An upstream of a route, and its share of the route's requests. */
struct route_upstream {
    const char *name;
    size_t index;    /* into settings.upstreams */
    uint64_t weight; /* 0: no requests */
    const struct timeout_settings
        *timeouts; /* with those of the route; NULL: it has none, the upstream's hold */
};

/* Who gets a request of a route with several upstreams. */
struct split_settings {
    enum key_source key;  /* requests with the same key go to the same upstream */
    const char *key_name; /* header or cookie name, else NULL */
};

/* Longest name of a cookie of ours. */
#define STICKY_COOKIE_BYTES 64

/* A client stays at its endpoint, which a cookie of ours names. */
struct sticky_settings {
    const char *cookie;  /* NULL: it does not */
    uint64_t max_age_ms; /* 0: until the browser ends */
    enum same_site same_site;
};

/* Of the cookies of all sticky routes. */
struct sticky_key_settings {
    const char *key_file; /* "": a key of the process */
};

#endif
