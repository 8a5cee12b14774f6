/*
 * The places of the admin listener: a limited number of connections, each with a deadline for what it is doing.
 *
 * Owns: a reference to each connection's bufferevent (evhttp of libevent 2.1 neither limits connections nor tells when
 * one ends), the bound admin_connections, and a timer that runs while there are connections. Thread: control. Time
 * base: ms, monotonic. Errors: none; a connection without a place is closed.
 *
 * A deadline is absolute: single bytes and slow reading do not extend it. If all places are taken, a new connection
 * gets the place of the one that has been without a request for longest, else of the one whose answer has taken
 * longest. So a client that sends its request at once is answered, however many others are slow.
 */
#ifndef EVENKEEL_PROXY_ADMIN_ADMIN_PLACES_H
#define EVENKEEL_PROXY_ADMIN_ADMIN_PLACES_H

#include <event2/event.h>
#include <event2/listener.h>
#include <stdbool.h>

#include "steady/bound.h"

/* Connections at a time. */
#define ADMIN_CONNECTIONS 64

struct bufferevent;
struct admin_places;

/* NULL: no memory. The registry, too, has to outlive the places. */
struct admin_places *admin_places_create(struct event_base *base, struct bound_registry *registry);
/* While all connections are new the listener is paused, and continues a moment later. */
void admin_places_listen(struct admin_places *places, struct evconnlistener *listener);
/* Stops accepting, or accepts again. Open connections are served. */
void admin_places_hold(struct admin_places *places, bool held);
/* A place for a connection that was just accepted. NULL: no memory. */
struct bufferevent *admin_places_take(struct admin_places *places);
/* A complete request has arrived on the connection: from now on its deadline is that of the answer. */
void admin_places_answer(struct admin_places *places, const struct bufferevent *connection);
/* The connection's answer is complete; the rest of it is sent, and then the next request is expected. */
void admin_places_answered(struct admin_places *places, const struct bufferevent *connection);
/* Whether an answer has not been sent completely. */
bool admin_places_busy(const struct admin_places *places);
/* To be called after the connections' evhttp has been freed. NULL is fine. */
void admin_places_free(struct admin_places **places);

#endif
