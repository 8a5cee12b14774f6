/* Upstreams: their health, and TLS with them. */
#include "pool/health.h"
#include "proxy/admin/scrape.h"
#include "proxy/policy/policy.h"
#include "tls/session_cache.h"

#include <stdio.h>

#define UPSTREAM_METRICS(X)                                                                        \
    X(upstream_endpoints, GAUGE, (LABEL_UPSTREAM), "",                                             \
      "Endpoints that the operator has not drained", ONE(health.endpoint_count))                   \
    X(upstream_endpoints_healthy, GAUGE, (LABEL_UPSTREAM), "",                                     \
      "Endpoints that are healthy and not drained", ONE(health.healthy_count))                     \
    X(upstream_panic, GAUGE, (LABEL_UPSTREAM), "",                                                 \
      "1 while fewer than health.panic of the endpoints are healthy, so that all are used",        \
      ONE(health.panic))                                                                           \
    X(upstream_panics_total, COUNTER, (LABEL_UPSTREAM), "", "Times the upstream went into panic",  \
      ONE(health.panics_count))                                                                    \
    X(upstream_maintenance, GAUGE, (LABEL_UPSTREAM), "",                                           \
      "1 while the upstream is closed for maintenance",                                            \
      ONE(policy_of(upstream)->maintenance != 0))                                                  \
    X(upstream_tls_handshakes_total, COUNTER, (LABEL_UPSTREAM, LABEL_HANDSHAKE_KIND), "",          \
      "Successful TLS handshakes with an upstream", EACH(tls.full, tls.resumed))                   \
    X(upstream_tls_failures_total, COUNTER, (LABEL_UPSTREAM, LABEL_TLS_FAILURE), "",               \
      "Failed TLS handshakes with an upstream, by cause",                                          \
      series_add_seen(&series, tls.failed + 1, TLS_FAILURE_COUNT - 1))                             \
    X(upstream_tls_certificate_expiry_timestamp_seconds, GAUGE, (LABEL_UPSTREAM), "seconds",       \
      "Time when the client certificate of an upstream (tls.cert) expires, in Unix time",          \
      IF_ANY(tls.certificate_expires_s))                                                           \
    X(upstream_tls_peer_certificate_expiry_timestamp_seconds, GAUGE, (LABEL_UPSTREAM), "seconds",  \
      "Time when the first certificate of those expires that endpoints showed last, in Unix time", \
      IF_ANY(tls.peer_expires_s))

#define IF_ANY(value) \
    if ((value) != 0) \
    ONE(value)

#define SESSION_METRICS(X)                                                                     \
    X(tls_sessions, GAUGE, (), "", "Cached TLS sessions of upstreams", ONE(figures.entries))   \
    X(tls_session_bytes, GAUGE, (), "bytes", "Memory that cached TLS sessions use",            \
      ONE(figures.bytes))                                                                      \
    X(tls_session_names, GAUGE, (), "", "Server names with cached TLS sessions",               \
      ONE(figures.names))                                                                      \
    X(tls_sessions_stored_total, COUNTER, (), "",                                              \
      "Sessions that upstreams issued and that were cached", ONE(figures.stored))              \
    X(tls_sessions_offered_total, COUNTER, (), "",                                             \
      "Sessions offered in a handshake that succeeded", ONE(figures.offered))                  \
    X(tls_sessions_accepted_total, COUNTER, (), "", "Offered sessions that were resumed",      \
      ONE(figures.accepted))                                                                   \
    X(tls_sessions_evicted_total, COUNTER, (), "", "Sessions removed to make room for others", \
      ONE(figures.evicted))                                                                    \
    X(tls_sessions_expired_total, COUNTER, (), "",                                             \
      "Sessions removed because their lifetime was over", ONE(figures.expired))                \
    X(tls_sessions_dropped_total, COUNTER, (), "",                                             \
      "Sessions that could not be cached because memory was short or they were too large",     \
      ONE(figures.dropped))

#define OF_NAME (LABEL_SERVER_NAME, LABEL_PORT, LABEL_TRUST)

#define SESSION_NAME_METRICS(X)                                                      \
    X(tls_name_sessions, GAUGE, OF_NAME, "", "Cached sessions of a server name",     \
      ONE(figures->entries))                                                         \
    X(tls_name_offered_total, COUNTER, OF_NAME, "",                                  \
      "Sessions of a server name offered in a handshake", ONE(figures->offered))     \
    X(tls_name_accepted_total, COUNTER, OF_NAME, "",                                 \
      "Offered sessions of a server name that were resumed", ONE(figures->accepted)) \
    X(tls_name_apart, GAUGE, OF_NAME, "",                                            \
      "1 if the addresses of the server name do not share ticket keys", ONE(figures->apart))

enum { UPSTREAM_METRICS(METRIC_ID_OF_ROW) };
enum { SESSION_METRICS(METRIC_ID_OF_ROW) };
enum { SESSION_NAME_METRICS(METRIC_ID_OF_ROW) };
static const struct metric upstream_metrics[] = {UPSTREAM_METRICS(METRIC_OF_ROW)};
static const struct metric session_metrics[] = {SESSION_METRICS(METRIC_OF_ROW)};
static const struct metric session_name_metrics[] = {SESSION_NAME_METRICS(METRIC_OF_ROW)};

static void write_upstream(const struct upstream *upstream, void *owner)
{
    struct series series = *(const struct series *)owner;
    if (!scrape_wants(series.scrape, upstream->name)) {
        return;
    }
    const struct upstream_health health = upstream_health(upstream);
    struct upstream_tls_figures tls;
    upstream_tls_figures(upstream, &tls);
    series.labels[0] = upstream->name;
    switch (series.metric - upstream_metrics) {
        UPSTREAM_METRICS(METRIC_CASE_OF_ROW)
    }
}

static void write_upstreams(struct scrape *scrape, const struct metric *metric)
{
    struct series series = {scrape, metric, {NULL}};
    pools_each_upstream(scrape->overview->pools, write_upstream, &series);
}

static void write_sessions(struct scrape *scrape, const struct metric *metric)
{
    const struct series series = {scrape, metric, {NULL}};
    struct session_figures figures;
    session_cache_figures(pools_sessions(scrape->overview->pools), &figures);
    switch (metric - session_metrics) {
        SESSION_METRICS(METRIC_CASE_OF_ROW)
    }
}

/* A name may occur several times, once for each trust profile; a part of the fingerprint distinguishes them. */
static void write_session_name(const struct session_name_figures *figures, void *owner)
{
    struct series series = *(const struct series *)owner;
    char port[8], trust[12];
    snprintf(port, sizeof port, "%u", (unsigned)figures->port);
    snprintf(trust, sizeof trust, "%02x%02x%02x%02x", figures->trust[0], figures->trust[1],
             figures->trust[2], figures->trust[3]);
    series.labels[0] = figures->name;
    series.labels[1] = port;
    series.labels[2] = trust;
    switch (series.metric - session_name_metrics) {
        SESSION_NAME_METRICS(METRIC_CASE_OF_ROW)
    }
}

static void write_session_names(struct scrape *scrape, const struct metric *metric)
{
    struct series series = {scrape, metric, {NULL}};
    session_cache_each_name(pools_sessions(scrape->overview->pools), write_session_name, &series);
}

const struct metric_group metrics_upstreams = METRIC_GROUP_KEPT(
    "Upstreams",
    "Health of upstreams, and TLS handshakes with them. A cause that has not occurred has no series.",
    upstream_metrics, SCOPE_UPSTREAM, 2, write_upstreams);
const struct metric_group metrics_sessions =
    METRIC_GROUP("TLS sessions of upstreams", "All upstreams together.", session_metrics,
                 SCOPE_PROCESS, write_sessions);
const struct metric_group metrics_session_names = METRIC_GROUP(
    "TLS sessions by server name",
    "A name has several series if several upstreams use it with different trust settings.",
    session_name_metrics, SCOPE_OTHER, write_session_names);
