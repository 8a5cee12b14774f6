/*
 * Requests for a snapshot (POST /snapshot), which wait until the workers have been asked.
 *
 * Owns: the requests from admin_snapshots_ask() until they are given to `finish`. Thread: control. Errors: a request
 * whose connection is gone is dropped. All that wait get the same snapshot, so a thousand requests ask the workers
 * once. There are at most as many as the admin listener has connections.
 */
#ifndef EVENKEEL_PROXY_ADMIN_ADMIN_SNAPSHOTS_H
#define EVENKEEL_PROXY_ADMIN_ADMIN_SNAPSHOTS_H

#include <event2/buffer.h>
#include <event2/http.h>
#include <stdbool.h>

struct admin_snapshots;

struct admin_snapshots_env {
    /* Begins to collect, unless it does already; admin_snapshots_over() follows, never from within. False: no memory. */
    bool (*begin)(void *owner);
    /* Takes the request over. head NULL: no memory. */
    void (*finish)(struct evhttp_request *request, struct evbuffer *head, void *owner);
    void *owner;
};

/* NULL: no memory. */
struct admin_snapshots *admin_snapshots_create(const struct admin_snapshots_env *env);
/* False: no memory or too many, and the request is still the caller's. */
__attribute__((warn_unused_result)) bool admin_snapshots_ask(struct admin_snapshots *snapshots,
                                                             struct evhttp_request *request);
/* The snapshot is there; head: what snapshot_write() has written; NULL: no memory. */
void admin_snapshots_over(struct admin_snapshots *snapshots, struct evbuffer *head);
/* To be called before the requests' evhttp is freed. NULL is fine. */
void admin_snapshots_free(struct admin_snapshots **snapshots);

#endif
