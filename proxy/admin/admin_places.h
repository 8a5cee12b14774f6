/*
 * The places of the admin listener: its connections, so many at a time, each with one deadline for what it waits for.
 *
 * Owns: a reference of each connection's bufferevent (evhttp of libevent 2.1 neither limits connections nor tells when one ends),
 * the bound admin_connections and a timer that runs while somebody is there. Thread: control. Time base: ms, monotonic.
 * Errors: none; a connection that has no place is closed.
 *
 * A deadline is absolute: neither a byte now and then nor a page that is read slowly moves it. When all places are taken, the
 * newcomer gets that of the connection that has kept its own longest without asking for anything, then of the one that has
 * taken longest over its answer; so whoever asks at once is answered, however many others are slow.
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
/* The listener is paused while all who have a place have just come, and goes on a moment later. */
void admin_places_listen(struct admin_places *places, struct evconnlistener *listener);
/* Nobody is accepted any more, or everybody again. Those who are there are served. */
void admin_places_hold(struct admin_places *places, bool held);
/* A place for a connection that was accepted just now; NULL: no memory. */
struct bufferevent *admin_places_take(struct admin_places *places);
/* A request of the connection has come whole: what it waits for now is to send all of the answer. */
void admin_places_answer(struct admin_places *places, const struct bufferevent *connection);
/* The connection's answer is all there; what is left of it is sent, and then the next request is waited for. */
void admin_places_answered(struct admin_places *places, const struct bufferevent *connection);
/* An answer is not in the kernel yet. */
bool admin_places_busy(const struct admin_places *places);
/* After the connections' evhttp has been freed. NULL is fine. */
void admin_places_free(struct admin_places **places);

#endif
