/* TLS with clients: handshakes that failed, and certificates. */
#include <stdio.h>

#include "proxy/admin/scrape.h"
#include "tls/server.h"

#define LISTENER_METRICS(X)                                                                   \
    X(tls_handshakes_failed_total, COUNTER, (LABEL_TLS_FAILURE), "",                          \
      "Failed TLS handshakes with clients, by cause",                                         \
      write_causes(&series, offsetof(struct worker_stats, handshakes_failed)))                \
    X(tls_connections_broken_total, COUNTER, (LABEL_TLS_FAILURE), "",                         \
      "TLS connections of clients that broke after their handshake, by cause",                \
      write_causes(&series, offsetof(struct worker_stats, tls_broken)))                       \
    X(tls_certificate_expiry_timestamp_seconds, GAUGE,                                        \
      (LABEL_LISTENER, LABEL_CERTIFICATE, LABEL_CERTIFICATE_NAME, LABEL_KEY_TYPE), "seconds", \
      "Time when a listener's certificate expires, in Unix time", write_certificates(&series))

enum { LISTENER_METRICS(METRIC_ID_OF_ROW) };
static const struct metric metrics[] = {LISTENER_METRICS(METRIC_OF_ROW)};

/* At the offset in worker_stats there is a counter for each cause. */
static void write_causes(const struct series *series, size_t offset)
{
    uint64_t sums[TLS_FAILURE_COUNT];
    for (size_t i = 0; i < TLS_FAILURE_COUNT; i++) {
        sums[i] = overview_sum(series->scrape->overview, offset + i * sizeof(uint64_t));
    }
    series_add_seen(series, sums + 1, TLS_FAILURE_COUNT - 1);
}

static void write_certificate(const struct tls_certificate_figures *figures, void *owner)
{
    struct series series = *(const struct series *)owner;
    char number[24];
    snprintf(number, sizeof number, "%zu", figures->number);
    series.labels[1] = number;
    series.labels[2] = figures->name;
    series.labels[3] = figures->type;
    ONE(figures->expires_s);
}

/* Certificates of the current generation; their names come from files that its settings name. */
static void write_certificates(struct series *series)
{
    const struct overview *overview = series->scrape->overview;
    for (size_t i = 0; overview->tls != NULL && i < overview->settings->listener_count; i++) {
        series->labels[0] = overview->settings->listeners[i].name;
        if (overview->tls[i] != NULL) {
            tls_server_each_certificate(overview->tls[i], write_certificate, series);
        }
    }
}

static void write_listeners(struct scrape *scrape, const struct metric *metric)
{
    struct series series = {scrape, metric, {NULL}};
    switch (metric - metrics) {
        LISTENER_METRICS(METRIC_CASE_OF_ROW)
    }
}

const struct metric_group metrics_listeners =
    METRIC_GROUP("TLS with clients", "A cause that has not occurred has no series.", metrics,
                 SCOPE_PROCESS, write_listeners);
