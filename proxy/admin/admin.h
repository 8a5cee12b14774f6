/*
 * The admin listener: evhttp on the control thread's base, so that no scrape touches a worker.
 *
 * Owns: its sockets and connections (admin_places bounds their number and time, this file their size). Thread:
 * control. Its paths are the table of routes in admin.c; their effects on the rest of the process go through struct
 * admin_env.
 */
#ifndef EVENKEEL_PROXY_ADMIN_ADMIN_H
#define EVENKEEL_PROXY_ADMIN_ADMIN_H

#include <event2/event.h>

#include "proxy/admin/admin_places.h"
#include "proxy/admin/admin_reloads.h"
#include "proxy/admin/admin_snapshots.h"
#include "proxy/admin/overview.h"
#include "proxy/client/inherited.h"
#include "steady/enum_names.h"

struct admin;
struct snapshot;

struct operator_word;

struct admin_env {
    struct event_base *base;
    struct bound_registry *registry;
    /* Fills the overview with the current state. */
    void (*overview)(struct overview *ret_overview, void *owner);
    void (*drain)(void *owner); /* POST /drain */
    /* POST /reload: why there is none; NULL: its outcome follows, by admin_reloads_over() */
    const char *(*reload)(void *owner);
    /* POST /snapshot: admin_answer_snapshot() follows, never from within; false: no memory */
    bool (*snapshot)(void *owner);
    /* The operator has said something, which is carried out here already; whether it spreads over a fleet, with an end. */
    void (*said)(const struct operator_word *word, void *owner);
    bool (*spreads)(void *owner);
    void *owner;
};

#define ADMIN_RESULTS(X)                \
    X(ADMIN_OK, "ok")                   \
    X(ADMIN_CANNOT_BIND, "cannot bind") \
    X(ADMIN_NO_MEMORY, "no memory")
enum admin_result { ENUM_VALUES(ADMIN_RESULTS) };
const char *admin_result_name(enum admin_result value);

/* With ADMIN_CANNOT_BIND errno says why. A stale unix socket file is removed, one in use is not. An inherited socket is
   taken, but accepts no connection before admin_serve_on(). */
__attribute__((warn_unused_result)) enum admin_result admin_create(
    const struct admin_settings *settings, struct inherited *inherited, bool held,
    const struct admin_env *env, struct admin **ret_admin);
void admin_serve_on(struct admin *admin);
/* Another process serves the socket, and the file is that process's. */
void admin_hand_over(struct admin *admin);
/* At the end: runs the base until answers in progress are sent, for at most limit_ms. NULL is fine. */
void admin_flush(struct admin *admin, uint64_t limit_ms);
/* How many requests have shown a token that is none. NULL: 0. */
uint64_t admin_wrong_tokens(const struct admin *admin);
/* Those who wait for a reload. NULL: there is no admin listener. */
struct admin_reloads *admin_reloads(const struct admin *admin);
/* Answers everyone who waits for a snapshot; snapshot NULL: no memory. NULL is fine. */
void admin_answer_snapshot(struct admin *admin, const struct snapshot *snapshot);
/* False: the socket, which stays where it is until a restart, can be reached from elsewhere, and these settings have no
   token. NULL is fine. */
__attribute__((warn_unused_result)) bool admin_may_take(const struct admin *admin,
                                                        const struct admin_settings *settings);
/* The listening socket. */
int admin_fd(const struct admin *admin);
void admin_free(struct admin **admin);

#endif
