/*
 * How an exchange ends: one row per reason. The name is the value in logs and metrics.
 *
 * Columns: id, name, status we answer with (0: the response was relayed or the client is gone), error token of Proxy-Status
 * (RFC 9209 2.3; "" is none), seconds of Retry-After (0: none).
 *
 * Owns nothing: a table. Thread: any.
 */
#ifndef EVENKEEL_PROXY_HTTP_REASONS_H
#define EVENKEEL_PROXY_HTTP_REASONS_H

#include "tls/failure.h"

#define EXCHANGE_REASONS(X)                                                                  \
    X(COMPLETE, "complete", 0, "", 0)                                                        \
    X(UPGRADED, "upgraded", 0, "", 0)                                                        \
    X(CLIENT_ABORT, "client_abort", 0, "", 0)                                                \
    X(CLIENT_STALLED, "client_stalled", 0, "", 0)                                            \
    X(REQUEST_TIMEOUT, "request_timeout", 408, "http_request_error", 0)                      \
    X(TLS_REQUIRED, "tls_required", 400, "tls_protocol_error", 0)                            \
    X(MISDIRECTED, "misdirected", 421, "destination_not_found", 0)                           \
    X(REQUEST_INVALID, "request_invalid", 400, "http_request_error", 0)                      \
    X(TARGET_TOO_LONG, "target_too_long", 414, "http_request_error", 0)                      \
    X(HEAD_TOO_LARGE, "head_too_large", 431, "http_request_error", 0)                        \
    X(BODY_TOO_LARGE, "body_too_large", 413, "http_request_error", 0)                        \
    X(EXPECTATION_FAILED, "expectation_failed", 417, "http_request_error", 0)                \
    X(NOT_IMPLEMENTED, "not_implemented", 501, "http_request_error", 0)                      \
    X(VERSION_NOT_SUPPORTED, "version_not_supported", 505, "http_request_error", 0)          \
    X(READY, "ready", 200, "", 0)                                                            \
    X(NOT_READY, "not_ready", 503, "proxy_internal_response", 1)                             \
    X(NO_ROUTE, "no_route", 404, "destination_not_found", 0)                                 \
    X(CLIENT_LIMIT, "client_limit", 503, "connection_limit_reached", 1)                      \
    X(QUEUE_FULL, "queue_full", 503, "connection_limit_reached", 1)                          \
    X(QUEUE_TIMEOUT, "queue_timeout", 503, "connection_limit_reached", 1)                    \
    X(NO_ENDPOINT, "no_endpoint", 503, "destination_unavailable", 1)                         \
    X(CONNECT_REFUSED, "connect_refused", 502, "connection_refused", 0)                      \
    X(CONNECT_TIMEOUT, "connect_timeout", 504, "connection_timeout", 0)                      \
    X(UPSTREAM_TLS_CERTIFICATE, "upstream_tls_certificate", 502, "tls_certificate_error", 0) \
    X(UPSTREAM_TLS_PROTOCOL, "upstream_tls_protocol", 502, "tls_protocol_error", 0)          \
    X(UPSTREAM_TLS_ALERT, "upstream_tls_alert", 502, "tls_alert_received", 0)                \
    X(UPSTREAM_TLS_TIMEOUT, "upstream_tls_timeout", 504, "connection_timeout", 0)            \
    X(UPSTREAM_TLS_BROKEN, "upstream_tls_broken", 502, "connection_terminated", 0)           \
    X(CONNECT_FAILED, "connect_failed", 502, "destination_unavailable", 0)                   \
    X(DIAL_FAILED, "dial_failed", 502, "destination_unavailable", 0)                         \
    X(QUEUE_DROPPED, "queue_dropped", 503, "connection_limit_reached", 1)                    \
    X(CLIENT_RATE, "client_rate", 429, "http_request_denied", 1)                             \
    X(ROUTE_RATE, "route_rate", 503, "http_request_denied", 1)                               \
    X(LISTENER_RATE, "listener_rate", 503, "http_request_denied", 1)                         \
    X(SHARD_RATE, "shard_rate", 503, "http_request_denied", 1)                               \
    X(SHARD_FULL, "shard_full", 503, "connection_limit_reached", 1)                          \
    X(SHARD_TIMEOUT, "shard_timeout", 503, "connection_limit_reached", 1)                    \
    X(BREAKER_OPEN, "breaker_open", 503, "destination_unavailable", 1)                       \
    X(NO_DESCRIPTORS, "no_descriptors", 503, "connection_limit_reached", 1)                  \
    X(NO_MEMORY, "no_memory", 503, "proxy_internal_error", 1)                                \
    X(UPSTREAM_RESET, "upstream_reset", 502, "connection_terminated", 0)                     \
    X(UPSTREAM_INVALID, "upstream_invalid", 502, "http_protocol_error", 0)                   \
    X(UPSTREAM_HEAD_TOO_LARGE, "upstream_head_too_large", 502,                               \
      "http_response_header_section_size", 0)                                                \
    X(UPGRADE_FAILED, "upgrade_failed", 502, "http_upgrade_failed", 0)                       \
    X(UPSTREAM_INCOMPLETE, "upstream_incomplete", 502, "http_response_incomplete", 0)        \
    X(FIRST_BYTE_TIMEOUT, "first_byte_timeout", 504, "http_response_timeout", 0)             \
    X(TRY_TIMEOUT, "try_timeout", 504, "http_response_timeout", 0)                           \
    X(IDLE_TIMEOUT, "idle_timeout", 504, "connection_read_timeout", 0)                       \
    X(DEADLINE, "deadline", 504, "http_response_timeout", 0)                                 \
    X(HOPELESS, "hopeless", 504, "http_response_timeout", 0)                                 \
    X(UPSTREAM_REMOVED, "upstream_removed", 503, "destination_unavailable", 1)               \
    X(UNRESOLVED, "unresolved", 503, "dns_error", 1)                                         \
    X(DRAINING, "draining", 503, "proxy_internal_response", 1)                               \
    X(DRAIN_CUT, "drain_cut", 503, "proxy_internal_response", 1)

enum exchange_reason {
#define X(id, name, status, error, retry_after_s) REASON_##id,
    EXCHANGE_REASONS(X)
#undef X
        REASON_COUNT
};

struct reason_row {
    const char *name;
    unsigned short status;
    unsigned short retry_after_s;
    const char *proxy_status_error;
};

/* The reason of an exchange whose handshake with an upstream failed for this cause. */
enum exchange_reason reason_of_tls_failure(enum tls_failure failure);

extern const struct reason_row reason_rows[REASON_COUNT];

#endif
