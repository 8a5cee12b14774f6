/*
 * Requests for a reload (POST /reload), which are answered when it is known what became of the reload.
 *
 * Owns: the requests from admin_reloads_ask() until their answer is given to `finish`; a timer while there are any.
 * Thread: control. Time base: ms, monotonic. Errors: a request whose connection is gone is dropped.
 *
 * A reload answers the requests that were there when it read the file, and no later ones: whoever is told "taken" has
 * got the file as it was after the request. Requests that come while a reload is under way wait together for the next
 * one. There are at most as many as the admin listener has connections.
 */
#ifndef EVENKEEL_PROXY_ADMIN_ADMIN_RELOADS_H
#define EVENKEEL_PROXY_ADMIN_ADMIN_RELOADS_H

#include <event2/event.h>
#include <event2/http.h>
#include <stdbool.h>
#include <stdint.h>

#include "conf/settings.h"
#include "steady/enum_names.h"

/* id, "result" in the answer, its status */
#define RELOAD_VERDICTS(X)                                                                      \
    X(RELOAD_TAKEN, "taken", 200)       /* every worker serves the new generation */            \
    X(RELOAD_WAITS, "waiting", 202)     /* nothing is wrong so far, but it is not over */       \
    X(RELOAD_REFUSED, "refused", 409)   /* the process reloads nothing now; nothing was read */ \
    X(RELOAD_REJECTED, "rejected", 422) /* the file, or what it asks for, cannot be used */
enum reload_verdict {
#define X(id, word, status) id,
    RELOAD_VERDICTS(X)
#undef X
};

struct reload_outcome {
    enum reload_verdict verdict;
    uint64_t generation;                      /* the one that serves */
    const char *why;                          /* what no message says; NULL: nothing */
    const struct settings_messages *messages; /* about the file; NULL: none */
};

struct admin_reloads;

struct admin_reloads_env {
    struct event_base *base;
    /* Asks for a reload. Returns why there is none; NULL: the outcome follows, possibly before this returns. */
    const char *(*reload)(void *owner);
    uint64_t (*generation)(void *owner); /* number of the one that serves */
    /* Takes the request over and sends the answer. body NULL: no memory. */
    void (*finish)(struct evhttp_request *request, int status, struct evbuffer *body, void *owner);
    void *owner;
};

/* NULL: no memory. */
struct admin_reloads *admin_reloads_create(const struct admin_reloads_env *env);
/* False: no memory or too many, and the request is still the caller's. */
__attribute__((warn_unused_result)) bool admin_reloads_ask(struct admin_reloads *reloads,
                                                           struct evhttp_request *request);
/* The file is about to be read for everyone who has asked. NULL is fine, as below. */
void admin_reloads_begun(struct admin_reloads *reloads);
/* Answers those for whom the file was read. */
void admin_reloads_over(struct admin_reloads *reloads, const struct reload_outcome *outcome);
/* There will be no reload any more: answers everyone. */
void admin_reloads_refuse(struct admin_reloads *reloads, const char *why);
/* To be called before the requests' evhttp is freed. */
void admin_reloads_free(struct admin_reloads **reloads);

#endif
