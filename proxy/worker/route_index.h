/*
 * Finds the first route that takes a request without asking each: by the request's host and the beginnings of its path.
 *
 * A route stands in the index under each of its hosts (or under none) and the path that it asks for. A lookup asks under the hosts that
 * the request's may match, and there under each beginning of its path that ends with a segment; what it finds still has to match. So
 * the cost follows the length of the request's host and path, not the number of routes.
 *
 * Owns: its tables. Thread: built and freed on the control thread, then read by any worker. Errors: NULL, no memory.
 */
#ifndef EVENKEEL_PROXY_WORKER_ROUTE_INDEX_H
#define EVENKEEL_PROXY_WORKER_ROUTE_INDEX_H

#include <stddef.h>

#include "proxy/worker/route.h"

struct route_index;

/* The routes must outlive the index. */
__attribute__((warn_unused_result)) struct route_index *route_index_create(
    const struct route *routes, size_t count);
/* NULL is fine. */
void route_index_free(struct route_index **index);

/* FOUND, NONE or CUT: an expression of an earlier route than any that matches was cut. */
__attribute__((warn_unused_result)) enum route_result route_index_find(
    const struct route_index *index, const struct route_request *request,
    const struct route **ret_route);

#endif
