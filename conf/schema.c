/* Every key of the configuration: one row each. */
#include "conf/schema.h"

#include "conf/schema_types.h"

#define MS 1.0
#define SECOND 1000.0
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define KIB 1024.0
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

static const char *const log_levels[] = {ENUM_NAMES(LOG_LEVELS) NULL};
static const char *const access_formats[] = {ENUM_NAMES(ACCESS_FORMATS) NULL};
static const char *const forwarded_styles[] = {ENUM_NAMES(FORWARDED_STYLES) NULL};
static const char *const tls_versions[] = {ENUM_NAMES(TLS_VERSIONS) NULL};
static const char *const client_auths[] = {ENUM_NAMES(CLIENT_AUTHS) NULL};
static const char *const proxy_header_modes[] = {ENUM_NAMES(PROXY_HEADER_MODES) NULL};
static const char *const health_types[] = {ENUM_NAMES(HEALTH_TYPES) NULL};
static const char *const then_words[] = {ENUM_NAMES(READINESS_THENS) NULL};
#define RETRY_WORD(id, word, bit) [bit] = (word),
static const char *const retry_words[] = {RETRY_CONDITIONS(RETRY_WORD) NULL};

#define AT(field) .at = offsetof(struct settings, field)
static const struct schema_row top_rows[] = {
    {"workers", &type_count, "0", AT(worker_setting_count), .min = 0, .max = 128, .fixed = true,
     .help = "worker threads; 0: one per processor this process may use"},
    {"user", &type_text, "", AT(user), .fixed = true,
     .help = "user to become after binding; \"\": stay"},
    {"pid_file", &type_text, "", AT(pid_file), .fixed = true,
     .help = "file that holds the process id while it runs; \"\": none"},
    {"trusted_peers", &type_prefix_list, "127.0.0.0/8,::1/128", AT(trusted_peers),
     .help =
         "clients whose X-Forwarded-*, Forwarded and X-Request-Id are believed, and whose deadlines (X-Envoy-Expected-Rq-Timeout-Ms, grpc-timeout) and attempt counts are kept to"},

    {"admin.listen", &type_address, "127.0.0.1:9901", AT(admin.listen_text),
     .also_at = offsetof(struct settings, admin.listen), .fixed = true,
     .help = "address of /livez, /metrics, /status and /resources"},

    {"log.level", &type_word, "info", AT(log.level), .words = log_levels,
     .help = "least severe line that is written"},
    {"log.path", &type_optional_text, "stderr", AT(log.path),
     .help = "\"stderr\", \"stdout\" or a file"},
    {"log.access.path", &type_path_or_off, "off", AT(log.access.path),
     .help = "\"off\", \"stdout\", \"stderr\" or a file; one line for each exchange"},
    {"log.access.format", &type_word, "json", AT(log.access.format), .words = access_formats,
     .help = "one JSON object a line, or the combined format of nginx and Apache"},
    {"log.access.rotate_size", &type_size, "100MiB", AT(log.access.rotate_size_bytes),
     .min = 64 * KIB, .max = 1024 * GIB, .help = "a file that has grown to this is rotated"},
    {"log.access.rotate_age", &type_duration, "24h", AT(log.access.rotate_age_ms), .min = MINUTE,
     .max = 366 * DAY, .help = "a file that is this old is rotated"},
    {"log.access.keep", &type_count, "7", AT(log.access.keep_count), .min = 1, .max = 1000,
     .help = "rotated files kept"},

    {"limits.clients", &type_count, "20000", AT(limits.clients_count), .min = 1, .max = 1000000,
     .help = "client connections; one more is answered 503 and closed"},
    {"limits.handshakes", &type_count, "2000", AT(limits.handshakes_count), .min = 1,
     .max = 1000000,
     .help = "TLS handshakes with clients under way; one more connection is closed"},
    {"limits.memory", &type_size_or_auto, "auto", AT(limits.memory_bytes), .min = 16 * MIB,
     .max = 1024 * GIB, .fixed = true,
     .help =
         "memory budget; auto: 90% of the cgroup's limit, else of RAM. Half of it may be buffers"},
    {"limits.head", &type_size, "32KiB", AT(limits.head_bytes), .min = 1 * KIB, .max = 128 * KIB,
     .help = "start line and fields of a request (414, 431) or response (502)"},
    {"limits.fields", &type_count, "128", AT(limits.fields_count), .min = 8, .max = 1000,
     .help = "fields of a head; more are 431 or 502"},
    {"limits.body", &type_size, "64MiB", AT(limits.body_bytes), .min = 1, .max = 1024 * 1024 * GIB,
     .help = "payload of a request; more is 413"},

    {"headers.forwarded", &type_word, "x_forwarded", AT(headers.forwarded),
     .words = forwarded_styles,
     .help =
         "what upstreams are told of the client: X-Forwarded-For, -Proto and -Host, Forwarded (RFC 7239), both or none"},
    {"headers.request_id", &type_bool, "true", AT(headers.request_id),
     .help =
         "add X-Request-Id to requests that come without one, or from clients that are not trusted"},
    {"headers.traceparent", &type_bool, "true", AT(headers.traceparent),
     .help = "start a W3C trace for requests that carry none"},
    {"headers.via", &type_bool, "false", AT(headers.via),
     .help =
         "add Via to requests (RFC 9110 7.6.3); some servers stop compressing when they see it"},

    {"resolver.servers", &type_server_list, NULL, AT(resolver.servers),
     .help = "DNS servers; none: the system's"},
    {"resolver.min_ttl", &type_duration, "5s", AT(resolver.min_ttl_ms), .min = MS, .max = DAY,
     .help = "shortest time an answer is used; a name without addresses is asked for as often"},
    {"resolver.max_ttl", &type_duration, "5m", AT(resolver.max_ttl_ms), .min = MS, .max = DAY,
     .help = "longest time an answer is used without asking again"},
    {"resolver.stale", &type_duration, "1h", AT(resolver.stale_ms), .min = MS, .max = 30 * DAY,
     .help = "how long an old answer is used while no new one can be had"},
    {"resolver.negative_count", &type_count, "3", AT(resolver.negative_count), .min = 1, .max = 100,
     .help =
         "addresses are given up when the servers have said so often that there are none (any more)"},
    {"resolver.negative_span", &type_duration, "60s", AT(resolver.negative_span_ms), .min = MS,
     .max = DAY, .help = "and over at least this long"},

    {"tls_tickets.keys", &type_text, "", AT(tls_tickets.keys),
     .help =
         "file of one to three ticket keys of 80 bytes, as nginx has them, for a fleet whose listeners share sessions; the first seals. \"\": keys of our own"},
    {"tls_sessions.entries", &type_count, "10240", AT(tls_sessions.entries_count), .min = 1,
     .max = 1000000, .help = "upstream TLS sessions kept in all"},
    {"tls_sessions.per_name", &type_count, "4", AT(tls_sessions.per_name_count), .min = 1,
     .max = 64,
     .help =
         "and of a server name, or as many as it had connections at a time, up to 256; four times that where its addresses do not take each other's"},
    {"tls_sessions.memory", &type_size, "32MiB", AT(tls_sessions.memory_bytes), .min = 4 * KIB,
     .max = 1024 * GIB, .help = "what they may take"},
    {"tls_sessions.ttl", &type_duration, "24h", AT(tls_sessions.ttl_ms), .min = SECOND,
     .max = 7 * DAY, .help = "longest life of one; servers may say less"},

    {"readiness.sessions", &type_number, "0.5", AT(readiness.sessions_share), .min = 0, .max = 1,
     .help = "share of the steady-state TLS sessions that makes ready"},
    {"readiness.pools", &type_number, "0.8", AT(readiness.pools_share), .min = 0, .max = 1,
     .help = "share of the warm level of connections that makes ready"},
    {"readiness.give_up_after", &type_duration, "30s", AT(readiness.give_up_after_ms), .min = MS,
     .max = DAY, .help = "how long readiness waits for warmth"},
    {"readiness.then", &type_word, "ready_cold", AT(readiness.then), .words = then_words,
     .help = "what becomes of readiness after that"},
    {"readiness.listener_path", &type_text, "", AT(readiness.listener_path),
     .help = "path that answers readiness on ordinary listeners; \"\": none"},

    {"warm_state.path", &type_text, "", AT(warm_state.path),
     .help =
         "file that keeps what makes a process warm, or a folder that several processes share; \"\": off"},
    {"warm_state.key_file", &type_text, "", AT(warm_state.key_file), .fixed = true,
     .help =
         "file with 32 bytes or 64 hexadecimal digits to seal it with (AES-256-GCM); \"\": not sealed"},
    {"warm_state.interval", &type_duration, "30s", AT(warm_state.interval_ms), .min = SECOND,
     .max = DAY, .help = "how often it is saved, besides at the drain"},
    {"warm_state.max_age", &type_duration, "1h", AT(warm_state.max_age_ms), .min = SECOND,
     .max = 30 * DAY, .help = "older state is not restored"},

    {"upgrade.ready_within", &type_duration, "60s", AT(upgrade.ready_within_ms), .min = 100 * MS,
     .max = DAY,
     .help =
         "after USR2 the new process has to become ready within this, else it is ended and the old one goes on"},

    {"drain.grace", &type_duration, "25s", AT(drain.grace_ms), .min = 100 * MS, .max = DAY,
     .help = "after TERM the process ends within this, whatever is still in flight"},
    {"drain.pause", &type_duration, "0s", AT(drain.pause_ms), .min = 0, .max = HOUR,
     .help =
         "between readiness turning 503 and listeners closing: the time the balancer before takes to notice"},
    {"drain.tunnels", &type_duration, "10s", AT(drain.tunnels_ms), .min = 0, .max = DAY,
     .help = "how long upgraded connections go on after listeners have closed"},
    {0},
};
#undef AT

#define AT(field) .at = offsetof(struct listener_settings, field)
static const struct schema_row listener_rows[] = {
    {"listen", &type_address, NULL, AT(listen_text),
     .also_at = offsetof(struct listener_settings, listen),
     .help = "address and port to accept clients on"},
    {"proxy_protocol", &type_bool, "false", AT(proxy_protocol),
     .help =
         "every connection begins with a PROXY header, version 1 or 2; those not from trusted_peers are closed"},
    {"timeouts.head", &type_duration, "10s", AT(timeouts.head_ms), .min = MS, .max = DAY,
     .help = "from the first byte of a request's head to its end (408)"},
    {"timeouts.idle", &type_duration, "60s", AT(timeouts.idle_ms), .min = MS, .max = DAY,
     .help = "between requests on a kept connection"},
    {"timeouts.body", &type_duration, "30s", AT(timeouts.body_ms), .min = MS, .max = DAY,
     .help = "without a byte of an awaited request body (408)"},
    {"timeouts.send", &type_duration, "30s", AT(timeouts.send_ms), .min = MS, .max = DAY,
     .help = "without the client taking a byte of what waits for it"},
    {"timeouts.handshake", &type_duration, "10s", AT(timeouts.handshake_ms), .min = MS, .max = DAY,
     .help = "of TLS, from the accept to its end; likewise of the PROXY header before it"},
    {"rate.per_second", &type_number, "0.0", AT(rate.per_second), .min = 0, .max = 1e9,
     .help = "requests a second, over all clients; 0: no limit (503)"},
    {"rate.burst", &type_number, "0.0", AT(rate.burst), .min = 0, .max = 1e9,
     .help = "requests at once above that"},
    {"rate.retry_reserve", &type_number, "0.25", AT(rate.retry_reserve), .min = 0, .max = 1,
     .help = "share of the burst that retries of trusted_peers may not use"},
    {"tls.certificates", &type_certificate_list, NULL, AT(tls.certificates),
     .help =
         "certificate chains and keys (PEM), with an OCSP response to staple (DER) if there is one, chosen by server name: exact, wildcard, else the first; with the same names, one for each kind of key"},
    {"tls.min_version", &type_word, "1.2", AT(tls.min_version), .words = tls_versions,
     .help = "oldest protocol version that is accepted"},
    {"tls.client_ca", &type_text, "", AT(tls.client_ca),
     .help = "CA that client certificates must come from; \"\": none is asked for"},
    {"tls.client_auth", &type_word, "required", AT(tls.client_auth), .words = client_auths,
     .help =
         "with client_ca: whether clients without a certificate are refused; upstreams are told of one in X-Forwarded-Client-Cert"},
    {"tls.tickets", &type_bool, "true", AT(tls.tickets),
     .help = "let clients resume sessions by tickets, whose keys change every 8 hours"},
    {0},
};
#undef AT

#define BALANCE_HELP(id, word, follows, key_source, method, help) "; " word follows ": " help
#define AT(field) .at = offsetof(struct upstream_settings, field)
static const struct schema_row upstream_rows[] = {
    {"endpoints", &type_endpoint_list, NULL, AT(endpoints),
     .help =
         "\"host:port\" or \"srv:_http._tcp.name\" each, with \" weight=N\" (1..100) if they differ; every address of a name is one endpoint"},
    {"balance", &type_balance, "p2c", AT(balance),
     .also_at = offsetof(struct upstream_settings, balance_key),
     .help = "how an endpoint is chosen" BALANCE_METHODS(BALANCE_HELP)},
    {"tls.enabled", &type_bool, "false", AT(tls.enabled), .help = "speak TLS to the endpoints"},
    {"tls.server_name", &type_text, "", AT(tls.server_name),
     .help = "name that is asked for and checked; \"\": the endpoint's hostname"},
    {"tls.verify", &type_bool, "true", AT(tls.verify), .help = "check certificate and name"},
    {"tls.ca", &type_text, "", AT(tls.ca), .help = "CA file; \"\": the system's"},
    {"tls.cert", &type_text, "", AT(tls.cert), .help = "our certificate; \"\": none"},
    {"tls.key", &type_text, "", AT(tls.key), .help = "its key"},
    {"proxy_protocol", &type_word, "none", AT(proxy_protocol), .words = proxy_header_modes,
     .help =
         "PROXY protocol header (version 2) at the start of each connection: local says nothing of clients, client tells the client's address and takes a connection for each request"},

    {"pool.warm_min", &type_count, "2", AT(pool.warm_min_count), .min = 0, .max = 10000,
     .help = "connections kept ready per endpoint, without traffic too"},
    {"pool.max", &type_count, "256", AT(pool.max_count), .min = 1, .max = 100000,
     .help = "connections per endpoint, over all workers, exact"},
    {"pool.idle", &type_duration, "50s", AT(pool.idle_ms), .min = MS, .max = DAY,
     .help = "an idle connection is closed after this"},
    {"pool.lifetime", &type_duration, "15m", AT(pool.lifetime_ms), .min = SECOND, .max = 30 * DAY,
     .help = "a connection is replaced after this"},
    {"pool.jitter", &type_number, "0.2", AT(pool.jitter_share), .min = 0, .max = 1,
     .help = "share by which lifetimes differ, so that they do not end together"},
    {"pool.max_requests", &type_count, "10000", AT(pool.max_requests_count), .min = 1, .max = 1e12,
     .help = "requests a connection serves before it is closed"},

    {"timeouts.resolve", &type_duration, "5s", AT(timeouts.resolve_ms), .min = MS, .max = HOUR,
     .help = "for resolving a hostname"},
    {"timeouts.connect", &type_duration, "1s", AT(timeouts.connect_ms), .min = MS, .max = HOUR,
     .help = "for a TCP connection (504)"},
    {"timeouts.tls", &type_duration, "2s", AT(timeouts.tls_ms), .min = MS, .max = HOUR,
     .help = "for a TLS handshake"},
    {"timeouts.first_byte", &type_duration, "15s", AT(timeouts.first_byte_ms), .min = MS,
     .max = 30 * DAY, .help = "from the request's last byte to the response's first (504)"},
    {"timeouts.idle", &type_duration, "30s", AT(timeouts.idle_ms), .min = MS, .max = 30 * DAY,
     .help =
         "without a byte from the upstream, or taken by it, while one is awaited (504, or a visible break)"},
    {"timeouts.per_try", &type_duration, "20s", AT(timeouts.per_try_ms), .min = MS, .max = 30 * DAY,
     .help =
         "an attempt, from its start to the end of the response's head; a client's upload is not counted (504)"},
    {"timeouts.total", &type_duration, "60s", AT(timeouts.total_ms), .min = MS, .max = 30 * DAY,
     .help =
         "the exchange: queue, all attempts and the whole response; raise it for large downloads (504, or a visible break)"},
    {"timeouts.tunnel_idle", &type_duration, "5m", AT(timeouts.tunnel_idle_ms), .min = MS,
     .max = 30 * DAY, .help = "an upgraded connection without a byte in either direction"},
    {"timeouts.tunnel_total", &type_duration, "12h", AT(timeouts.tunnel_total_ms), .min = MS,
     .max = 366 * DAY, .help = "an upgraded connection, instead of timeouts.total"},

    {"retry.attempts", &type_count, "3", AT(retry.attempts_count), .min = 1, .max = 3,
     .help = "attempts in all, the first included"},
    {"retry.on", &type_condition_list, "connect_failure,reset", AT(retry.on), .words = retry_words,
     .help =
         "what is tried again, if the request may be sent twice: no connection, a connection that ends without an answer, these statuses (504: also an attempt that took too long), and, with other_hop, what another proxy has decided already (Proxy-Status with an error)"},
    {"retry.idempotency_key", &type_bool, "false", AT(retry.idempotency_key),
     .help = "a request with an Idempotency-Key may be repeated, whatever its method"},
    {"retry.hedge", &type_bool, "false", AT(retry.hedge),
     .help =
         "ask a second endpoint when an answer takes longer than 95 of 100 do, for at most 2% of the requests; only what may be sent twice and has no payload"},
    {"retry.backoff_base", &type_duration, "25ms", AT(retry.backoff_base_ms), .min = MS,
     .max = MINUTE, .help = "first wait before a retry, at most"},
    {"retry.backoff_max", &type_duration, "250ms", AT(retry.backoff_max_ms), .min = MS,
     .max = MINUTE, .help = "longest wait before a retry"},
    {"retry.budget.ratio", &type_number, "0.1", AT(retry.budget_ratio), .min = 0, .max = 1,
     .help = "retries per request, over 10 s; when the budget is spent the first error goes out"},
    {"retry.budget.per_second", &type_number, "3.0", AT(retry.budget_per_second), .min = 0,
     .max = 1e6, .help = "retries a second beyond that"},
    {"retry.budget.per_minute", &type_count, "0", AT(retry.budget_per_minute_count), .min = 0,
     .max = 1e9, .help = "cap on retries a minute; 0: none"},

    {"breaker.enabled", &type_bool, "true", AT(breaker.enabled),
     .help = "whether there is a breaker"},
    {"breaker.window", &type_duration, "10s", AT(breaker.window_ms), .min = 100 * MS, .max = HOUR,
     .help = "time over which calls are judged"},
    {"breaker.min_requests", &type_count, "20", AT(breaker.min_requests_count), .min = 1,
     .max = 1e6, .help = "fewer calls in the window are not judged"},
    {"breaker.failure_rate", &type_number, "0.5", AT(breaker.failure_rate), .min = 0.01, .max = 1,
     .help = "share of failures that opens, if neither one client nor one path makes it"},
    {"breaker.slow_rate", &type_number, "0.8", AT(breaker.slow_rate), .min = 0.01, .max = 1,
     .help = "share of slow calls that opens"},
    {"breaker.slow_after", &type_duration, "10s", AT(breaker.slow_after_ms), .min = MS, .max = HOUR,
     .help = "a call that takes longer, and three times as long as usual for its path, is slow"},
    {"breaker.consecutive", &type_count, "10", AT(breaker.consecutive_count), .min = 1, .max = 1e6,
     .help = "failures in a row, of several clients and paths if there are such, that open"},
    {"breaker.open_share", &type_number, "0.1", AT(breaker.open_share), .min = 0.001, .max = 1,
     .help = "stays open for this share of the time since it opened"},
    {"breaker.open_min", &type_duration, "250ms", AT(breaker.open_min_ms), .min = MS, .max = HOUR,
     .help = "at least"},
    {"breaker.open_max", &type_duration, "5s", AT(breaker.open_max_ms), .min = MS, .max = HOUR,
     .help = "at most"},
    {"breaker.probes", &type_count, "3", AT(breaker.probes_count), .min = 1, .max = 1000,
     .help = "requests let through at a time to see whether it is over"},
    {"breaker.ramp", &type_duration, "1s", AT(breaker.ramp_ms), .min = MS, .max = HOUR,
     .help = "time over which load returns"},

    {"limits.in_flight", &type_count, "1024", AT(limits.in_flight_count), .min = 1, .max = 1e6,
     .help = "exchanges at the upstream, over all workers, exact; more wait"},
    {"limits.queue", &type_count, "256", AT(limits.queue_count), .min = 0, .max = 1e6,
     .help = "exchanges that may wait; more are 503"},
    {"limits.queue_wait", &type_duration, "1s", AT(limits.queue_wait_ms), .min = MS, .max = HOUR,
     .help = "how long they wait before 503"},

    {"limits.queue_target", &type_duration, "5ms", AT(limits.queue_target_ms), .min = MS,
     .max = HOUR,
     .help =
         "when all have waited longer than this for 100 ms the queue does not empty: then the newest are served first and the oldest dropped (503)"},
    {"limits.adaptive", &type_bool, "false", AT(limits.adaptive),
     .help =
         "find out how many exchanges in flight make answers no later; limits.in_flight is the most"},
    {"limits.adaptive_min", &type_count, "8", AT(limits.adaptive_min_count), .min = 1, .max = 1e6,
     .help = "with limits.adaptive: never fewer"},
    {"health.type", &type_word, "http", AT(health.type), .words = health_types,
     .help =
         "how endpoints are probed: a request for health.path, a TCP connection, a TLS handshake"},
    {"health.path", &type_text, "", AT(health.path),
     .help = "target of http probes; \"\": there are none"},
    {"health.host", &type_text, "", AT(health.host),
     .help = "Host field of http probes; \"\": the endpoint's"},
    {"health.status", &type_status_range, "200-399", AT(health.status_first),
     .also_at = offsetof(struct upstream_settings, health.status_last),
     .help = "what http probes must be answered with"},
    {"health.interval", &type_duration, "5s", AT(health.interval_ms), .min = 10 * MS, .max = DAY,
     .help = "between probes of an endpoint; a fifth of it while its health status is changing"},
    {"health.timeout", &type_duration, "1s", AT(health.timeout_ms), .min = MS, .max = HOUR,
     .help = "of a probe, from the dial to the answer"},
    {"health.fall", &type_count, "3", AT(health.fall_count), .min = 1, .max = 1000,
     .help = "failed probes in a row that take an endpoint out"},
    {"health.rise", &type_count, "2", AT(health.rise_count), .min = 1, .max = 1000,
     .help = "good probes in a row that bring it back"},
    {"health.eject_after", &type_count, "5", AT(health.eject_after_count), .min = 0, .max = 1e6,
     .help =
         "attempts that fail in a row (no valid response, or 502, 503, 504), of several clients and paths if there are such, and take an endpoint out for a while; 0: never"},
    {"health.eject_base", &type_duration, "5s", AT(health.eject_base_ms), .min = 10 * MS,
     .max = DAY,
     .help = "for how long, the first time; twice as long each time it happens again soon"},
    {"health.eject_max", &type_duration, "60s", AT(health.eject_max_ms), .min = 10 * MS, .max = DAY,
     .help = "for how long at most"},
    {"health.eject_share", &type_number, "0.5", AT(health.eject_share), .min = 0, .max = 1,
     .help = "share of an upstream's endpoints that may be ejected at a time"},
    {"health.panic", &type_number, "0.5", AT(health.panic_share), .min = 0, .max = 1,
     .help = "when a smaller share than this is healthy, all endpoints are used; 0: never"},
    {"health.slow_start", &type_duration, "10s", AT(health.slow_start_ms), .min = MS, .max = DAY,
     .help = "time over which an endpoint that comes back regains its share of the requests"},
    {"required", &type_bool, "true", AT(required), .help = "readiness waits for this upstream"},
    {0},
};
#undef AT

#define AT(field) .at = offsetof(struct route_settings, field)
static const struct schema_row route_rows[] = {
    {"name", &type_optional_text, NULL, AT(name),
     .help = "label in metrics and logs; route-1, route-2, ... when not given"},
    {"listener", &type_optional_text, NULL, AT(listener),
     .help = "only requests that came in there"},
    {"host", &type_host, NULL, AT(host), .also_at = offsetof(struct route_settings, host_is_suffix),
     .help = "only this host, or with *. every host under it"},
    {"path_prefix", &type_optional_text, NULL, AT(path_prefix),
     .help = "only targets that begin with this text, byte for byte"},
    {"methods", &type_method_list, NULL, AT(methods), .help = "only these methods"},
    {"header", &type_header, NULL, AT(header_name),
     .also_at = offsetof(struct route_settings, header_value),
     .help = "only requests with this field, and this value if one is given"},
    {"upstream", &type_optional_text, NULL, AT(upstream), .help = "where the requests go"},
    {"deadline", &type_duration, NULL, AT(deadline_ms), .min = MS, .max = 30 * DAY,
     .help = "of the exchange, when shorter than the upstream's timeouts.total"},
    {"rate.per_second", &type_number, "0.0", AT(rate.per_second), .min = 0, .max = 1e9,
     .help = "requests a second; 0: no limit (503)"},
    {"rate.burst", &type_number, "0.0", AT(rate.burst), .min = 0, .max = 1e9,
     .help = "requests at once above that"},
    {"rate.retry_reserve", &type_number, "0.25", AT(rate.retry_reserve), .min = 0, .max = 1,
     .help = "share of the burst that retries of trusted_peers may not use"},
    {"key_rate.per_second", &type_number, "0.0", AT(key_rate.rate.per_second), .min = 0, .max = 1e9,
     .help = "requests a second of each key; 0: no limit (429)"},
    {"key_rate.burst", &type_number, "0.0", AT(key_rate.rate.burst), .min = 0, .max = 1e9,
     .help = "requests at once above that"},
    {"key_rate.retry_reserve", &type_number, "0.25", AT(key_rate.rate.retry_reserve), .min = 0,
     .max = 1, .help = "share of the burst that retries of trusted_peers may not use"},
    {"key_rate.key", &type_key, "client", AT(key_rate.key),
     .also_at = offsetof(struct route_settings, key_rate.key_name),
     .help =
         "what has a rate of its own: \"host\", \"client\" or \"header:NAME\"; requests without one share one"},
    {"key_rate.keys", &type_count, "16384", AT(key_rate.keys_count), .min = 8, .max = 16e6,
     .help = "keys that are remembered; those that use least of their rate are forgotten first"},
    {"shards.count", &type_count, "0", AT(shards.count), .min = 0, .max = 1024,
     .help = "shards by key; 0: none"},
    {"shards.key", &type_key, "header:X-Tenant", AT(shards.key),
     .also_at = offsetof(struct route_settings, shards.key_name),
     .help = "what decides: \"host\", \"client\" or \"header:NAME\""},
    {"shards.shuffle", &type_bool, "false", AT(shards.shuffle),
     .help =
         "each key has two shards and uses the emptier: a flood leaves most others one of theirs"},
    {"shards.in_flight", &type_count, "64", AT(shards.in_flight_count), .min = 1, .max = 1e6,
     .help = "exchanges of a shard in flight, over all workers, exact; more wait"},
    {"shards.queue", &type_count, "16", AT(shards.queue_count), .min = 0, .max = 1e6,
     .help = "exchanges of a shard that may wait, as long as limits.queue_wait; more are 503"},
    {"shards.rate.per_second", &type_number, "0.0", AT(shards.rate.per_second), .min = 0,
     .max = 1e9, .help = "requests a second of a shard; 0: no limit (503)"},
    {"shards.rate.burst", &type_number, "0.0", AT(shards.rate.burst), .min = 0, .max = 1e9,
     .help = "requests at once above that"},
    {"shards.rate.retry_reserve", &type_number, "0.25", AT(shards.rate.retry_reserve), .min = 0,
     .max = 1, .help = "share of the burst that retries of trusted_peers may not use"},
    {0},
};
#undef AT

const struct schema_section schema_sections[] = {
    {"", SCHEMA_SINGLE, top_rows, sizeof(struct settings), 0, false, "The process"},
    {"listeners", SCHEMA_NAMED, listener_rows, sizeof(struct listener_settings),
     offsetof(struct settings, listeners), true, "Where clients connect"},
    {"upstreams", SCHEMA_NAMED, upstream_rows, sizeof(struct upstream_settings),
     offsetof(struct settings, upstreams), true, "What stands behind"},
    {"routes", SCHEMA_LIST, route_rows, sizeof(struct route_settings),
     offsetof(struct settings, routes), true,
     "Which request goes where: the first route that matches"},
    {0},
};
