/* Which upstream, which endpoint, which cookie. */
#include "proxy/exchange/exchange_placement.h"

#include <string.h>

#include "pool/balance.h"
#include "proxy/exchange/exchange_parts.h"
#include "proxy/exchange/hedge.h"
#include "proxy/http/cookie.h"
#include "proxy/policy/balance_key.h"
#include "proxy/policy/split.h"

/* What the request's cookie says. False: there is none of that form. */
static bool find_token(const struct exchange *exchange, const struct sticky_settings *sticky,
                       char token[TOKEN_TEXT_BYTES])
{
    const char *value;
    size_t bytes;
    if (!cookie_find(&exchange->request, sticky->cookie, strlen(sticky->cookie), &value, &bytes) ||
        bytes != TOKEN_BYTES) {
        return false;
    }
    memcpy(token, value, TOKEN_BYTES);
    token[TOKEN_BYTES] = '\0';
    return true;
}

/* ---- the upstream ---- */

/* The one whose endpoint the cookie names; NULL: none that gets requests. */
static const struct route_upstream *find_named(const struct exchange *exchange,
                                               const struct route_settings *route)
{
    const struct upstream_set *set = exchange->worker->generation->upstreams;
    char token[TOKEN_TEXT_BYTES];
    if (route->sticky.cookie == NULL || !find_token(exchange, &route->sticky, token)) {
        return NULL;
    }
    for (size_t i = 0; i < route->upstream_count; i++) {
        const struct route_upstream *upstream = &route->upstreams[i];
        if (upstream->weight > 0 &&
            upstream_view_find(&set->views[upstream->index], token) != NULL) {
            return upstream;
        }
    }
    return NULL;
}

const struct route_upstream *exchange_split(const struct exchange *exchange,
                                            const struct route *route)
{
    const struct route_settings *settings = route->settings;
    const struct route_upstream *named = find_named(exchange, settings);
    uint64_t key_hash;
    if (named != NULL) {
        return named;
    }
    size_t i = request_key(settings->split.key, settings->split.key_name, &exchange->request,
                           &exchange_client(exchange)->any, &key_hash)
                   ? split_by_key(settings->upstreams, settings->upstream_count, key_hash)
                   : split_draw(settings->upstreams, settings->upstream_count,
                                &exchange->worker->loop.rng);
    return &settings->upstreams[i];
}

/* ---- the endpoint ---- */

struct endpoint *exchange_sticky_endpoint(const struct exchange *exchange)
{
    const struct route_settings *route = exchange->edge.route;
    char token[TOKEN_TEXT_BYTES];
    return route != NULL && route->sticky.cookie != NULL &&
                   find_token(exchange, &route->sticky, token)
               ? upstream_view_find(exchange_view(exchange), token)
               : NULL;
}

/* ---- the cookie ---- */

/* Whether the client keeps the cookie that it has although another endpoint has answered: its own had no place for this request, or
   was merely asked first. */
static bool keeps_cookie(const struct exchange *exchange)
{
    return (exchange->edge.sticky_full || exchange->hedge.role == HEDGE_BEATEN) &&
           exchange_sticky_endpoint(exchange) != NULL;
}

size_t exchange_sticky_cookie(struct exchange *exchange, char *space)
{
    const struct route_settings *route = exchange->edge.route;
    char token[TOKEN_TEXT_BYTES];
    if (route == NULL || route->sticky.cookie == NULL) {
        return 0;
    }
    const char *answering = endpoint_token(hedge_who_answers(exchange)->attempt.endpoint);
    bool same = find_token(exchange, &route->sticky, token) && strcmp(token, answering) == 0;
    if (same || keeps_cookie(exchange)) {
        return 0;
    }
    return edge_cookie_write(&route->sticky, answering, exchange_client_secure(exchange), space);
}
