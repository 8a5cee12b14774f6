/*
 * The counters of a worker. Thread: one writer (the worker), any reader; plain 64-bit stores, read with relaxed
 * atomics.
 *
 * Owns nothing. Every row of the table becomes a metric: id, metric name, unit, help. Label values come from the
 * settings or from fixed sets, never from traffic.
 */
#ifndef EVENKEEL_PROXY_WORKER_STATS_H
#define EVENKEEL_PROXY_WORKER_STATS_H

#include <stdint.h>
#include <time.h>

#include "proxy/http/http_head.h"
#include "proxy/http/reasons.h"
#include "proxy/http/user_agent.h"
#include "proxy/http2/h2_abuse.h"
#include "steady/counter.h"
#include "steady/enum_names.h"
#include "steady/histogram.h"
#include "tls/failure.h"

#define WORKER_COUNTERS(X)                                                                           \
    X(clients_accepted, "clients_accepted_total", "", "Client connections accepted")                 \
    X(clients_closed, "clients_closed_total", "", "Client connections closed")                       \
    X(clients_refused, "clients_refused_total", "",                                                  \
      "Client connections answered with 503 because of limits.clients")                              \
    X(accept_pauses, "accept_pauses_total", "",                                                      \
      "Times accepting was paused because file descriptors were short")                              \
    X(memory_pauses, "accept_memory_pauses_total", "",                                               \
      "Times accepting was paused because memory was short")                                         \
    X(clients_given_up, "clients_given_up_total", "",                                                \
      "Idle client connections closed because new ones needed file descriptors")                     \
    X(accept_errors, "accept_errors_total", "", "Accepts that failed")                               \
    X(client_timeouts, "client_timeouts_total", "",                                                  \
      "Client connections closed by a timeout outside an exchange")                                  \
    X(proxy_headers_refused, "proxy_headers_refused_total", "",                                      \
      "Connections closed because a PROXY header came from an address that is not in trusted_peers") \
    X(proxy_headers_invalid, "proxy_headers_invalid_total", "",                                      \
      "Connections closed because their PROXY header was invalid")                                   \
    X(handshakes_full, "tls_handshakes_full_total", "",                                              \
      "TLS handshakes with clients that made a new session")                                         \
    X(handshakes_resumed, "tls_handshakes_resumed_total", "",                                        \
      "TLS handshakes with clients that resumed a session")                                          \
    X(handshakes_refused, "tls_handshakes_refused_total", "",                                        \
      "Connections closed because of limits.handshakes")                                             \
    X(handshakes_evicted, "tls_handshakes_evicted_total", "",                                        \
      "TLS handshakes in progress that were closed to make room for others")                         \
    X(bodies_buffered, "bodies_buffered_total", "",                                                  \
      "Request bodies taken in whole before an upstream was asked (buffer_request)")                 \
    X(bodies_overlong, "bodies_overlong_total", "",                                                  \
      "Request bodies longer than buffer_request, whose rest was passed on as it came")              \
    X(bodies_unbuffered, "bodies_unbuffered_total", "",                                              \
      "Request bodies that buffer_request could not take in whole, because memory was scarce")       \
    X(mirrored, "mirrored_total", "", "Copies of requests that were sent to a mirror")               \
    X(mirror_dropped, "mirrored_dropped_total", "",                                                  \
      "Copies of requests that were not sent to a mirror: too many, too long, or no memory")         \
    X(slow_uploads_ended, "slow_uploads_ended_total", "",                                            \
      "Slow uploads ended with 408 because other clients needed their place (limits.client_share)")  \
    X(slow_responses_ended, "slow_responses_ended_total", "",                                        \
      "Responses broken off because their client did not take them and other clients needed their "  \
      "place (limits.client_share), or the descriptor of their file")                                \
    X(exchanges_started, "exchanges_started_total", "", "Exchanges started")                         \
    X(exchanges_finished, "exchanges_finished_total", "", "Exchanges finished")                      \
    X(attempts, "attempts_total", "", "Attempts at an endpoint")                                     \
    X(redials, "redials_total", "", "Attempts repeated because a pooled connection was broken")      \
    X(redials_refused, "redials_refused_total", "",                                                  \
      "Attempts on a broken pooled connection that were not repeated, because too many had been")    \
    X(queued, "queued_total", "", "Exchanges that waited in an upstream's queue")                    \
    X(fields_underscore_dropped, "fields_underscore_dropped_total", "",                              \
      "Request fields dropped because their names contain _")                                        \
    X(fields_believed_dropped, "fields_believed_dropped_total", "",                                  \
      "Request fields dropped because servers believe them and the client is not in trusted_peers")  \
    X(auth_passed, "auth_passed_total", "", "Requests that a route's auth has let pass")             \
    X(auth_refused, "auth_refused_total", "",                                                        \
      "Requests that auth refused: the answer was the service's, or 401")                            \
    X(auth_failed, "auth_failed_total", "",                                                          \
      "Requests refused because auth could not find out who asks: 503 or 504")                       \
    X(auth_hashes, "auth_hashes_total", "", "Hashes of passwords that auth.basic has asked for")     \
    X(responses_tolerated, "responses_tolerated_total", "",                                          \
      "Responses accepted although their framing breaks the standard; their connections are closed") \
    X(responses_paused, "responses_paused_total", "",                                                \
      "Times a response waited at its upstream because its client was slow and buffers were scarce") \
    X(responses_compressed, "responses_compressed_total", "", "Responses compressed for clients")    \
    X(compressions_refused, "compressions_refused_total", "",                                        \
      "Responses that would have been compressed, but were sent as they are for lack of memory")     \
    X(compressed_bytes_in, "compressed_received_bytes_total", "bytes",                               \
      "Bytes of responses before they were compressed")                                              \
    X(compressed_bytes_out, "compressed_sent_bytes_total", "bytes",                                  \
      "Bytes of the same responses after they were compressed")                                      \
    X(tunnels, "tunnels_total", "", "Connections upgraded to a tunnel")                              \
    X(h2_clients, "http2_clients_total", "", "Client connections that spoke HTTP/2")                 \
    X(h2_requests, "http2_requests_total", "", "Requests of clients over HTTP/2")                    \
    X(h2_resets_sent, "http2_resets_sent_total", "",                                                 \
      "Streams of HTTP/2 clients that were reset here")                                              \
    X(h2_resets_received, "http2_resets_received_total", "", "Streams that HTTP/2 clients reset")    \
    X(h2_goaways, "http2_goaways_total", "",                                                         \
      "GOAWAY frames to HTTP/2 clients, both of a drain counted")                                    \
    X(h2_connection_errors, "http2_connection_errors_total", "",                                     \
      "HTTP/2 clients whose connection was ended for an error of theirs")                            \
    X(client_bytes_in, "client_received_bytes_total", "bytes", "Bytes received from clients")        \
    X(client_bytes_out, "client_sent_bytes_total", "bytes", "Bytes sent to clients")                 \
    X(upstream_bytes_in, "upstream_received_bytes_total", "bytes",                                   \
      "Bytes received from upstreams")                                                               \
    X(upstream_bytes_out, "upstream_sent_bytes_total", "bytes", "Bytes sent to upstreams")           \
    X(spliced_bytes, "spliced_bytes_total", "bytes",                                                 \
      "Bytes that the kernel moved without a copy to user space (splice)")                           \
    X(loop_passes, "loop_passes_total", "", "Passes of the workers' event loops")

/* Classes of the status that the client got, by its first digit; NONE: no response was begun. */
#define STATUS_CLASSES(X)        \
    X(STATUS_CLASS_NONE, "none") \
    X(STATUS_CLASS_1XX, "1xx")   \
    X(STATUS_CLASS_2XX, "2xx")   \
    X(STATUS_CLASS_3XX, "3xx")   \
    X(STATUS_CLASS_4XX, "4xx")   \
    X(STATUS_CLASS_5XX, "5xx")
enum status_class { ENUM_VALUES(STATUS_CLASSES) STATUS_CLASS_COUNT };

/* Of a route and a worker; found by the route's name over reloads. */
struct route_stats {
    uint64_t by_class[STATUS_CLASS_COUNT]; /* [status / 100] */
    uint64_t by_reason[REASON_COUNT];
    uint64_t by_grpc[GRPC_STATUS_COUNT];
    struct histogram duration_us;   /* first byte of the request to end of the response */
    struct histogram first_byte_us; /* first byte of the request to the response's head */
};

struct worker_stats {
#define X(id, name, unit, help) uint64_t id;
    WORKER_COUNTERS(X)
#undef X
    uint64_t by_user_agent[USER_AGENT_COUNT];          /* requests, if metrics.user_agents is set */
    uint64_t handshakes_failed[TLS_FAILURE_COUNT];     /* with clients */
    uint64_t tls_broken[TLS_FAILURE_COUNT];            /* with clients, after the handshake */
    uint64_t clients_open, clients_idle, tunnels_open; /* gauges */
    uint64_t clients_lingering; /* gauge: all that they get is sent, and their end is awaited */
    uint64_t h2_charged[H2_ABUSE_COUNT]; /* what HTTP/2 clients did, when their connections end */
    uint64_t h2_calmed[H2_ABUSE_COUNT];  /* connections that it ended */
    uint64_t h2_clients_open, h2_streams_open; /* gauges; these clients are in clients_open, too */
    clockid_t cpu_clock;                       /* CPU time of its thread; 0: it does not run yet */
    struct route_stats no_route; /* requests that were refused before a route was found */
};

#endif
