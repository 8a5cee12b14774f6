/*
 * Keys that follow others: a key that the file does not set is raised or lowered to fit those that it sets.
 *
 * Owns nothing. Thread: the one that loads. Errors: none. Private to conf/.
 */
#ifndef EVENKEEL_CONF_FOLLOW_H
#define EVENKEEL_CONF_FOLLOW_H

#include <libconfig.h>

#include "conf/arena.h"
#include "conf/settings.h"

/* An upstream's, when all of its keys are read. */
void follow_settings(const config_setting_t *item, struct upstream_settings *upstream);

/* What a route does not say of compression is as at the top. */
void follow_compress(const config_setting_t *item, const struct compress_settings *top,
                     struct compress_settings *own);

/* Completes the timeouts of a route that has some of its own, for one of its upstreams. False: no memory. */
__attribute__((warn_unused_result)) bool follow_route(struct arena *arena,
                                                      const struct upstream_settings *upstream,
                                                      const struct route_settings *route,
                                                      struct route_upstream *ret_upstream);

#endif
