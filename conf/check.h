/*
 * Checks between keys: names that must exist, values that must fit each other.
 *
 * Owns nothing: adds messages to the loading, and completes what depends on several keys (names of routes, indices of
 * upstreams). Thread: the one that loads.
 */
#ifndef EVENKEEL_CONF_CHECK_H
#define EVENKEEL_CONF_CHECK_H

struct loading;

void check_settings(struct loading *loading);

#endif
