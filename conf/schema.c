/* The sections of the configuration, and every key of a listener: one row each. */
#include "conf/schema.h"

#include "conf/schema_types.h"
#include "conf/schema_units.h"

static const char *const tls_versions[] = {ENUM_NAMES(TLS_VERSIONS) NULL};
static const char *const client_auths[] = {ENUM_NAMES(CLIENT_AUTHS) NULL};

#define AT(field) .at = offsetof(struct listener_settings, field)
static const struct schema_row listener_rows[] = {
    {"listen", &type_listen_list, NULL, AT(listens),
     .help =
         "where clients connect, one address or a list: \"10.0.0.1:80\", \"[::1]:80\"; \"*:80\", \":80\" or \"80\" for every address of the machine; \"localhost:80\" for both of its own; \"unix:/run/x.sock\" for a UNIX socket, whose file has the given mode=0660, user=NAME and group=NAME"},
    {"proxy_protocol", &type_bool, "false", AT(proxy_protocol),
     .help =
         "each connection begins with a PROXY protocol header, version 1 or 2; connections that do not come from trusted_peers are closed"},
    {"abort_on_close", &type_bool, "false", AT(abort_on_close),
     .help =
         "a client that closes its sending side behind a whole request no longer wants the answer, and its request is cancelled; else it is answered, because it may only have ended its sending"},
    {"timeouts.head", &type_duration, "10s", AT(timeouts.head_ms), .min = MS, .max = DAY,
     .help = "longest time from the first byte of a request's head to its end (else 408)"},
    {"timeouts.idle", &type_duration, "60s", AT(timeouts.idle_ms), .min = MS, .max = DAY,
     .help = "longest time between two requests on a connection"},
    {"timeouts.body", &type_duration, "30s", AT(timeouts.body_ms), .min = MS, .max = DAY,
     .help = "longest time without a byte of a request body that is expected (else 408)"},
    {"timeouts.send", &type_duration, "30s", AT(timeouts.send_ms), .min = MS, .max = DAY,
     .help = "longest time for which the client takes no byte of the response"},
    {"timeouts.handshake", &type_duration, "10s", AT(timeouts.handshake_ms), .min = MS, .max = DAY,
     .help =
         "longest time of the TLS handshake, from the accept on; also of the PROXY protocol header before it"},
    {"rate.per_second", &type_number, "0.0", AT(rate.per_second), .min = 0, .max = 1e9,
     .help =
         "highest rate of requests from all clients together, per second (else 503); 0: no limit"},
    {"rate.burst", &type_number, "0.0", AT(rate.burst), .min = 0, .max = 1e9,
     .help = "number of requests that may come at once above that rate"},
    {"rate.retry_reserve", &type_number, "0.25", AT(rate.retry_reserve), .min = 0, .max = 1,
     .help = "share of the burst that is kept from retries of trusted_peers"},
    {"tls.certificates", &type_certificate_list, NULL, AT(tls.certificates),
     .help =
         "certificates with their chains, private keys (PEM) and optional OCSP responses (DER). The name that the client asks for chooses: an exact match, a wildcard, else the first certificate. Certificates of the same names may have different kinds of keys"},
    {"tls.min_version", &type_word, "1.2", AT(tls.min_version), .words = tls_versions,
     .help = "oldest TLS version that is accepted"},
    {"tls.client_ca", &type_text, "", AT(tls.client_ca),
     .help = "CA that signs client certificates; \"\": clients are not asked for a certificate"},
    {"tls.client_auth", &type_word, "required", AT(tls.client_auth), .words = client_auths,
     .help =
         "with client_ca: whether clients must have a certificate. Upstreams get a verified certificate in X-Forwarded-Client-Cert"},
    {"tls.tickets", &type_bool, "true", AT(tls.tickets),
     .help = "clients may resume sessions with tickets; the keys change every 8 hours"},
    {"tls.alpn", &type_alpn_list, "h2,http/1.1", AT(tls.alpn),
     .help =
         "protocols offered to clients by ALPN, the preferred one first: \"h2\", \"http/1.1\". A client that names none speaks HTTP/1.1"},
    {"http2.cleartext", &type_bool, "false", AT(http2.cleartext),
     .help = "without TLS, clients may speak HTTP/2 at once (prior knowledge); else only HTTP/1.1"},
    {"http2.streams", &type_count, "128", AT(http2.streams_count), .min = 1, .max = 4096,
     .help = "highest number of requests at a time on one HTTP/2 connection"},
    {0},
};
#undef AT

const struct schema_section schema_sections[] = {
    {"", SCHEMA_SINGLE, schema_process_rows, sizeof(struct settings), 0, false,
     "Settings of the process"},
    {"listeners", SCHEMA_NAMED, listener_rows, sizeof(struct listener_settings),
     offsetof(struct settings, listeners), true, "Addresses on which clients connect"},
    {"upstreams", SCHEMA_NAMED, schema_upstream_rows, sizeof(struct upstream_settings),
     offsetof(struct settings, upstreams), false, "Services that requests are forwarded to"},
    {"routes", SCHEMA_LIST, schema_route_rows, sizeof(struct route_settings),
     offsetof(struct settings, routes), true,
     "Rules that choose the upstream of a request; the first route that matches decides"},
    {0},
};
