/*
 * Requests for large pages, which are written one after the other, a slice at a time.
 *
 * Owns: the requests from admin_jobs_add() until their answer is given to `finish`, and the current page. Only the
 * first request in the queue has a page, so there is memory for one page; between two slices the control thread does
 * other work. Thread: control. Errors: a request whose connection is gone is dropped when its turn comes.
 */
#ifndef EVENKEEL_PROXY_ADMIN_ADMIN_JOBS_H
#define EVENKEEL_PROXY_ADMIN_ADMIN_JOBS_H

#include <event2/event.h>
#include <event2/http.h>

#include "proxy/admin/page.h"

/* Longest time of a slice, for which other work of the control thread waits. */
#define ADMIN_SLICE_US 4000

struct admin_jobs;

struct admin_jobs_env {
    struct event_base *base;
    void (*overview)(struct overview *ret_overview, void *owner);
    void *overview_owner;
    /* Takes the request over and sends the answer. body NULL: no memory. `route` is what admin_jobs_add() was given. */
    void (*finish)(struct evhttp_request *request, const void *route, struct evbuffer *body,
                   void *owner);
    void *owner;
};

/* NULL: no memory. */
struct admin_jobs *admin_jobs_create(const struct admin_jobs_env *env);
/* False: no memory, and the request is still the caller's. */
__attribute__((warn_unused_result)) bool admin_jobs_add(struct admin_jobs *jobs,
                                                        struct evhttp_request *request,
                                                        const void *route,
                                                        page_part_fn *const *parts,
                                                        const char *only);
/* The same for a page of members (page_init_members()) that begins with a copy of `head`. */
__attribute__((warn_unused_result)) bool admin_jobs_add_members(struct admin_jobs *jobs,
                                                                struct evhttp_request *request,
                                                                const void *route,
                                                                const struct page_member *members,
                                                                struct evbuffer *head);
/* To be called before the requests' evhttp is freed. NULL is fine. */
void admin_jobs_free(struct admin_jobs **jobs);

#endif
