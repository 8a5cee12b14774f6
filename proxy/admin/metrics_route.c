/* Exchanges by route: how they ended, and how long they took. */
#include "proxy/admin/scrape.h"

#define ROUTE_METRICS(X)                                                                        \
    X(responses_total, COUNTER, (LABEL_ROUTE, LABEL_CLASS), "",                                 \
      "Exchanges, by class of the status that the client got", CLASSES(sum.by_class))           \
    X(route_maintenance, GAUGE, (LABEL_ROUTE), "",                                              \
      "1 while the route, or its upstream, is closed for maintenance; else there is no series", \
      CLOSED())                                                                                 \
    X(exchanges_by_reason_total, COUNTER, (LABEL_ROUTE, LABEL_REASON), "",                      \
      "Exchanges, by the reason why they ended", SEEN(sum.by_reason))                           \
    X(grpc_calls_total, COUNTER, (LABEL_ROUTE, LABEL_GRPC_STATUS), "",                          \
      "gRPC calls, by the status that the client got", SEEN(sum.by_grpc))                       \
    X(exchange_duration_seconds, HISTOGRAM, (LABEL_ROUTE), "seconds",                           \
      "Time from a request's head to the end of its response", HISTOGRAM(sum.duration_us))      \
    X(first_byte_seconds, HISTOGRAM, (LABEL_ROUTE), "seconds",                                  \
      "Time from a request's head to the head of the upstream's response",                      \
      HISTOGRAM(sum.first_byte_us))

/* With very many routes, classes are written only if they have occurred. */
#define CLASSES(counts)                   \
    if (scrape_is_short(series.scrape)) { \
        SEEN(counts);                     \
    } else {                              \
        COUNTS(counts);                   \
    }

#define CLOSED()                                                     \
    if (route > 0 && overview->routes[route - 1].maintenance != 0) { \
        ONE(1);                                                      \
    }

/* Requests that were refused before a route was found have no histogram. A histogram without a sample is left out; of
   any other all buckets are written, so that sums over routes by `le` are right. */
#define HISTOGRAM(figure)                              \
    if (route > 0 && histogram_count(&(figure)) > 0) { \
        series_add_histogram(&series, &(figure));      \
    }

enum { ROUTE_METRICS(METRIC_ID_OF_ROW) };
static const struct metric metrics[] = {ROUTE_METRICS(METRIC_OF_ROW)};

/* Route 0 stands for requests that were refused before a route was found. */
static const struct route_stats *stats_of(const struct overview *overview, size_t route,
                                          unsigned worker)
{
    return route == 0 ? &overview->workers[worker]->no_route
                      : &overview->routes[route - 1].by_worker[worker];
}

static void add_stats(struct route_stats *into, const struct route_stats *from)
{
    for (size_t i = 0; i < STATUS_CLASS_COUNT; i++) {
        into->by_class[i] += stat_read(&from->by_class[i]);
    }
    for (size_t i = 0; i < REASON_COUNT; i++) {
        into->by_reason[i] += stat_read(&from->by_reason[i]);
    }
    for (size_t i = 0; i < GRPC_STATUS_COUNT; i++) {
        into->by_grpc[i] += stat_read(&from->by_grpc[i]);
    }
    histogram_add(&into->duration_us, &from->duration_us);
    histogram_add(&into->first_byte_us, &from->first_byte_us);
}

static void write_route(const struct overview *overview, size_t route, struct series series)
{
    struct route_stats sum = {0};
    for (unsigned w = 0; w < overview->worker_count; w++) {
        add_stats(&sum, stats_of(overview, route, w));
    }
    switch (series.metric - metrics) {
        ROUTE_METRICS(METRIC_CASE_OF_ROW)
    }
}

static void write_routes(struct scrape *scrape, const struct metric *metric)
{
    const struct overview *overview = scrape->overview;
    for (size_t route = 0; route <= overview->route_count; route++) {
        const char *name = route == 0 ? "" : overview->routes[route - 1].name;
        write_route(overview, route, (struct series){scrape, metric, {name}});
    }
}

const struct metric_group metrics_routes = METRIC_GROUP_KEPT(
    "Routes",
    "A reason or gRPC status that has not occurred has no series, nor has a histogram without a value; [operations.md](operations.md#reasons) says what each means.",
    metrics, SCOPE_ROUTE, 1, write_routes);
