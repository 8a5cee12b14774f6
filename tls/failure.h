/*
 * Why TLS failed: a fixed set of causes, for logs, metrics and Proxy-Status.
 *
 * Owns nothing. Thread: any; OpenSSL's error queue belongs to the thread, and code that calls OpenSSL leaves it empty.
 * Spec: RFC 8446 6, RFC 9209 2.3 (proxy_status column).
 */
#ifndef EVENKEEL_TLS_FAILURE_H
#define EVENKEEL_TLS_FAILURE_H

#include "steady/enum_names.h"

/* Columns: id, name, error token of Proxy-Status. */
#define TLS_FAILURES(X)                                                                            \
    X(TLS_FAILURE_NONE, "none", "")                                                                \
    X(TLS_FAILURE_EXPIRED, "certificate_expired", "tls_certificate_error")                         \
    X(TLS_FAILURE_NOT_YET_VALID, "certificate_not_yet_valid", "tls_certificate_error")             \
    X(TLS_FAILURE_WRONG_NAME, "certificate_wrong_name", "tls_certificate_error")                   \
    X(TLS_FAILURE_UNKNOWN_ISSUER, "certificate_unknown_issuer", "tls_certificate_error")           \
    X(TLS_FAILURE_SELF_SIGNED, "certificate_self_signed", "tls_certificate_error")                 \
    X(TLS_FAILURE_REVOKED, "certificate_revoked", "tls_certificate_error")                         \
    X(TLS_FAILURE_BAD_CERTIFICATE, "certificate_invalid", "tls_certificate_error")                 \
    X(TLS_FAILURE_NO_CLIENT_CERTIFICATE, "client_certificate_missing", "tls_certificate_error")    \
    X(TLS_FAILURE_NO_COMMON_CIPHER, "no_common_cipher", "tls_protocol_error")                      \
    X(TLS_FAILURE_NO_COMMON_VERSION, "no_common_version", "tls_protocol_error")                    \
    X(TLS_FAILURE_NO_COMMON_PROTOCOL, "no_common_application_protocol", "tls_protocol_error")      \
    X(TLS_FAILURE_NOT_TLS, "not_tls", "tls_protocol_error")                                        \
    X(TLS_FAILURE_ALERT_CERTIFICATE, "certificate_refused", "tls_alert_received")                  \
    X(TLS_FAILURE_ALERT_CERTIFICATE_REQUIRED, "client_certificate_required", "tls_alert_received") \
    X(TLS_FAILURE_ALERT_NAME, "name_not_known_there", "tls_alert_received")                        \
    X(TLS_FAILURE_ALERT_HANDSHAKE, "handshake_refused", "tls_alert_received")                      \
    X(TLS_FAILURE_ALERT, "alert", "tls_alert_received")                                            \
    X(TLS_FAILURE_TIMEOUT, "timeout", "connection_timeout")                                        \
    X(TLS_FAILURE_TRUNCATED, "truncated", "connection_terminated")                                 \
    X(TLS_FAILURE_RECORD_FLOOD, "record_flood", "tls_protocol_error")                              \
    X(TLS_FAILURE_NO_MEMORY, "no_memory", "proxy_internal_error")                                  \
    X(TLS_FAILURE_PROTOCOL, "protocol_error", "tls_protocol_error")

enum tls_failure { ENUM_VALUES(TLS_FAILURES) TLS_FAILURE_COUNT };
const char *tls_failure_name(enum tls_failure value);
const char *tls_failure_proxy_status(enum tls_failure value);

/* The cause in the thread's error queue, which is empty afterwards. verify_result is that of the connection (X509_V_OK:
   0). */
enum tls_failure tls_failure_take(long verify_result);

#endif
