/* What an endpoint's connections speak: by configuration, by ALPN, or because the endpoint asks for HTTP/1. */
#include "pool/protocol.h"

#include "pool/connection.h"
#include "tls/client.h"

const struct connection_protocol *protocol_of(const struct endpoint *endpoint)
{
    return __atomic_load_n(&endpoint->protocol, __ATOMIC_RELAXED);
}

static void expect(struct endpoint *endpoint, const struct connection_protocol *protocol)
{
    if (protocol_of(endpoint) != protocol) {
        __atomic_store_n(&endpoint->upkeep.capacity_count, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&endpoint->protocol, protocol, __ATOMIC_RELAXED);
    }
}

void protocol_init(struct endpoint *endpoint, const struct upstream_view *view)
{
    const struct connection_protocol *http2 = endpoint->pools->http2;
    enum upstream_protocol speaks = view->settings->protocol;
    if (http2 == NULL || (speaks == UPSTREAM_AUTO && view->tls == NULL)) {
        speaks = UPSTREAM_HTTP1;
    }
    endpoint->speaks = speaks;
    endpoint->protocol = speaks == UPSTREAM_HTTP1 ? &protocol_http1 : http2;
    endpoint->upkeep.habit = speaks == UPSTREAM_HTTP2 ? HABIT_KEEPS : HABIT_UNKNOWN;
}

static const struct connection_protocol *agreed(const struct connection *connection)
{
    const struct endpoint *endpoint = connection->local->endpoint;
    if (connection->stream.tls == NULL || endpoint->pools->http2 == NULL) {
        return connection->protocol;
    }
    return tls_client_chose_http2(&connection->stream) ? endpoint->pools->http2 : &protocol_http1;
}

bool protocol_agree(struct connection *connection)
{
    struct endpoint *endpoint = connection->local->endpoint;
    const struct connection_protocol *protocol = agreed(connection);
    if (protocol == connection->protocol) {
        return true;
    }
    if (endpoint->speaks == UPSTREAM_HTTP2) {
        return false;
    }
    connection->protocol = protocol;
    connection->lending = protocol->shares ? LENDS_SHARES : LENDS_WHOLE;
    expect(endpoint, protocol);
    return true;
}

static void stop_shared(const struct endpoint_local *local, enum connection_state state)
{
    struct connection *connection, *next;
    struct connection_list *list =
        connection_list_of((struct endpoint_local *)(uintptr_t)local, state);
    for (connection = TAILQ_FIRST(list); connection != NULL; connection = next) {
        next = TAILQ_NEXT(connection, spare_link);
        if (connection->lending == LENDS_SHARES) {
            connection_stop(connection, ENDING_WITHDRAWN);
        }
    }
}

void protocol_fall_back(struct connection *connection)
{
    const struct endpoint_local *local = connection->local;
    __atomic_store_n(&local->endpoint->speaks, UPSTREAM_HTTP1, __ATOMIC_RELAXED);
    expect(local->endpoint, &protocol_http1);
    stop_shared(local, CONNECTION_SHARING);
    stop_shared(local, CONNECTION_IDLE);
}
