/*
 * What a POST to the admin listener does: a function for each, named in the table of routes in admin.c.
 *
 * Owns nothing. Thread: control. Each writes what it did into `out`, and returns the status of the answer.
 */
#ifndef EVENKEEL_PROXY_ADMIN_ADMIN_ACTS_H
#define EVENKEEL_PROXY_ADMIN_ADMIN_ACTS_H

#include <event2/buffer.h>

#include "proxy/admin/admin.h"

/* Segments of a path that the asterisks of a pattern match, and the query. */
#define ADMIN_NAMES 2
#define ADMIN_NAME_BYTES 256

struct admin_names {
    char text[ADMIN_NAMES][ADMIN_NAME_BYTES];
    const char *query; /* NULL: none */
};

typedef int act_fn(const struct admin_env *env, const struct admin_names *names,
                   struct evbuffer *out);

act_fn admin_drain;
/* ?by=WHO&reason=WHY&for=DURATION, each may be left out. */
act_fn admin_drain_endpoint, admin_undrain_endpoint;
act_fn admin_open_breaker, admin_close_breaker, admin_free_breaker;
act_fn admin_close_route, admin_open_route;
act_fn admin_close_upstream, admin_open_upstream;

#endif
