/* Every subject's metrics, and those of the page itself. */
#include "proxy/admin/metrics.h"

#include "proxy/admin/scrape.h"
#include "steady/loop_clock.h"

#define SCRAPE_METRICS(X)                                                                         \
    X(metric_series_dropped, GAUGE, (), "", "Series left out because there are too many of them", \
      ONE(scrape->dropped_count))                                                                 \
    X(scrape_duration_seconds, GAUGE, (), "seconds", "Time that this page took to write",         \
      ONE((double)(now_us() - scrape->began_us) / 1e6))                                           \
    X(metric_series, GAUGE, (), "", "Series on this page, this one included",                     \
      ONE(scrape->series_count + 1))

enum { SCRAPE_METRICS(METRIC_ID_OF_ROW) };
static const struct metric metrics[] = {SCRAPE_METRICS(METRIC_OF_ROW)};

static uint64_t now_us(void)
{
    return loop_clock_us(&(struct loop_clock){0});
}

static void write_scrape(struct scrape *scrape, const struct metric *metric)
{
    const struct series series = {scrape, metric, {NULL}};
    switch (metric - metrics) {
        SCRAPE_METRICS(METRIC_CASE_OF_ROW)
    }
}

const struct metric_group metrics_scrape =
    METRIC_GROUP("The page", "Metrics about the page of metrics itself.", metrics, write_scrape);

const struct metric_group *const metric_groups[] = {
    &metrics_process,   &metrics_workers,  &metrics_clients,
    &metrics_listeners, &metrics_routes,   &metrics_endpoints,
    &metrics_upstreams, &metrics_sessions, &metrics_session_names,
    &metrics_policy,    &metrics_shards,   &metrics_rates,
    &metrics_lookups,   &metrics_names,    &metrics_bounds,
    &metrics_log,       &metrics_scrape,   NULL};

void metrics_write(struct evbuffer *out, const struct overview *overview)
{
    struct scrape scrape = {.out = out, .overview = overview, .began_us = now_us()};
    for (const struct metric_group *const *group = metric_groups; *group != NULL; group++) {
        for (size_t i = 0; i < (*group)->count; i++) {
            scrape_head(&scrape, &(*group)->metrics[i]);
            (*group)->write(&scrape, &(*group)->metrics[i]);
        }
    }
}
