/*
 * Checks between keys: names that must exist, values that must fit each other.
 *
 * Owns nothing: adds messages to the loading, and completes what depends on several keys (names of routes, indices of
 * upstreams). Thread: the one that loads.
 */
#ifndef EVENKEEL_CONF_CHECK_H
#define EVENKEEL_CONF_CHECK_H

#include <libconfig.h>
#include <stddef.h>

struct loading;
struct text_index;

void check_settings(struct loading *loading);

/* Adds the name to the index, unless it has one like it. */
void index_name(struct loading *loading, struct text_index *index, const char *name, void *named);

/* The part of it that concerns the admin listener; reads its tokens. (conf/check_admin.c) */
void check_admin(struct loading *loading);

/* The part of it that concerns a fleet. (conf/check_fleet.c) */
void check_fleet(struct loading *loading);

/* The part of it that concerns routes. */
void check_routes(struct loading *loading);

/* The part of these that concerns auth of a route. */
void check_auth(struct loading *loading, size_t number, const struct text_index *upstreams);

/* A route asks for an upstream, and the file has none: says so once, unless what is said already is the cause. */
void check_say_no_upstreams(struct loading *loading);
/* The part of these that concerns where its requests go. cookies: the names of sticky cookies so far, with their routes. */
void check_placement(struct loading *loading, size_t number, struct text_index *cookies);

/* The part of these that concerns texts in which placeholders may stand, and what is written beside them. */
void check_texts(struct loading *loading, size_t number);

/* What the file says of a route under this key; NULL: nothing. */
const config_setting_t *given_of_route(const struct loading *loading, size_t number,
                                       const char *key);

/* An error of a route's key; "": of the route. */
void say_of_route(struct loading *loading, size_t number, const char *key, const char *text);

/* The part of these that concerns mirror of a route. */
void check_mirror(struct loading *loading, size_t number, const struct text_index *upstreams);

/* The existing name nearest to one that does not exist; NULL: none is near. */
const char *nearest_name(const char *name, const void *items, size_t count, size_t item_bytes);

#endif
