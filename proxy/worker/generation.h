/*
 * A generation: one live configuration, in the form that workers need.
 *
 * Owns: a reference to the settings, the upstreams' views, the route table. Immutable once built. Thread: built and
 * freed on the control thread; a worker uses it from adopting it to adopting the next, and keeps no pointer into it
 * longer.
 */
#ifndef EVENKEEL_PROXY_WORKER_GENERATION_H
#define EVENKEEL_PROXY_WORKER_GENERATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/settings.h"
#include "pool/upstream.h"
#include "proxy/http/http_head.h"
#include "proxy/worker/route.h"
#include "proxy/worker/route_index.h"

struct listener;
struct path_regex_scratch;
struct tls_server;
struct fleet_access;
struct tls_ticket_keys;
struct tls_watch;

struct generation {
    uint64_t number;
    struct settings *settings;
    struct upstream_set *upstreams;
    struct route *routes;                /* same order as settings->routes */
    struct route_index *index;           /* of routes */
    struct path_regex_scratch **scratch; /* for each worker; NULL: no route has an expression */
    /* of each address of settings->listeners, in their order; NULL: it is spare, and not there */
    struct listener **listeners;
    size_t address_count;
    struct tls_server **tls;             /* same order as settings->listeners; NULL: no TLS */
    struct fleet_access *fleet;          /* until it serves; NULL: no fleet */
    struct tls_ticket_keys *ticket_keys; /* until it serves; NULL: as they are */
    struct tls_watch *watch;             /* of the files of TLS; likewise (control thread) */
    size_t probe_path_bytes;             /* of readiness.listener_path; 0: none */
    unsigned waiting_count;              /* workers that have not adopted it yet (control thread) */
};

/* Whether the request is a probe of readiness.listener_path. */
bool generation_probed(const struct generation *generation, const struct http_head *head);

/* The first route that takes the request: FOUND, NONE or CUT. */
__attribute__((warn_unused_result)) enum route_result generation_route(
    const struct generation *generation, const struct route_request *request,
    const struct route **ret_route);

/* The route that takes every request of the listener; NULL: that depends on the request. */
const struct route *generation_only_route(const struct generation *generation,
                                          const char *listener_name);

/* Whether the address belongs to trusted_peers. */
bool generation_trusts(const struct generation *generation, const struct sockaddr *address);

#endif
