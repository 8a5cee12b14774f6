/* Which upstream, which endpoint, which cookie. */
#include "proxy/exchange/exchange_placement.h"

#include <string.h>

#include "pool/balance.h"
#include "proxy/exchange/exchange_parts.h"
#include "proxy/exchange/hedge.h"
#include "proxy/http/cookie.h"
#include "proxy/policy/balance_key.h"
#include "proxy/policy/split.h"

/* Of a request's cookies of the name, so many are looked at. */
#define TOKENS_MOST 8

/* The values of the request's cookies of one name that have the form of a token. */
struct tokens {
    const struct http_head *head;
    const char *name;
    struct cookie_place place;
    unsigned count;
    char token[TOKEN_TEXT_BYTES];
};

static struct tokens tokens_of(const struct exchange *exchange, const struct route_settings *route)
{
    return (struct tokens){.head = &exchange->request, .name = route->sticky.cookie};
}

static bool next_token(struct tokens *tokens)
{
    const char *value;
    size_t bytes;
    while (cookie_next(tokens->head, tokens->name, strlen(tokens->name), &tokens->place, &value,
                       &bytes)) {
        if (bytes == TOKEN_BYTES) {
            memcpy(tokens->token, value, TOKEN_BYTES);
            tokens->token[TOKEN_BYTES] = '\0';
            return tokens->count++ < TOKENS_MOST;
        }
    }
    return false;
}

static bool is_sticky(const struct route_settings *route)
{
    return route != NULL && route->sticky.cookie != NULL;
}

/* ---- the upstream ---- */

static const struct route_upstream *upstream_with(const struct exchange *exchange,
                                                  const struct route_settings *route,
                                                  const char *token)
{
    const struct upstream_set *set = exchange->worker->generation->upstreams;
    for (size_t i = 0; i < route->upstream_count; i++) {
        const struct route_upstream *upstream = &route->upstreams[i];
        if (upstream->weight > 0 &&
            upstream_view_find(&set->views[upstream->index], token) != NULL) {
            return upstream;
        }
    }
    return NULL;
}

/* The one whose endpoint a cookie names; NULL: none that gets requests. */
static const struct route_upstream *find_named(const struct exchange *exchange,
                                               const struct route_settings *route)
{
    const struct route_upstream *named = NULL;
    if (is_sticky(route)) {
        struct tokens tokens = tokens_of(exchange, route);
        while (named == NULL && next_token(&tokens)) {
            named = upstream_with(exchange, route, tokens.token);
        }
    }
    return named;
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
                           exchange_came_host(exchange), &exchange_client(exchange)->any, &key_hash)
                   ? split_by_key(settings->upstreams, settings->upstream_count, key_hash)
                   : split_draw(settings->upstreams, settings->upstream_count,
                                &exchange->worker->loop.rng);
    return &settings->upstreams[i];
}

/* ---- the endpoint ---- */

struct endpoint *exchange_sticky_endpoint(const struct exchange *exchange)
{
    const struct route_settings *route = exchange->edge.route;
    struct endpoint *named = NULL;
    if (is_sticky(route) && exchange->hedge.role != HEDGE_SIDE) {
        struct tokens tokens = tokens_of(exchange, route);
        while (named == NULL && next_token(&tokens)) {
            named = upstream_view_find(exchange_view(exchange), tokens.token);
        }
    }
    return named;
}

/* ---- the cookie ---- */

/* Whether the client keeps the cookie that it has although another endpoint has answered: its own had no place for this request, or
   was merely asked first. */
static bool keeps_cookie(const struct exchange *exchange)
{
    return exchange->edge.sticky_full || exchange->hedge.role == HEDGE_BEATEN;
}

size_t exchange_sticky_cookie(struct exchange *exchange, char *space)
{
    const struct route_settings *route = exchange->edge.route;
    /* NULL: a file of the route answers */
    const struct endpoint *answering =
        is_sticky(route) ? hedge_who_answers(exchange)->attempt.endpoint : NULL;
    if (answering == NULL) {
        return 0;
    }
    const struct endpoint *named = exchange_sticky_endpoint(exchange);
    if (named == answering || (named != NULL && keeps_cookie(exchange))) {
        return 0;
    }
    return edge_cookie_write(&route->sticky, endpoint_token(answering),
                             exchange_client_secure(exchange), space);
}
