/*
 * Resources: for each bound and each figure that is watched, to which resource it belongs, whether it may grow, and what its refusals
 * mean. A resource has a page docs/runbooks/NAME.md.
 *
 * Owns nothing. Thread: any. A bound without a row is a fault of the program, which tests/check-bounds finds.
 */
#ifndef EVENKEEL_PROXY_ADMIN_RESOURCES_H
#define EVENKEEL_PROXY_ADMIN_RESOURCES_H

#include "steady/enum_names.h"

/* In the order in which to ask: what ends the process first. The name is that of the page. */
#define RESOURCES(X)                           \
    X(RESOURCE_MEMORY, "memory")               \
    X(RESOURCE_DESCRIPTORS, "descriptors")     \
    X(RESOURCE_THREADS, "threads")             \
    X(RESOURCE_QUEUES, "queues")               \
    X(RESOURCE_LATENCY, "latency")             \
    X(RESOURCE_ERRORS, "errors")               \
    X(RESOURCE_CLIENTS, "clients")             \
    X(RESOURCE_CONNECTIONS, "connections")     \
    X(RESOURCE_NAMES, "names")                 \
    X(RESOURCE_SESSIONS, "tls-sessions")       \
    X(RESOURCE_LOGS, "logs")                   \
    X(RESOURCE_TRACING, "tracing")             \
    X(RESOURCE_CONFIGURATION, "configuration") \
    X(RESOURCE_ADMIN, "admin")
enum resource { ENUM_VALUES(RESOURCES) RESOURCE_COUNT };
const char *resource_name(enum resource value);

/* LOAD: more load is more of it, about in proportion. QUEUE: far more of it near the capacity. NOTHING: it should stay where it is.
   FULL: it grows to its limit and stays there, by design. */
enum follows { FOLLOWS_LOAD, FOLLOWS_QUEUE, FOLLOWS_NOTHING, FOLLOWS_FULL };

/* Columns: name, resource, what it follows, what a refusal means, what helps. Without these two, refusals are no line in the log: such bounds
   degrade silently by design, or speak for themselves. */
#define BOUND_WORDS(X)                                                                            \
    X("clients", RESOURCE_CLIENTS, FOLLOWS_LOAD, "new clients are answered 503",                  \
      "raise limits.clients, or lower timeouts.idle of the listener")                             \
    X("refusals", RESOURCE_CLIENTS, FOLLOWS_LOAD, "", "")                                         \
    X("handshakes", RESOURCE_CLIENTS, FOLLOWS_LOAD, "clients with TLS are closed",                \
      "raise limits.handshakes, or add workers")                                                  \
    X("exchanges", RESOURCE_CLIENTS, FOLLOWS_QUEUE, "requests are answered 503",                  \
      "raise limits.clients")                                                                     \
    X("buffers_bytes", RESOURCE_MEMORY, FOLLOWS_LOAD,                                             \
      "no memory for bodies: connections are closed",                                             \
      "raise limits.memory, or lower limits.clients")                                             \
    X("replay_bytes", RESOURCE_MEMORY, FOLLOWS_QUEUE,                                             \
      "bodies are not kept, so that their requests cannot be repeated", "raise limits.memory")    \
    X("request_buffer_bytes", RESOURCE_MEMORY, FOLLOWS_QUEUE,                                     \
      "bodies are not taken in whole (buffer_request)", "raise limits.memory")                    \
    X("compress_bytes", RESOURCE_MEMORY, FOLLOWS_LOAD, "responses are sent without compression",  \
      "raise limits.memory, or lower compress.level")                                             \
    X("fds", RESOURCE_DESCRIPTORS, FOLLOWS_LOAD, "requests fail for want of a file descriptor",   \
      "raise the limit of the process (LimitNOFILE, ulimit -n)")                                  \
    X("fd_waiting", RESOURCE_DESCRIPTORS, FOLLOWS_QUEUE, "", "")                                  \
    X("pipes", RESOURCE_DESCRIPTORS, FOLLOWS_LOAD, "", "")                                        \
    X("upstream_in_flight", RESOURCE_QUEUES, FOLLOWS_QUEUE, "", "")                               \
    X("upstream_queued", RESOURCE_QUEUES, FOLLOWS_QUEUE,                                          \
      "requests are answered 503: they come faster than they are answered",                       \
      "add endpoints, or raise limits.queue, limits.queue_wait or limits.in_flight of the "       \
      "upstream")                                                                                 \
    X("shard_in_flight", RESOURCE_QUEUES, FOLLOWS_QUEUE, "", "")                                  \
    X("shard_queued", RESOURCE_QUEUES, FOLLOWS_QUEUE, "requests of a tenant are answered 503",    \
      "raise queue or in_flight of routes.shards, or look who asks so much")                      \
    X("file_tasks", RESOURCE_QUEUES, FOLLOWS_QUEUE, "requests for files are answered 503",        \
      "look whether the disk of files.root hangs")                                                \
    X("password_checks", RESOURCE_QUEUES, FOLLOWS_QUEUE,                                          \
      "requests with a password are answered 503", "look who tries passwords, or add processors") \
    X("detached_requests", RESOURCE_QUEUES, FOLLOWS_QUEUE, "", "")                                \
    X("upstream_connections", RESOURCE_CONNECTIONS, FOLLOWS_LOAD, "", "")                         \
    X("idle_connections", RESOURCE_CONNECTIONS, FOLLOWS_FULL, "", "")                             \
    X("endpoint_connections", RESOURCE_CONNECTIONS, FOLLOWS_LOAD, "", "")                         \
    X("dials_in_flight", RESOURCE_CONNECTIONS, FOLLOWS_QUEUE, "", "")                             \
    X("health_probes", RESOURCE_CONNECTIONS, FOLLOWS_NOTHING, "", "")                             \
    X("dns_names", RESOURCE_NAMES, FOLLOWS_NOTHING, "names are not resolved", "use fewer names")  \
    X("dns_queries", RESOURCE_NAMES, FOLLOWS_NOTHING, "", "")                                     \
    X("tls_sessions", RESOURCE_SESSIONS, FOLLOWS_FULL, "", "")                                    \
    X("tls_session_bytes", RESOURCE_SESSIONS, FOLLOWS_FULL, "", "")                               \
    X("tls_session_names", RESOURCE_SESSIONS, FOLLOWS_FULL, "", "")                               \
    X("log_ring_bytes", RESOURCE_LOGS, FOLLOWS_QUEUE, "", "")                                     \
    X("trace_queue_bytes", RESOURCE_TRACING, FOLLOWS_QUEUE, "spans of traces are dropped",        \
      "lower tracing.sample, or look whether the collector takes them")                           \
    X("generations", RESOURCE_CONFIGURATION, FOLLOWS_NOTHING, "", "")                             \
    X("upstreams", RESOURCE_CONFIGURATION, FOLLOWS_NOTHING, "a reload is rejected",               \
      "wait until connections of earlier upstreams have ended")                                   \
    X("endpoints", RESOURCE_CONFIGURATION, FOLLOWS_NOTHING, "addresses are not used",             \
      "use fewer endpoints")                                                                      \
    X("admin_connections", RESOURCE_ADMIN, FOLLOWS_NOTHING, "", "")

/* Figures that are no bounds. Columns: id, name, resource, what it follows, least effect (a rise by less within a window is none), meaning. */
#define PROCESS_FIGURES(X)                                                                                     \
    X(FIGURE_RESIDENT_BYTES, "resident_bytes", RESOURCE_MEMORY, FOLLOWS_LOAD, 1048576,                         \
      "resident memory; its limit is limits.memory")                                                           \
    X(FIGURE_OPEN_DESCRIPTORS, "open_descriptors", RESOURCE_DESCRIPTORS, FOLLOWS_LOAD, 8,                      \
      "open file descriptors")                                                                                 \
    X(FIGURE_STRAY_DESCRIPTORS, "stray_descriptors", RESOURCE_DESCRIPTORS, FOLLOWS_NOTHING, 8,                 \
      "open file descriptors that the bound fds does not count; its limit is what is left by those it counts") \
    X(FIGURE_THREADS, "threads", RESOURCE_THREADS, FOLLOWS_NOTHING, 4, "threads of the process")               \
    X(FIGURE_QUEUED, "queued", RESOURCE_QUEUES, FOLLOWS_QUEUE, 8,                                              \
      "requests that wait at all upstreams")                                                                   \
    X(FIGURE_ERROR_SHARE, "error_share", RESOURCE_ERRORS, FOLLOWS_NOTHING, 0.02,                               \
      "share of the responses with status 5xx")                                                                \
    X(FIGURE_REQUESTS, "requests_per_second", RESOURCE_CLIENTS, FOLLOWS_FULL, 1,                               \
      "the load: requests begun; its growth is no drift")                                                      \
    X(FIGURE_RESPONSE_MEDIAN, "response_median_seconds", RESOURCE_LATENCY, FOLLOWS_FULL, 0.002,                \
      "median time of a response to a client; upstreams are judged, this is not")                              \
    X(FIGURE_RESPONSE_P99, "response_p99_seconds", RESOURCE_LATENCY, FOLLOWS_FULL, 0.01,                       \
      "0.99 quantile of the time of a response to a client; not judged")

/* Of an upstream. Times are in seconds; the limit of a time is timeouts.first_byte. */
#define UPSTREAM_FIGURES(X)                                                                      \
    X(FIGURE_UPSTREAM_ANSWERS, "upstream_answers_per_second", RESOURCE_CLIENTS, FOLLOWS_FULL, 1, \
      "the load of an upstream: answers; its growth is no drift")                                \
    X(FIGURE_UPSTREAM_MEDIAN, "upstream_median_seconds", RESOURCE_LATENCY, FOLLOWS_QUEUE, 0.002, \
      "median time of an answer")                                                                \
    X(FIGURE_UPSTREAM_P99, "upstream_p99_seconds", RESOURCE_LATENCY, FOLLOWS_QUEUE, 0.01,        \
      "0.99 quantile of the time of an answer")

#define FIGURE_VALUE(id, ...) id,
enum process_figure { PROCESS_FIGURES(FIGURE_VALUE) PROCESS_FIGURE_COUNT };
enum upstream_figure { UPSTREAM_FIGURES(FIGURE_VALUE) UPSTREAM_FIGURE_COUNT };

struct bound_words {
    const char *name;
    enum resource resource;
    enum follows follows;
    const char *cause, *remedy; /* "": a refusal is no line in the log */
};
/* NULL: the bound has no row. */
const struct bound_words *bound_words_of(const char *name);

/* What a bound or figure of this name is counted in: "bytes", "seconds", "per_second", "share", else "count". */
const char *unit_of(const char *name);

struct figure_words {
    const char *name;
    enum resource resource;
    enum follows follows;
    double least_effect;
    const char *meaning;
};
extern const struct figure_words process_figures[PROCESS_FIGURE_COUNT];
extern const struct figure_words upstream_figures[UPSTREAM_FIGURE_COUNT];

#endif
