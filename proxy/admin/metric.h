/*
 * A metric: a row of the table of its subject. /metrics and docs/metrics.md are written from the rows and from nothing else.
 *
 * A subject is a file proxy/admin/metrics_*.c with one table of rows
 *
 *     X(id, type, labels, unit, help, code)
 *
 *     id      name without "evenkeel_"; process_* are written as they are
 *     type    COUNTER, GAUGE or HISTOGRAM
 *     labels  enum metric_label in parentheses, in the order in which they are written
 *     unit    that of the name: seconds, bytes; "" is a number
 *     help    one sentence
 *     code    statements that add the samples (scrape.h says by what); they see the variables of the function that the rows
 *             become cases of
 *
 * Owns nothing. Thread: control. Label values come from the configuration or from closed sets, never from traffic.
 */
#ifndef EVENKEEL_PROXY_ADMIN_METRIC_H
#define EVENKEEL_PROXY_ADMIN_METRIC_H

#include <stddef.h>

#include "steady/enum_names.h"

#define METRIC_PREFIX "evenkeel_"
#define METRIC_LABELS_MAX 4

#define METRIC_TYPES(X)          \
    X(METRIC_COUNTER, "counter") \
    X(METRIC_GAUGE, "gauge")     \
    X(METRIC_HISTOGRAM, "histogram")

enum metric_type { ENUM_VALUES(METRIC_TYPES) };
const char *metric_type_name(enum metric_type value);

/* Columns: id, name, meaning, CLOSED(list of all values), CLOSED_BUT_FIRST(list) where the first is "none", or OPEN. The lists are in metric_labels.c. */
#define METRIC_LABELS(X)                                                                                                               \
    X(LABEL_NONE, "", "", OPEN)                                                                                                        \
    X(LABEL_VERSION, "version", "version of the program", OPEN)                                                                        \
    X(LABEL_PRESSURE, "step", "what is given up because memory is short", CLOSED(pressure_steps))                                      \
    X(LABEL_READINESS_STATE, "state", "state of readiness", CLOSED(readiness_states))                                                  \
    X(LABEL_WORKER, "worker", "number of a worker, from 0", OPEN)                                                                      \
    X(LABEL_LISTENER, "listener", "name of a listener", OPEN)                                                                          \
    X(LABEL_CERTIFICATE, "certificate", "number of a certificate in its listener's list", OPEN)                                        \
    X(LABEL_CERTIFICATE_NAME, "name", "first name of a certificate", OPEN)                                                             \
    X(LABEL_KEY_TYPE, "type", "kind of a certificate's key: RSA, EC, ...", OPEN)                                                       \
    X(LABEL_ROUTE, "route", "name of a route; empty: the request ended before a route was found",                                      \
      OPEN)                                                                                                                            \
    X(LABEL_CLASS, "class",                                                                                                            \
      "class of the status that the client got; `none`: no response was begun", CLOSED(classes))                                       \
    X(LABEL_REASON, "reason", "why an exchange ended", CLOSED(reasons))                                                                \
    X(LABEL_GRPC_STATUS, "grpc_status", "status of a gRPC call", CLOSED(grpc_statuses))                                                \
    X(LABEL_USER_AGENT, "kind", "what a request's User-Agent says of itself", CLOSED(user_agents))                                     \
    X(LABEL_SHARD, "shard", "number of a shard of the route", OPEN)                                                                    \
    X(LABEL_UPSTREAM, "upstream", "name of an upstream", OPEN)                                                                         \
    X(LABEL_STATUS, "status",                                                                                                          \
      "status of a response; a class (`2xx`) for those of it that have no value of their own; `none`: the attempt failed without one", \
      CLOSED(statuses))                                                                                                                \
    X(LABEL_RESPONSE_CLASS, "class",                                                                                                   \
      "class of a response's status; `none`: the attempt failed without one",                                                          \
      CLOSED(response_classes))                                                                                                        \
    X(LABEL_ENDPOINT, "endpoint",                                                                                                      \
      "an endpoint as the configuration writes it; all addresses of a name are one endpoint here",                                     \
      OPEN)                                                                                                                            \
    X(LABEL_CONNECTION_STATE, "state", "state of a connection", CLOSED(connection_states))                                             \
    X(LABEL_LEASE_STATE, "state", "whether a connection had carried a request before",                                                 \
      CLOSED(lease_states))                                                                                                            \
    X(LABEL_PROBE_RESULT, "state",                                                                                                     \
      "result of a probe; `put_off`: it did not run, for lack of a place, file descriptor or port",                                    \
      CLOSED(probe_results))                                                                                                           \
    X(LABEL_CLOSE_REASON, "reason", "why a connection was closed", CLOSED(close_reasons))                                              \
    X(LABEL_HTTP2_EVENT, "event", "what an endpoint did on an HTTP/2 connection",                                                      \
      CLOSED(http2_events))                                                                                                            \
    X(LABEL_HANDSHAKE_KIND, "kind", "whether a handshake resumed a session",                                                           \
      CLOSED(handshake_kinds))                                                                                                         \
    X(LABEL_H2_ABUSE, "kind", "what a client did; the word that also names the error",                                                 \
      CLOSED(h2_abuses))                                                                                                               \
    X(LABEL_TLS_FAILURE, "cause", "why a handshake failed", CLOSED_BUT_FIRST(tls_failures))                                            \
    X(LABEL_SERVER_NAME, "server_name", "server name that TLS sessions are cached for", OPEN)                                          \
    X(LABEL_PORT, "port", "port of that server name", OPEN)                                                                            \
    X(LABEL_TRUST, "trust", "first digits of the fingerprint of the trust settings", OPEN)                                             \
    X(LABEL_BREAKER_STATE, "state", "state of a breaker", CLOSED(breaker_states))                                                      \
    X(LABEL_STORE_STATE, "state", "state of the connection to the store", CLOSED(store_states))                                        \
    X(LABEL_STORE_FAULT, "fault", "what was wrong with the store", CLOSED_BUT_FIRST(store_faults))                                     \
    X(LABEL_RATE, "limit", "which rate of the route", CLOSED(rates))                                                                   \
    X(LABEL_RETRY_VERDICT, "verdict", "whether a failed attempt was repeated, or why not",                                             \
      CLOSED(verdicts))                                                                                                                \
    X(LABEL_HOST_NAME, "name", "name that is looked up", OPEN)                                                                         \
    X(LABEL_NAME_TYPE, "type",                                                                                                         \
      "what the name stands for: addresses, or the targets of SRV records", CLOSED(name_types))                                        \
    X(LABEL_DNS_TYPE, "type", "type of the DNS record", CLOSED(dns_types))                                                             \
    X(LABEL_LOOKUP_RESULT, "result", "result of a lookup", CLOSED(lookup_results))                                                     \
    X(LABEL_PHASE, "phase", "phase of an upstream", CLOSED(phases))                                                                    \
    X(LABEL_RESOURCE, "resource", "resource that a figure belongs to; it has a runbook page",                                          \
      CLOSED(resources))                                                                                                               \
    X(LABEL_FIGURE, "figure", "name of a bound, or of another figure that is watched", OPEN)                                           \
    X(LABEL_LOG, "log", "which log", CLOSED(log_names))                                                                                \
    X(LABEL_TRACE_LOSS, "reason", "why spans were dropped", CLOSED(trace_losses))                                                      \
    X(LABEL_EXPORT_RESULT, "result", "how a request to the collector ended",                                                           \
      CLOSED(export_results))                                                                                                          \
    X(LABEL_BOUND, "name", "name of a bounded resource", OPEN)                                                                         \
    X(LABEL_BOUND_DETAIL, "detail",                                                                                                    \
      "what the resource belongs to, if there are several of this name; else empty", OPEN)

enum metric_label { ENUM_VALUES(METRIC_LABELS) METRIC_LABEL_COUNT };

struct metric_label_row {
    const char *name, *meaning;
    const char *const *words; /* all values of a fixed set; else NULL */
    size_t word_count;
};
extern const struct metric_label_row metric_label_rows[METRIC_LABEL_COUNT];

struct metric {
    const char *name; /* without metric_prefix() */
    enum metric_type type;
    enum metric_label labels[METRIC_LABELS_MAX]; /* the rest: LABEL_NONE */
    const char *unit;
    const char *help;
};

/* What stands before the name: the conventional names process_* stand by themselves. */
const char *metric_prefix(const struct metric *metric);

struct scrape;

/* What a group has its series for, which decides how many there are and whether they may be left out. */
#define METRIC_SCOPES(X)                                      \
    X(SCOPE_PROCESS, "process") /* few, and never left out */ \
    X(SCOPE_BOUND, "bound")                                   \
    X(SCOPE_UPSTREAM, "upstream")                             \
    X(SCOPE_ENDPOINT, "endpoint")                             \
    X(SCOPE_ROUTE, "route")                                   \
    X(SCOPE_OTHER, "other") /* for a part of the routes, of names, of shards */

enum metric_scope { ENUM_VALUES(METRIC_SCOPES) METRIC_SCOPE_COUNT };

/* A subject. */
struct metric_group {
    const char *title, *about; /* for the reference */
    const struct metric *metrics;
    size_t count;
    enum metric_scope scope;
    size_t kept_count; /* this many metrics are written even if there are too many series */
    /* Adds the samples of one of the group's metrics, whose head is already written. */
    void (*write)(struct scrape *scrape, const struct metric *metric);
};

/* All of them, in the order of the page; NULL ends the list. */
extern const struct metric_group *const metric_groups[];

extern const struct metric_group metrics_process, metrics_drift, metrics_fleet, metrics_fleet_rates,
    metrics_watch, metrics_capacity, metrics_workers, metrics_clients, metrics_cpu, metrics_agents,
    metrics_http2, metrics_traffic, metrics_endpoint_traffic, metrics_listeners, metrics_routes,
    metrics_endpoints, metrics_upstreams, metrics_sessions, metrics_session_names, metrics_policy,
    metrics_shards, metrics_rates, metrics_lookups, metrics_names, metrics_bounds, metrics_log,
    metrics_tracing, metrics_scrape;

/* ---- what a table's rows become ---- */

/* A struct metric; a value of an enumeration that numbers the rows; a case of a switch over it. */
#define METRIC_OF_ROW(id, type, labels, unit, help, ...) \
    {#id, METRIC_##type, METRIC_LABEL_LIST labels, unit, help},
#define METRIC_LABEL_LIST(...) \
    {                          \
        __VA_ARGS__            \
    }
#define METRIC_ID_OF_ROW(id, ...) METRIC_##id,
#define METRIC_CASE_OF_ROW(id, type, labels, unit, help, code) \
    case METRIC_##id:                                          \
        code;                                                  \
        break;

#define METRICS_IN(table) (sizeof(table) / sizeof(table)[0])
#define METRIC_GROUP_KEPT(title, about, metrics, scope, kept_count, write)   \
    {                                                                        \
        title, about, metrics, METRICS_IN(metrics), scope, kept_count, write \
    }
#define METRIC_GROUP(title, about, metrics, scope, write) \
    METRIC_GROUP_KEPT(title, about, metrics, scope, METRICS_IN(metrics), write)

#endif
