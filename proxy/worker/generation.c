/* What a worker asks of a generation. Building and freeing generations is proxy/control/control's. */
#include "proxy/worker/generation.h"

#include <string.h>

enum route_result generation_route(const struct generation *generation,
                                   const struct route_request *request,
                                   const struct route **ret_route)
{
    return route_index_find(generation->index, request, ret_route);
}

const struct route *generation_only_route(const struct generation *generation,
                                          const char *listener_name)
{
    for (size_t i = 0; i < generation->settings->route_count; i++) {
        const struct route *route = &generation->routes[i];
        if (route_takes_listener(route, listener_name)) {
            return (route->conditions & ~(unsigned)ROUTE_BY_LISTENER) == 0 ? route : NULL;
        }
    }
    return NULL;
}

bool generation_probed(const struct generation *generation, const struct http_head *head)
{
    size_t bytes = generation->probe_path_bytes;
    if (bytes == 0 || head->target.bytes < bytes ||
        (head->method != METHOD_GET && head->method != METHOD_HEAD)) {
        return false;
    }
    const char *target = head_text(head, head->target);
    return memcmp(target, generation->settings->readiness.listener_path, bytes) == 0 &&
           (head->target.bytes == bytes || target[bytes] == '?');
}

bool generation_trusts(const struct generation *generation, const struct sockaddr *address)
{
    const struct settings *settings = generation->settings;
    for (size_t i = 0; i < settings->trusted_peer_count; i++) {
        if (address_in_prefix(address, &settings->trusted_peers[i])) {
            return true;
        }
    }
    return false;
}
