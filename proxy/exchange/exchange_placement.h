/*
 * Where a request of a route with several upstreams, or of a sticky one, goes: the upstream, and the endpoint that a cookie
 * names.
 *
 * Owns nothing. Thread: the worker's. A cookie is only a wish: one that names no endpoint in use is replaced, and attempts go
 * where they may.
 */
#ifndef EVENKEEL_PROXY_EXCHANGE_EXCHANGE_PLACEMENT_H
#define EVENKEEL_PROXY_EXCHANGE_EXCHANGE_PLACEMENT_H

#include <stddef.h>

#include "conf/settings.h"
#include "proxy/edge/edge_cookie.h"
#include "tls/token.h"

struct endpoint;
struct exchange;
struct route;
struct route_upstream;

/* The upstream for this request, of a route with several. */
const struct route_upstream *exchange_split(const struct exchange *exchange,
                                            const struct route *route);

/* The endpoint that the request's cookie names, if the route is sticky; NULL: none. Of several cookies of the name the first that
   names one counts: a client sends those of longer paths first, and they may be of others (RFC 6265 5.4). A copy for a mirror goes
   where any request would. */
struct endpoint *exchange_sticky_endpoint(const struct exchange *exchange);

#define EXCHANGE_COOKIE_BYTES (STICKY_COOKIE_BYTES + TOKEN_BYTES + EDGE_COOKIE_EXTRA_BYTES)
/* Writes the value of a Set-Cookie field for the response of an upstream into EXCHANGE_COOKIE_BYTES of space; returns its length,
   0: none is due. */
size_t exchange_sticky_cookie(struct exchange *exchange, char *space);

#endif
