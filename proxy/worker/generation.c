/* Matching a request to a route. Building and freeing generations is proxy/control/control's. */
#include "proxy/worker/generation.h"

#include <string.h>
#include <strings.h>

#include "proxy/http/target_path.h"

/* Host without port and trailing dot (RFC 9110 4.2.3, RFC 3986 3.2.2). */
size_t host_name_bytes(const char *host, size_t host_bytes)
{
    if (host_bytes > 0 && host[0] == '[') {
        const char *end = memchr(host, ']', host_bytes);
        return end != NULL ? (size_t)(end - host) + 1 : host_bytes;
    }
    const char *colon = memchr(host, ':', host_bytes);
    size_t bytes = colon != NULL ? (size_t)(colon - host) : host_bytes;
    return bytes > 1 && host[bytes - 1] == '.' ? bytes - 1 : bytes;
}

bool route_host_matches(const struct route_settings *route, size_t route_host_bytes,
                        const char *host, size_t host_bytes)
{
    size_t name_bytes = host_name_bytes(host, host_bytes);
    if (route->host_is_suffix) {
        /* ".suffix" and at least one byte before it */
        return name_bytes > route_host_bytes && strncasecmp(host + name_bytes - route_host_bytes,
                                                            route->host, route_host_bytes) == 0;
    }
    return name_bytes == route_host_bytes && strncasecmp(host, route->host, route_host_bytes) == 0;
}

static bool route_method_matches(const struct route_settings *route, const struct http_head *head)
{
    const char *method = head_text(head, head->method_text);
    for (size_t i = 0; i < route->method_count; i++) {
        if (strlen(route->methods[i]) == head->method_text.bytes &&
            memcmp(route->methods[i], method, head->method_text.bytes) == 0) {
            return true;
        }
    }
    return route->method_count == 0;
}

static bool route_header_matches(const struct route *route, const struct http_head *head)
{
    const struct http_field *field =
        head_find_name(head, route->settings->header_name, route->header_name_bytes);
    const char *wanted = route->settings->header_value;
    if (field == NULL || wanted == NULL) {
        return field != NULL;
    }
    return strlen(wanted) == field->value_bytes &&
           memcmp(wanted, head->base + field->value_at, field->value_bytes) == 0;
}

static bool route_matches(const struct route *route, const struct route_request *request)
{
    const struct route_settings *settings = route->settings;
    const struct http_head *head = request->head;
    if (settings->listener != NULL && strcmp(settings->listener, request->listener_name) != 0) {
        return false;
    }
    if (settings->host != NULL &&
        !route_host_matches(settings, route->host_bytes, head_text(head, head->host),
                            head->host.bytes)) {
        return false;
    }
    if (settings->path_prefix != NULL &&
        (request->path.bytes < route->path_prefix_bytes ||
         memcmp(request->path.at, settings->path_prefix, route->path_prefix_bytes) != 0)) {
        return false;
    }
    if (settings->method_count > 0 && !route_method_matches(settings, head)) {
        return false;
    }
    return settings->header_name == NULL || route_header_matches(route, head);
}

bool route_unconditional(const struct route_settings *route)
{
    return route->listener == NULL && route->host == NULL && route->path_prefix == NULL &&
           route->method_count == 0 && route->header_name == NULL;
}

bool route_asks_for_path(const struct route_settings *route)
{
    return route->path_prefix != NULL && strcmp(route->path_prefix, "/") != 0;
}

struct route_request route_request_of(const struct http_head *head, const char *listener_name)
{
    const char *target = head_text(head, head->target);
    return (struct route_request){
        head, listener_name, {target, target_path_bytes(target, head->target.bytes)}};
}

const struct route *generation_route(const struct generation *generation,
                                     const struct route_request *request)
{
    for (size_t i = 0; i < generation->settings->route_count; i++) {
        const struct route *route = &generation->routes[i];
        if (route->unconditional || route_matches(route, request)) {
            return route;
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
