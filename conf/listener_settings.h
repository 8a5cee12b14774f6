/*
 * Parts of a listener's settings: TLS, HTTP/2, how long clients may take.
 *
 * Owns nothing: lists and texts are in the arena of the settings. Thread: any.
 */
#ifndef EVENKEEL_CONF_LISTENER_SETTINGS_H
#define EVENKEEL_CONF_LISTENER_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "steady/enum_names.h"

#define TLS_VERSIONS(X) X(TLS_VERSION_1_2, "1.2") X(TLS_VERSION_1_3, "1.3")
enum tls_version { ENUM_VALUES(TLS_VERSIONS) };

#define CLIENT_AUTHS(X) X(CLIENT_AUTH_REQUIRED, "required") X(CLIENT_AUTH_OPTIONAL, "optional")
enum client_auth { ENUM_VALUES(CLIENT_AUTHS) };

struct certificate_settings {
    const char *cert;
    const char *key;
    const char *ocsp; /* "": none */
};

struct listener_tls_settings {
    bool enabled;
    struct certificate_settings *certificates;
    size_t certificate_count;
    enum tls_version min_version;
    const char *client_ca; /* "": no certificate is asked for */
    enum client_auth client_auth;
    bool tickets;
    const char *const *alpn; /* "h2" and "http/1.1", the preferred one first */
    size_t alpn_count;
};

struct listener_http2_settings {
    bool cleartext;         /* without TLS, a connection may begin with the preface of HTTP/2 */
    uint64_t streams_count; /* of one connection, at a time */
};

struct listener_timeout_settings {
    uint64_t handshake_ms; /* TLS, from the accept to its end */
    uint64_t head_ms;      /* from the first byte of a head to its end */
    uint64_t idle_ms;      /* keep-alive, between requests */
    uint64_t body_ms;      /* without a byte of an awaited request body */
    uint64_t send_ms;      /* without the client taking a byte */
};

#endif
