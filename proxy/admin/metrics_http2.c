/* Clients of HTTP/2: how many there are, and what they do that is no request. */
#include "proxy/admin/scrape.h"
#include "proxy/http2/h2_abuse.h"

#define HTTP2_METRICS(X)                                                                                   \
    X(http2_clients_open, GAUGE, (), "", "Client connections open that speak HTTP/2",                      \
      ONE(SUM(h2_clients_open)))                                                                           \
    X(http2_streams_open, GAUGE, (), "", "Streams open of HTTP/2 clients",                                 \
      ONE(SUM(h2_streams_open)))                                                                           \
    X(http2_costs_total, COUNTER, (LABEL_H2_ABUSE), "",                                                    \
      "What HTTP/2 clients did that costs and is no request, by kind; counted when their connections end", \
      write_kinds(&series, offsetof(struct worker_stats, h2_charged)))                                     \
    X(http2_clients_calmed_total, COUNTER, (LABEL_H2_ABUSE), "",                                           \
      "HTTP/2 clients that were told ENHANCE_YOUR_CALM and ended, by what they did too often",             \
      write_kinds(&series, offsetof(struct worker_stats, h2_calmed)))

#define SUM(field) overview_sum(scrape->overview, offsetof(struct worker_stats, field))

enum { HTTP2_METRICS(METRIC_ID_OF_ROW) };
static const struct metric metrics[] = {HTTP2_METRICS(METRIC_OF_ROW)};

/* At the offset in worker_stats there is a counter for each kind. */
static void write_kinds(const struct series *series, size_t offset)
{
    uint64_t sums[H2_ABUSE_COUNT];
    for (size_t i = 0; i < H2_ABUSE_COUNT; i++) {
        sums[i] = overview_sum(series->scrape->overview, offset + i * sizeof(uint64_t));
    }
    series_add_seen(series, sums, H2_ABUSE_COUNT);
}

static void write_http2(struct scrape *scrape, const struct metric *metric)
{
    const struct series series = {scrape, metric, {NULL}};
    switch (metric - metrics) {
        HTTP2_METRICS(METRIC_CASE_OF_ROW)
    }
}

const struct metric_group metrics_http2 =
    METRIC_GROUP("HTTP/2 clients", "A kind that has not occurred has no series.", metrics,
                 SCOPE_PROCESS, write_http2);
