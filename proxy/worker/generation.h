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
#include "proxy/worker/admission_view.h"
#include "proxy/worker/route_figures.h"

struct listener;
struct tls_server;
struct tls_ticket_keys;

struct route {
    const struct route_settings *settings;
    const struct route_figures *figures; /* outlives the generation */
    struct admission_view admission;
    bool unconditional; /* route_unconditional() */
    bool asks_for_path; /* route_asks_for_path() */
    size_t host_bytes;
    size_t path_prefix_bytes;
    size_t header_name_bytes;
};

struct generation {
    uint64_t number;
    struct settings *settings;
    struct upstream_set *upstreams;
    struct route *routes;
    struct listener **
        listeners; /* of each address of settings->listeners, in their order; NULL: it is spare, and
                                            not there */
    size_t address_count;
    struct tls_server **tls;             /* same order as settings->listeners; NULL: no TLS */
    struct tls_ticket_keys *ticket_keys; /* until it serves; NULL: as they are */
    size_t probe_path_bytes;             /* of readiness.listener_path; 0: none */
    unsigned waiting_count;              /* workers that have not adopted it yet (control thread) */
};

/* Whether the request is a probe of readiness.listener_path. */
bool generation_probed(const struct generation *generation, const struct http_head *head);

/* What routes are matched against. */
struct route_request {
    const struct http_head *head;
    const char *listener_name;
    struct {
        const char *at;
        size_t bytes;
    } path; /* of the target, or a reading of it (proxy/http/target_path.h) */
};

/* The request with the path as it is written. */
struct route_request route_request_of(const struct http_head *head, const char *listener_name);

/* Whether every request matches the route. */
bool route_unconditional(const struct route_settings *route);
/* Whether some paths do not match the route. */
bool route_asks_for_path(const struct route_settings *route);
/* The first route that matches, or NULL. */
const struct route *generation_route(const struct generation *generation,
                                     const struct route_request *request);

/* How much of a host is its name: without the port and a trailing dot. */
size_t host_name_bytes(const char *host, size_t host_bytes);
/* Whether the host (with or without port, in any case, with or without a trailing dot) matches the route's. */
bool route_host_matches(const struct route_settings *route, size_t route_host_bytes,
                        const char *host, size_t host_bytes);

/* Whether the address belongs to trusted_peers. */
bool generation_trusts(const struct generation *generation, const struct sockaddr *address);

#endif
