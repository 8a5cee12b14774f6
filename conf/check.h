/*
 * Checks between keys: names that must exist, values that must fit each other.
 *
 * Owns nothing: adds messages to the loading, and completes what depends on several keys (names of routes, indices of
 * upstreams). Thread: the one that loads.
 */
#ifndef EVENKEEL_CONF_CHECK_H
#define EVENKEEL_CONF_CHECK_H

struct loading;
struct text_index;

void check_settings(struct loading *loading);

/* Adds the name to the index, unless it has one like it. */
void index_name(struct loading *loading, struct text_index *index, const char *name, void *named);

/* The part of it that concerns routes. */
void check_routes(struct loading *loading);

#endif
