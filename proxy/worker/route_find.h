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
#include "steady/enum_names.h"

#define ROUTE_RESULTS(X)                                                                           \
    X(ROUTE_FOUND, "found")                                                                        \
    X(ROUTE_NONE, "none")                                                                          \
    X(ROUTE_AMBIGUOUS, "ambiguous") /* two readings lead to two routes that both ask for a path */ \
    X(ROUTE_CLIMBS, "climbs")       /* a reading leads above the root */                           \
    X(ROUTE_NO_MEMORY, "no_memory")
enum route_result { ENUM_VALUES(ROUTE_RESULTS) };

/* The route of an odd path (TARGET_ODD): the one that any of its readings finds by a condition on the path, else the one of the path as
   it is written. request->path is the path as it is written. */
__attribute__((warn_unused_result)) enum route_result route_find_odd(
    const struct generation *generation, const struct route_request *request, struct buf_pool *bufs,
    const struct route **ret_route);

#endif
