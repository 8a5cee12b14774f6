/* One lookup for each reading that differs from the path as it is written. */
#include "proxy/worker/route_find.h"

#include <string.h>

#include "proxy/http/target_path.h"

/* Joins what another reading has found. A route without a condition on the path guards no path, so it gives way. */
static enum route_result join(const struct route *other, const struct route **route)
{
    if (other == *route || (other->conditions & ROUTE_BY_ANY_PATH) == 0) {
        return ROUTE_FOUND;
    }
    if (*route != NULL && ((*route)->conditions & ROUTE_BY_ANY_PATH) != 0) {
        return ROUTE_AMBIGUOUS;
    }
    *route = other;
    return ROUTE_FOUND;
}

/* FOUND: the search goes on, with what it has found in *route. */
static enum route_result look_up_reading(const struct generation *generation,
                                         const struct route_request *written,
                                         enum path_reading reading, char *space,
                                         const struct route **route)
{
    struct route_request request = *written;
    if (!path_read(reading, written->path.at, written->path.bytes, space, &request.path.bytes)) {
        return ROUTE_CLIMBS;
    }
    request.path.at = space;
    if (request.path.bytes == written->path.bytes &&
        memcmp(space, written->path.at, request.path.bytes) == 0) {
        return ROUTE_FOUND;
    }
    const struct route *other;
    enum route_result result = generation_route(generation, &request, &other);
    if (result != ROUTE_FOUND) {
        return result == ROUTE_NONE ? ROUTE_FOUND : result;
    }
    return join(other, route);
}

enum route_result route_find_odd(const struct generation *generation,
                                 const struct route_request *request, struct buf_pool *bufs,
                                 const struct route **ret_route)
{
    const struct route *route = NULL;
    enum route_result result = generation_route(generation, request, &route);
    if (result == ROUTE_CUT) {
        return result;
    }
    struct buf *space = buf_take(bufs, request->path.bytes);
    if (space == NULL) {
        return ROUTE_NO_MEMORY;
    }
    result = ROUTE_FOUND;
    for (unsigned i = 0; i < PATH_READING_COUNT && result == ROUTE_FOUND; i++) {
        result = look_up_reading(generation, request, (enum path_reading)i, space->bytes, &route);
    }
    buf_give(bufs, &space);
    if (result != ROUTE_FOUND) {
        return result;
    }
    *ret_route = route;
    return route != NULL ? ROUTE_FOUND : ROUTE_NONE;
}
