/* Metrics of endpoints by their text in the settings: addresses change, and would make series without end. */
#include <stdlib.h>

#include "proxy/admin/scrape.h"

#define AT_ENDPOINT (LABEL_UPSTREAM, LABEL_ENDPOINT)

#define ENDPOINT_METRICS(X)                                                                                                                                                      \
    X(endpoint_healthy, GAUGE, AT_ENDPOINT, "",                                                                                                                                  \
      "1 if the endpoint is healthy, 0 while it is down, ejected or drained; for a name, the number of its addresses that are healthy",                                          \
      ONE(figures->healthy))                                                                                                                                                     \
    X(endpoint_connections, GAUGE, (LABEL_UPSTREAM, LABEL_ENDPOINT, LABEL_CONNECTION_STATE), "",                                                                                 \
      "Connections of an endpoint by state",                                                                                                                                     \
      EACH(figures->open, figures->idle, figures->in_flight, figures->dialling))                                                                                                 \
    X(endpoint_dials_total, COUNTER, AT_ENDPOINT, "", "Connections dialled", ONE(figures->dials))                                                                                \
    X(endpoint_dial_failures_total, COUNTER, AT_ENDPOINT, "", "Dials that failed",                                                                                               \
      ONE(figures->dial_failures))                                                                                                                                               \
    X(endpoint_leases_total, COUNTER, (LABEL_UPSTREAM, LABEL_ENDPOINT, LABEL_LEASE_STATE), "",                                                                                   \
      "Connections given to attempts, by whether the connection had carried a request before",                                                                                   \
      EACH(figures->reused, figures->fresh))                                                                                                                                     \
    X(endpoint_closes_total, COUNTER, (LABEL_UPSTREAM, LABEL_ENDPOINT, LABEL_CLOSE_REASON), "",                                                                                  \
      "Connections closed, by reason", SEEN(figures->closed))                                                                                                                    \
    X(endpoint_latency_seconds, GAUGE, AT_ENDPOINT, "seconds",                                                                                                                   \
      "Latency estimate that load balancing uses; for a name, the highest of its addresses; 0: no recent sample",                                                                \
      ONE((double)figures->latency_us / 1e6))                                                                                                                                    \
    X(endpoint_probes_total, COUNTER, (LABEL_UPSTREAM, LABEL_ENDPOINT, LABEL_PROBE_RESULT), "",                                                                                  \
      "Health probes, by result",                                                                                                                                                \
      EACH(figures->probes_good, figures->probes_failed, figures->probes_put_off))                                                                                               \
    X(endpoint_ejections_total, COUNTER, AT_ENDPOINT, "",                                                                                                                        \
      "Times the endpoint was ejected because attempts failed", ONE(figures->ejections))                                                                                         \
    X(endpoint_health_changes_total, COUNTER, AT_ENDPOINT, "",                                                                                                                   \
      "Times the endpoint's health status changed", ONE(figures->changes))                                                                                                       \
    X(endpoint_handed_over_total, COUNTER, AT_ENDPOINT, "",                                                                                                                      \
      "Idle connections passed between workers", ONE(figures->handed_over))                                                                                                      \
    X(endpoint_http2_events_total, COUNTER, (LABEL_UPSTREAM, LABEL_ENDPOINT, LABEL_HTTP2_EVENT),                                                                                 \
      "",                                                                                                                                                                        \
      "What an endpoint did on HTTP/2 connections: withdrew one (goaway), refused a request that it had not processed (refused), gave no sign of life when asked (ping_failed)", \
      SEEN(((const uint64_t[]){figures->goaways, figures->refused, figures->pings_failed})))                                                                                     \
    X(endpoint_warm_connections, GAUGE, AT_ENDPOINT, "",                                                                                                                         \
      "Connections that the configuration asks for (pool.warm_min)", ONE(figures->warm))                                                                                         \
    X(endpoint_ready_connections, GAUGE, AT_ENDPOINT, "",                                                                                                                        \
      "Open connections that carry a request or can take one", ONE(figures->ready))                                                                                              \
    X(endpoint_target_connections, GAUGE, AT_ENDPOINT, "",                                                                                                                       \
      "Connections that the pool reopens after a loss; 0: none is missing", ONE(figures->target))                                                                                \
    X(endpoint_losses_total, COUNTER, AT_ENDPOINT, "",                                                                                                                           \
      "Times so many idle connections broke together that the pool replaced the others too",                                                                                     \
      ONE(figures->losses))                                                                                                                                                      \
    X(endpoint_learned_idle_seconds, GAUGE, AT_ENDPOINT, "seconds",                                                                                                              \
      "Idle limit learned from the connections that the endpoint closed; for a name, the shortest of its addresses; 0: pool.idle applies",                                       \
      ONE((double)figures->learned_idle_ms / 1e3))                                                                                                                               \
    X(endpoint_cold, GAUGE, AT_ENDPOINT, "",                                                                                                                                     \
      "1 while a new endpoint has not its warm connections yet, so that other endpoints are preferred",                                                                          \
      ONE(figures->cold))

enum { ENDPOINT_METRICS(METRIC_ID_OF_ROW) };
static const struct metric metrics[] = {ENDPOINT_METRICS(METRIC_OF_ROW)};

static void write_endpoint(const struct endpoint_figures *figures, struct series series)
{
    switch (series.metric - metrics) {
        ENDPOINT_METRICS(METRIC_CASE_OF_ROW)
    }
}

static void write_upstream(const struct upstream *upstream, void *owner)
{
    const struct series *row = owner;
    struct endpoint_figures *entries = NULL;
    if (!scrape_wants(row->scrape, upstream->name)) {
        return;
    }
    size_t count = upstream_endpoint_totals(upstream, &entries);
    for (size_t i = 0; i < count; i++) {
        write_endpoint(
            &entries[i],
            (struct series){row->scrape, row->metric, {entries[i].upstream, entries[i].text}});
    }
    free(entries);
}

static void write_endpoints(struct scrape *scrape, const struct metric *metric)
{
    struct series row = {scrape, metric, {NULL}};
    pools_each_upstream(scrape->overview->pools, write_upstream, &row);
}

const struct metric_group metrics_endpoints =
    METRIC_GROUP_KEPT("Endpoints", "Counters go on when an address has gone.", metrics,
                      SCOPE_ENDPOINT, 1, write_endpoints);
