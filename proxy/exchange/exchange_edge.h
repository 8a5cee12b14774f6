/*
 * What a route does to an exchange besides forwarding: access, answers of its own, rewriting, fields, pages.
 *
 * Owns, in struct exchange_edge: a reference to the settings, because an exchange may outlive its generation, and the lines that go to
 * the upstream. Thread: the worker's. Errors: false, the exchange has been answered.
 */
#ifndef EVENKEEL_PROXY_EXCHANGE_EXCHANGE_EDGE_H
#define EVENKEEL_PROXY_EXCHANGE_EXCHANGE_EDGE_H

#include <stdbool.h>
#include <stddef.h>

#include "proxy/http/http_head.h"
#include "proxy/http/reasons.h"

struct added_fields;
struct buf;
struct compressor;
struct exchange;
struct edge_extra;
struct error_page_settings;
struct exchange_auth;
struct exchange_mirror;
struct own_response;
struct route;
struct route_settings;
struct route_upstream;
struct served_file;
struct settings;
struct timeout_settings;

struct exchange_edge {
    struct settings *held; /* NULL: the route only forwards, or the exchange has none of its own */
    const struct route_settings *route;      /* of `held` */
    const struct timeout_settings *timeouts; /* of `held`; NULL: the upstream's */
    struct buf *lines;                       /* fields for the upstream, as lines; NULL: none */
    struct compressor *compressor;           /* of the response; NULL: it is passed on as it is */
    struct span came_target, came_host;      /* before they were rewritten */
    struct buf
        *subject; /* what rewriting begins from, until that is done; NULL: the route does not ask */
    struct exchange_auth *auth;     /* NULL: nobody was asked */
    struct exchange_mirror *mirror; /* NULL: no copy is made */
    struct served_file *file;       /* the answer's; NULL: none */
    bool rewritten;
    bool serves;      /* the request is for a file of the route */
    bool sticky_full; /* the endpoint that a cookie names had no place for the last attempt */
};

/* After routing, when the route does more than forward. upstream: where it goes; NULL: the route answers. False: the exchange
   has been answered, or it waits (EXCHANGE_ASKING). */
__attribute__((warn_unused_result)) bool exchange_edge_begin(struct exchange *exchange,
                                                             const struct route *route,
                                                             const struct route_upstream *upstream);
/* The same behind the wait. False: the exchange has been answered. */
__attribute__((warn_unused_result)) bool exchange_edge_go_on(struct exchange *exchange);
/* A twin does the same to its request. False: no memory. */
__attribute__((warn_unused_result)) bool exchange_edge_share(struct exchange *twin,
                                                             const struct exchange *exchange);
void exchange_edge_release(struct exchange *exchange);

/* Whether the client came by TLS, to us or to a trusted peer. */
bool exchange_client_secure(const struct exchange *exchange);

/* The target and the host as they came from the client. */
struct span exchange_came_target(const struct exchange *exchange);
struct span exchange_came_host(const struct exchange *exchange);

/* Makes room for lines that go to the upstream. False: no memory. */
__attribute__((warn_unused_result)) bool exchange_edge_take_lines(struct exchange *exchange);
/* Puts the route's lines to those that are added anyway, in space of this size. False: they may not fit. */
__attribute__((warn_unused_result)) bool exchange_edge_add_lines(const struct exchange *exchange,
                                                                 char *space, size_t space_bytes,
                                                                 struct added_fields *added);

/* The head that the client gets in place of this one, in *ret_space, which is to be given back; the same head if nothing changes. */
const struct http_head *exchange_edge_response(struct exchange *exchange,
                                               const struct http_head *head,
                                               const struct edge_extra *extra,
                                               struct http_head *edited, struct buf **ret_space);

/* The page for an answer with this status; NULL: none. upstream: the answer is the upstream's. */
const struct error_page_settings *exchange_edge_page(const struct exchange *exchange,
                                                     unsigned status, bool upstream);

#endif
