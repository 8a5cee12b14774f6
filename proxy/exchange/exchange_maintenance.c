/* Requests of a route that is closed for maintenance, or whose upstream is. */
#include "proxy/exchange/exchange_parts.h"
#include "proxy/policy/maintenance.h"

static bool lets_pass(const struct exchange *exchange, const struct maintenance_settings *settings)
{
    return address_in_prefixes(&exchange_client(exchange)->any, settings->allow,
                               settings->allow_count);
}

const struct maintenance_settings *exchange_upstream_closed(const struct exchange *exchange,
                                                            const struct upstream *upstream)
{
    const struct upstream_view *view = upstream->views[exchange->worker->env.index];
    bool closed = __atomic_load_n(&policy_of(upstream)->maintenance, __ATOMIC_RELAXED) != 0;
    return closed && !lets_pass(exchange, &view->settings->maintenance)
               ? &view->settings->maintenance
               : NULL;
}

/* Of the route, then of its upstream: the first that is closed to this client; NULL: none. */
static const struct maintenance_settings *closed_by(const struct exchange *exchange,
                                                    const struct route *route,
                                                    const struct route_upstream *upstream)
{
    const struct upstream_set *set = exchange->worker->generation->upstreams;
    unsigned why = __atomic_load_n(&route->figures->maintenance, __ATOMIC_RELAXED);
    if ((why & ~(unsigned)MAINTENANCE_UPSTREAM) != 0 &&
        !lets_pass(exchange, &route->settings->maintenance)) {
        return &route->settings->maintenance;
    }
    if (!(why & MAINTENANCE_UPSTREAM) || upstream == NULL) {
        return NULL;
    }
    return exchange_upstream_closed(exchange, set->views[upstream->index].upstream);
}

bool exchange_is_maintained(struct exchange *exchange, const struct route *route,
                            const struct route_upstream *upstream)
{
    struct worker *worker = exchange->worker;
    const struct maintenance_settings *settings = closed_by(exchange, route, upstream);
    if (settings == NULL) {
        return false;
    }
    exchange->target.route_name = route->figures->name;
    exchange->target.stats = &route->figures->by_worker[worker->env.index];
    exchange->edge.held = settings_get(worker->generation->settings);
    exchange->edge.route = route->settings; /* its error page and fields */
    exchange->times.retry_after_ms = settings->retry_after_ms;
    exchange_fail(exchange, REASON_MAINTENANCE, NULL);
    return true;
}
