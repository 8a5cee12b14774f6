/*
 * The route of a request whose path servers may read in several ways.
 *
 * Owns nothing: a reading is in a buffer for the time of its lookup. Thread: the worker's. Errors: enum route_result; each has an
 * answer of its own. Spec: docs/operations.md ("Paths").
 */
#ifndef EVENKEEL_PROXY_WORKER_ROUTE_FIND_H
#define EVENKEEL_PROXY_WORKER_ROUTE_FIND_H

#include "proxy/worker/generation.h"
#include "steady/buf.h"

/* The route of an odd path (TARGET_ODD): the one that any of its readings finds by a condition on the path, else the one of the path as
   it is written. request->path is the path as it is written. */
__attribute__((warn_unused_result)) enum route_result route_find_odd(
    const struct generation *generation, const struct route_request *request, struct buf_pool *bufs,
    const struct route **ret_route);

#endif
