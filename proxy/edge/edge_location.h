/*
 * Where a redirect leads: its text with the values of a request, which never choose another host than the text does.
 *
 * Owns nothing. Thread: the worker's. Errors: the result. Spec: RFC 3986 3.2, 4.2.
 */
#ifndef EVENKEEL_PROXY_EDGE_EDGE_LOCATION_H
#define EVENKEEL_PROXY_EDGE_EDGE_LOCATION_H

#include "proxy/edge/edge_render.h"

enum edge_location_result {
    EDGE_LOCATION_OK,
    EDGE_LOCATION_TOO_LONG,
    EDGE_LOCATION_NO_HOST, /* what a placeholder in the host stands for is no part of one */
};

/*
 * Writes the Location, which is empty if the text is, or if its host is: a request need not name one (HTTP/1.0).
 *
 * The host of a text ends at "/", "?" or "#", or at a placeholder behind a whole name: what that stands for begins a path, with a
 * slash if it has none. A text without a host leads to a path of the same host.
 */
__attribute__((warn_unused_result)) enum edge_location_result edge_location(
    const struct edge_text *text, const struct edge_facts *facts, char *space, size_t space_bytes,
    size_t *ret_bytes);

#endif
