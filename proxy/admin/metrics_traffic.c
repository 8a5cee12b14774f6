/* What upstreams and endpoints answered, and how long it took. */
#include "pool/traffic.h"
#include "pool/upstream.h"
#include "proxy/admin/scrape.h"

#define TRAFFIC_METRICS(X)                                                                         \
    X(upstream_responses_total, COUNTER, (LABEL_UPSTREAM, LABEL_STATUS), "",                       \
      "Attempts, by the status that the upstream answered", SEEN(sum.by_status))                   \
    X(upstream_service_seconds, HISTOGRAM, (LABEL_UPSTREAM), "seconds",                            \
      "Time from when an endpoint had the whole request to the head of its response, of attempts", \
      IF_SAMPLED(sum.service_us))                                                                  \
    X(upstream_duration_seconds, HISTOGRAM, (LABEL_UPSTREAM), "seconds",                           \
      "Time from a request's head to the end of its response, of exchanges with the upstream",     \
      IF_SAMPLED(sum.duration_us))                                                                 \
    X(upstream_queue_seconds, HISTOGRAM, (LABEL_UPSTREAM), "seconds",                              \
      "Time in the upstream's queue, of exchanges; 0 for those that did not wait",                 \
      IF_SAMPLED(sum.queue_us))                                                                    \
    X(upstream_connect_seconds, HISTOGRAM, (LABEL_UPSTREAM), "seconds",                            \
      "Time that exchanges waited for a new connection, without its TLS handshake",                \
      IF_SAMPLED(sum.connect_us))                                                                  \
    X(upstream_tls_seconds, HISTOGRAM, (LABEL_UPSTREAM), "seconds",                                \
      "Time that exchanges waited for the TLS handshake of a new connection",                      \
      IF_SAMPLED(sum.tls_us))

#define ENDPOINT_TRAFFIC_METRICS(X)                                                                 \
    X(endpoint_responses_total, COUNTER, (LABEL_UPSTREAM, LABEL_ENDPOINT, LABEL_RESPONSE_CLASS),    \
      "", "Attempts, by the class of the status that the endpoint answered",                        \
      SEEN(traffic->by_class))                                                                      \
    X(endpoint_service_seconds, HISTOGRAM, (LABEL_UPSTREAM, LABEL_ENDPOINT), "seconds",             \
      "Time from when the endpoint had the whole request to the head of its response, of attempts", \
      IF_SAMPLED(traffic->service_us))

/* All buckets or none, so that sums over the others by `le` are right. */
#define IF_SAMPLED(figure)                        \
    if (histogram_count(&(figure)) > 0) {         \
        series_add_histogram(&series, &(figure)); \
    }

enum { TRAFFIC_METRICS(METRIC_ID_OF_ROW) };
enum { ENDPOINT_TRAFFIC_METRICS(METRIC_ID_OF_ROW) };
static const struct metric metrics[] = {TRAFFIC_METRICS(METRIC_OF_ROW)};
static const struct metric endpoint_metrics[] = {ENDPOINT_TRAFFIC_METRICS(METRIC_OF_ROW)};

static void write_upstream(const struct upstream *upstream, void *owner)
{
    struct series series = *(const struct series *)owner;
    struct upstream_traffic sum;
    if (!scrape_wants(series.scrape, upstream->name)) {
        return;
    }
    upstream_traffic(upstream, &sum);
    series.labels[0] = upstream->name;
    switch (series.metric - metrics) {
        TRAFFIC_METRICS(METRIC_CASE_OF_ROW)
    }
}

static void write_upstreams(struct scrape *scrape, const struct metric *metric)
{
    struct series series = {scrape, metric, {NULL}};
    pools_each_upstream(scrape->overview->pools, write_upstream, &series);
}

static void write_endpoint(const char *text, const struct endpoint_traffic *traffic, void *owner)
{
    struct series series = *(const struct series *)owner;
    series.labels[1] = text;
    switch (series.metric - endpoint_metrics) {
        ENDPOINT_TRAFFIC_METRICS(METRIC_CASE_OF_ROW)
    }
}

static void write_endpoints_of(const struct upstream *upstream, void *owner)
{
    struct series series = *(const struct series *)owner;
    if (scrape_wants(series.scrape, upstream->name)) {
        series.labels[0] = upstream->name;
        upstream_each_endpoint_traffic(upstream, write_endpoint, &series);
    }
}

static void write_endpoints(struct scrape *scrape, const struct metric *metric)
{
    struct series series = {scrape, metric, {NULL}};
    pools_each_upstream(scrape->overview->pools, write_endpoints_of, &series);
}

const struct metric_group metrics_traffic = METRIC_GROUP_KEPT(
    "Responses of upstreams",
    "A status that has not occurred has no series, nor has a histogram without a value.", metrics,
    SCOPE_UPSTREAM, 1, write_upstreams);
const struct metric_group metrics_endpoint_traffic =
    METRIC_GROUP_KEPT("Responses of endpoints",
                      "Counts go on when an address has gone. What has not occurred has no series.",
                      endpoint_metrics, SCOPE_ENDPOINT, 1, write_endpoints);
