/*
 * How an exchange ends: one row per reason. The name is the value in logs and metrics.
 *
 * Columns: id, name, status we answer with (0: the response was relayed or the client is gone), error token of Proxy-Status
 * (RFC 9209 2.3; "" is none), seconds of Retry-After (0: none), status of a gRPC call that ends so, unless its server has
 * given one.
 *
 * The gRPC statuses: a connection that cannot be had or breaks and a bound of ours are UNAVAILABLE, a wait of a call that may
 * have had an effect is DEADLINE_EXCEEDED, a limit that the client exceeds is RESOURCE_EXHAUSTED; the rest follows gRPC's
 * http-grpc-status-mapping.
 *
 * Owns nothing: a table. Thread: any.
 */
#ifndef EVENKEEL_PROXY_HTTP_REASONS_H
#define EVENKEEL_PROXY_HTTP_REASONS_H

#include "conf/grpc_status.h"
#include "tls/failure.h"

#define EXCHANGE_REASONS(X)                                                                      \
    X(COMPLETE, "complete", 0, "", 0, GRPC_OK)                                                   \
    X(UPGRADED, "upgraded", 0, "", 0, GRPC_OK)                                                   \
    X(CLIENT_ABORT, "client_abort", 0, "", 0, GRPC_CANCELLED)                                    \
    X(CLIENT_STALLED, "client_stalled", 0, "", 0, GRPC_CANCELLED)                                \
    X(REQUEST_TIMEOUT, "request_timeout", 408, "http_request_error", 0, GRPC_DEADLINE_EXCEEDED)  \
    X(TLS_REQUIRED, "tls_required", 400, "tls_protocol_error", 0, GRPC_INTERNAL)                 \
    X(MISDIRECTED, "misdirected", 421, "destination_not_found", 0, GRPC_UNAVAILABLE)             \
    X(REQUEST_INVALID, "request_invalid", 400, "http_request_error", 0, GRPC_INTERNAL)           \
    X(TARGET_TOO_LONG, "target_too_long", 414, "http_request_error", 0, GRPC_RESOURCE_EXHAUSTED) \
    X(HEAD_TOO_LARGE, "head_too_large", 431, "http_request_error", 0, GRPC_RESOURCE_EXHAUSTED)   \
    X(BODY_TOO_LARGE, "body_too_large", 413, "http_request_error", 0, GRPC_RESOURCE_EXHAUSTED)   \
    X(EXPECTATION_FAILED, "expectation_failed", 417, "http_request_error", 0, GRPC_INTERNAL)     \
    X(NOT_IMPLEMENTED, "not_implemented", 501, "http_request_error", 0, GRPC_UNIMPLEMENTED)      \
    X(VERSION_NOT_SUPPORTED, "version_not_supported", 505, "http_request_error", 0,              \
      GRPC_UNIMPLEMENTED)                                                                        \
    X(READY, "ready", 200, "", 0, GRPC_OK)                                                       \
    X(NOT_READY, "not_ready", 503, "proxy_internal_response", 1, GRPC_UNAVAILABLE)               \
    X(REDIRECTED, "redirected", 308, "", 0, GRPC_UNIMPLEMENTED)                                  \
    X(RESPONDED, "responded", 200, "", 0, GRPC_OK)                                               \
    X(METHOD_NOT_ALLOWED, "method_not_allowed", 405, "", 0, GRPC_UNIMPLEMENTED)                  \
    X(FILE_NOT_FOUND, "file_not_found", 404, "", 0, GRPC_UNIMPLEMENTED)                          \
    X(FILE_DENIED, "file_denied", 403, "", 0, GRPC_PERMISSION_DENIED)                            \
    X(FILE_CONDITION, "file_condition", 412, "", 0, GRPC_UNKNOWN)                                \
    X(FILE_RANGE, "file_range", 416, "", 0, GRPC_UNKNOWN)                                        \
    X(FILE_FAILED, "file_failed", 500, "proxy_internal_error", 0, GRPC_UNAVAILABLE)              \
    X(FILE_CHANGED, "file_changed", 500, "proxy_internal_error", 0, GRPC_UNAVAILABLE)            \
    X(DISK_BUSY, "disk_busy", 503, "proxy_internal_error", 1, GRPC_UNAVAILABLE)                  \
    X(DISK_TIMEOUT, "disk_timeout", 503, "proxy_internal_error", 1, GRPC_UNAVAILABLE)            \
    X(ACCESS_DENIED, "access_denied", 403, "http_request_denied", 0, GRPC_PERMISSION_DENIED)     \
    X(AUTH_REFUSED, "auth_refused", 401, "http_request_denied", 0, GRPC_UNAUTHENTICATED)         \
    X(AUTH_BUSY, "auth_busy", 503, "connection_limit_reached", 1, GRPC_UNAVAILABLE)              \
    X(AUTH_UNAVAILABLE, "auth_unavailable", 503, "destination_unavailable", 1, GRPC_UNAVAILABLE) \
    X(AUTH_TIMEOUT, "auth_timeout", 504, "http_response_timeout", 0, GRPC_UNAVAILABLE)           \
    X(MAINTENANCE, "maintenance", 503, "destination_unavailable", 60, GRPC_UNAVAILABLE)          \
    X(NO_ROUTE, "no_route", 404, "destination_not_found", 0, GRPC_UNIMPLEMENTED)                 \
    X(REGEX_LIMIT, "regex_limit", 500, "proxy_configuration_error", 0, GRPC_INTERNAL)            \
    X(CLIENT_LIMIT, "client_limit", 503, "connection_limit_reached", 1, GRPC_UNAVAILABLE)        \
    X(QUEUE_FULL, "queue_full", 503, "connection_limit_reached", 1, GRPC_UNAVAILABLE)            \
    X(QUEUE_TIMEOUT, "queue_timeout", 503, "connection_limit_reached", 1, GRPC_UNAVAILABLE)      \
    X(NO_ENDPOINT, "no_endpoint", 503, "destination_unavailable", 1, GRPC_UNAVAILABLE)           \
    X(CONNECT_REFUSED, "connect_refused", 502, "connection_refused", 0, GRPC_UNAVAILABLE)        \
    X(CONNECT_TIMEOUT, "connect_timeout", 504, "connection_timeout", 0, GRPC_UNAVAILABLE)        \
    X(UPSTREAM_TLS_CERTIFICATE, "upstream_tls_certificate", 502, "tls_certificate_error", 0,     \
      GRPC_UNAVAILABLE)                                                                          \
    X(UPSTREAM_TLS_PROTOCOL, "upstream_tls_protocol", 502, "tls_protocol_error", 0,              \
      GRPC_UNAVAILABLE)                                                                          \
    X(UPSTREAM_TLS_ALERT, "upstream_tls_alert", 502, "tls_alert_received", 0, GRPC_UNAVAILABLE)  \
    X(UPSTREAM_TLS_TIMEOUT, "upstream_tls_timeout", 504, "connection_timeout", 0,                \
      GRPC_UNAVAILABLE)                                                                          \
    X(UPSTREAM_TLS_BROKEN, "upstream_tls_broken", 502, "connection_terminated", 0,               \
      GRPC_UNAVAILABLE)                                                                          \
    X(CONNECT_FAILED, "connect_failed", 502, "destination_unavailable", 0, GRPC_UNAVAILABLE)     \
    X(DIAL_FAILED, "dial_failed", 502, "destination_unavailable", 0, GRPC_UNAVAILABLE)           \
    X(QUEUE_DROPPED, "queue_dropped", 503, "connection_limit_reached", 1, GRPC_UNAVAILABLE)      \
    X(CLIENT_RATE, "client_rate", 429, "http_request_denied", 1, GRPC_RESOURCE_EXHAUSTED)        \
    X(ROUTE_RATE, "route_rate", 503, "http_request_denied", 1, GRPC_UNAVAILABLE)                 \
    X(LISTENER_RATE, "listener_rate", 503, "http_request_denied", 1, GRPC_UNAVAILABLE)           \
    X(SHARD_RATE, "shard_rate", 503, "http_request_denied", 1, GRPC_UNAVAILABLE)                 \
    X(SHARD_FULL, "shard_full", 503, "connection_limit_reached", 1, GRPC_UNAVAILABLE)            \
    X(SHARD_TIMEOUT, "shard_timeout", 503, "connection_limit_reached", 1, GRPC_UNAVAILABLE)      \
    X(BREAKER_OPEN, "breaker_open", 503, "destination_unavailable", 1, GRPC_UNAVAILABLE)         \
    X(NO_DESCRIPTORS, "no_descriptors", 503, "connection_limit_reached", 1, GRPC_UNAVAILABLE)    \
    X(NO_MEMORY, "no_memory", 503, "proxy_internal_error", 1, GRPC_UNAVAILABLE)                  \
    X(UPSTREAM_RESET, "upstream_reset", 502, "connection_terminated", 0, GRPC_UNAVAILABLE)       \
    X(UPSTREAM_INVALID, "upstream_invalid", 502, "http_protocol_error", 0, GRPC_INTERNAL)        \
    X(UPSTREAM_HEAD_TOO_LARGE, "upstream_head_too_large", 502,                                   \
      "http_response_header_section_size", 0, GRPC_INTERNAL)                                     \
    X(UPGRADE_FAILED, "upgrade_failed", 502, "http_upgrade_failed", 0, GRPC_INTERNAL)            \
    X(UPSTREAM_INCOMPLETE, "upstream_incomplete", 502, "http_response_incomplete", 0,            \
      GRPC_UNAVAILABLE)                                                                          \
    X(FIRST_BYTE_TIMEOUT, "first_byte_timeout", 504, "http_response_timeout", 0,                 \
      GRPC_DEADLINE_EXCEEDED)                                                                    \
    X(TRY_TIMEOUT, "try_timeout", 504, "http_response_timeout", 0, GRPC_DEADLINE_EXCEEDED)       \
    X(IDLE_TIMEOUT, "idle_timeout", 504, "connection_read_timeout", 0, GRPC_DEADLINE_EXCEEDED)   \
    X(DEADLINE, "deadline", 504, "http_response_timeout", 0, GRPC_DEADLINE_EXCEEDED)             \
    X(HOPELESS, "hopeless", 504, "http_response_timeout", 0, GRPC_DEADLINE_EXCEEDED)             \
    X(UPSTREAM_REMOVED, "upstream_removed", 503, "destination_unavailable", 1, GRPC_UNAVAILABLE) \
    X(UNRESOLVED, "unresolved", 503, "dns_error", 1, GRPC_UNAVAILABLE)                           \
    X(DRAINING, "draining", 503, "proxy_internal_response", 1, GRPC_UNAVAILABLE)                 \
    X(DRAIN_CUT, "drain_cut", 503, "proxy_internal_response", 1, GRPC_UNAVAILABLE)

enum exchange_reason {
#define X(id, name, status, error, retry_after_s, grpc) REASON_##id,
    EXCHANGE_REASONS(X)
#undef X
        REASON_COUNT
};

struct reason_row {
    const char *name;
    unsigned short status;
    unsigned short retry_after_s;
    const char *proxy_status_error;
    enum grpc_status grpc;
};

/* The reason of an exchange whose handshake with an upstream failed for this cause. */
enum exchange_reason reason_of_tls_failure(enum tls_failure failure);

extern const struct reason_row reason_rows[REASON_COUNT];

#endif
