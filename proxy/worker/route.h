/*
 * A route, and whether it takes a request.
 *
 * Owns: its compiled expression; a route belongs to its generation and is immutable once prepared. Thread: prepared and released on
 * the control thread, matched on any worker. Errors: enum route_result.
 */
#ifndef EVENKEEL_PROXY_WORKER_ROUTE_H
#define EVENKEEL_PROXY_WORKER_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/path_regex.h"
#include "conf/settings.h"
#include "proxy/http/http_head.h"
#include "proxy/worker/admission_view.h"
#include "proxy/worker/route_figures.h"

#define ROUTE_RESULTS(X)                                                                           \
    X(ROUTE_FOUND, "found")                                                                        \
    X(ROUTE_NONE, "none")                                                                          \
    X(ROUTE_CUT, "cut")             /* an expression would have taken too many steps */            \
    X(ROUTE_AMBIGUOUS, "ambiguous") /* two readings lead to two routes that both ask for a path */ \
    X(ROUTE_CLIMBS, "climbs")       /* a reading leads above the root */                           \
    X(ROUTE_NO_MEMORY, "no_memory")
enum route_result { ENUM_VALUES(ROUTE_RESULTS) };

/* What a route asks of a request: bits. */
enum route_condition {
    ROUTE_BY_LISTENER = 1 << 0,
    ROUTE_BY_HOST = 1 << 1,
    ROUTE_BY_PATH = 1 << 2,
    ROUTE_BY_PREFIX = 1 << 3,
    ROUTE_BY_REGEX = 1 << 4,
    ROUTE_BY_METHOD = 1 << 5,
    ROUTE_BY_HEADER = 1 << 6,
    ROUTE_BY_QUERY = 1 << 7,
    ROUTE_BY_COOKIE = 1 << 8,
    ROUTE_BY_CLIENT = 1 << 9,
};
#define ROUTE_BY_ANY_PATH ((unsigned)(ROUTE_BY_PATH | ROUTE_BY_PREFIX | ROUTE_BY_REGEX))

struct route {
    const struct route_settings *settings;
    struct route_figures *figures; /* outlives the generation */
    struct admission_view admission;
    struct path_regex *regex; /* NULL: none */
    unsigned conditions;      /* enum route_condition; 0: it takes every request */
    bool edge;                /* it does more than forward (route_set_edge()) */
    bool split;               /* it has several upstreams */
    size_t path_bytes;        /* of path or path_prefix */
    size_t header_name_bytes;
    size_t query_name_bytes;
    size_t cookie_name_bytes;
};

struct route_text {
    const char *at;
    size_t bytes;
};

/* What routes are matched against. */
struct route_request {
    const struct http_head *head;
    const char *listener_name;
    const struct sockaddr *client;
    struct path_regex_scratch *scratch; /* of the thread; NULL if no route has an expression */
    struct route_text path; /* of the target, or a reading of it (proxy/http/target_path.h) */
    struct route_text host; /* route_host_of() the head */
};

/* The name of the head's host. */
struct route_text route_host_of(const struct http_head *head);

static inline unsigned char route_lower(char c)
{
    unsigned char byte = (unsigned char)c;
    return (unsigned)(byte - 'A') < 26 ? byte | 0x20 : byte;
}

/* Sets what matching needs. False: no memory. */
__attribute__((warn_unused_result)) bool route_prepare(struct route *route,
                                                       const struct route_settings *settings);
void route_release(struct route *route);
/* Sets whether the route does more than forward; `all`: what is done for all routes. */
void route_set_edge(struct route *route, const struct edge_settings *all);

/* Whether the route takes requests of the listener. */
bool route_takes_listener(const struct route *route, const char *name);

/* FOUND, NONE or CUT. host_known: the request's host is one of the route's. */
__attribute__((warn_unused_result)) enum route_result route_matches(
    const struct route *route, const struct route_request *request, bool host_known);

/* How much of a host is its name: without the port and a trailing dot (RFC 9110 4.2.3, RFC 3986 3.2.2). */
size_t host_name_bytes(const char *host, size_t host_bytes);

#endif
