/* Every key of an upstream: one row each. */
#include "conf/schema.h"

#include "conf/schema_types.h"
#include "conf/schema_units.h"

static const char *const proxy_header_modes[] = {ENUM_NAMES(PROXY_HEADER_MODES) NULL};
static const char *const upstream_protocols[] = {ENUM_NAMES(UPSTREAM_PROTOCOLS) NULL};
static const char *const health_types[] = {ENUM_NAMES(HEALTH_TYPES) NULL};
#define RETRY_WORD(id, word, bit) [bit] = (word),
#define RETRY_GRPC_WORD(id, word) [RETRY_GRPC_BIT + id - GRPC_CANCELLED] = "grpc:" word,
static const char *const retry_words[] = {RETRY_CONDITIONS(RETRY_WORD)
                                              GRPC_FAILURES(RETRY_GRPC_WORD) NULL};

#define BALANCE_HELP(id, word, follows, key_source, method, help) "; " word follows ": " help
#define AT(field) .at = offsetof(struct upstream_settings, field)
const struct schema_row schema_upstream_rows[] =
    {
        {"endpoints", &type_endpoint_list, NULL, AT(endpoints),
         .help =
             "servers: \"host:port\", \"http://host\" (port 80), \"https://host\" (port 443, turns tls.enabled on), \"unix:/run/app.sock\" or \"srv:_http._tcp.name\"; every address of a name is an endpoint. \" weight=N\" (1 to 100) behind it is its share under every balance method; \" backup\" makes it one that is used only when all others are out, or have failed the same request"},
        {"balance", &type_balance, "p2c", AT(balance),
         .also_at = offsetof(struct upstream_settings, balance_key),
         .help = "how an endpoint is chosen" BALANCE_METHODS(BALANCE_HELP)},
        {"tls.enabled", &type_bool, "false", AT(tls.enabled), .help = "speak TLS to the endpoints"},
        {"tls.server_name", &type_text, "", AT(tls.server_name),
         .help =
             "name in SNI, for which the certificate must be valid; \"\": the hostname of the endpoint, or the domain of SRV records (app.test for "
             "srv:_http._tcp.app.test), never a target in them"},
        {"tls.verify", &type_bool, "true", AT(tls.verify),
         .help = "verify the certificate of the endpoint and its name"},
        {"tls.ca", &type_text, "", AT(tls.ca),
         .help = "file with the CA of the endpoints; \"\": the system's CA"},
        {"tls.cert", &type_text, "", AT(tls.cert),
         .help = "certificate that endpoints get if they ask for one; \"\": none"},
        {"tls.key", &type_text, "", AT(tls.key), .help = "private key of tls.cert"},
        {"protocol", &type_word, "http1", AT(protocol), .words = upstream_protocols,
         .help =
             "what is spoken to the endpoints. http2: HTTP/2 over TLS, or in clear text with prior knowledge; a request with Upgrade (WebSocket) is answered with 501. auto: with TLS what the endpoint chooses (ALPN), else HTTP/1; a request with Upgrade gets an HTTP/1 connection of its own"},
        {"proxy_protocol", &type_word, "none", AT(proxy_protocol), .words = proxy_header_modes,
         .help =
             "send a PROXY protocol header (version 2) at the start of each connection: local names no client; client names the client of the request, so each connection carries one request"},

        {"lenient", &type_bool, "false", AT(lenient),
         .help =
             "accept response heads with bare LF, folded lines or control bytes, and chunked responses of HTTP/1.0 (else 502)"},

        {"pool.warm_min", &type_count_or_auto, "auto", AT(pool.warm_min_count),
         .also_at = offsetof(struct upstream_settings, pool.warm_auto), .min = 0, .max = 10000,
         .help =
             "number of connections that are kept open to each endpoint, also without traffic; auto: 1 until its first response, then 2. An endpoint that closes its connections after each response has none"},
        {"pool.max", &type_count, "256", AT(pool.max_count), .min = 1, .max = 100000,
         .help = "highest number of connections to each endpoint, over all workers; exact"},
        {"pool.idle", &type_duration, "50s", AT(pool.idle_ms), .min = MS, .max = DAY,
         .help = "a connection that has been idle for this time is closed"},
        {"pool.lifetime", &type_duration, "15m", AT(pool.lifetime_ms), .min = SECOND,
         .max = 30 * DAY, .help = "a connection of this age is replaced"},
        {"pool.jitter", &type_number, "0.2", AT(pool.jitter_share), .min = 0, .max = 1,
         .help =
             "share by which the lifetimes of connections differ, so that they do not end together"},
        {"pool.max_requests", &type_count, "10000", AT(pool.max_requests_count), .min = 1,
         .max = 1e12, .help = "a connection is closed after this number of requests"},
        {"pool.streams", &type_count, "100", AT(pool.streams_count), .min = 1, .max = 10000,
         .help =
             "highest number of requests that an HTTP/2 connection carries at a time; fewer if the endpoint allows fewer"},
        {"pool.ping", &type_duration, "10s", AT(pool.ping_ms), .min = 100 * MS, .max = HOUR,
         .help =
             "an HTTP/2 connection that carries requests and has been silent for this time is asked whether it is alive (PING); without an answer within the same time it is closed as broken. It is not asked more often than servers of gRPC allow by default"},

        {"timeouts.resolve", &type_duration, "5s", AT(timeouts.resolve_ms), .min = MS, .max = HOUR,
         .help = "longest time of a lookup of a name"},
        {"timeouts.connect", &type_duration, "1500ms", AT(timeouts.connect_ms), .min = MS,
         .max = HOUR,
         .help =
             "longest time until a TCP connection is open (else 504); a SYN that is lost is sent again after 1s"},
        {"timeouts.tls", &type_duration, "2s", AT(timeouts.tls_ms), .min = MS, .max = HOUR,
         .help = "longest time of a TLS handshake (else 504)"},
        {"timeouts.first_byte", &type_duration, "60s", AT(timeouts.first_byte_ms), .min = MS,
         .max = 30 * DAY,
         .help =
             "longest time from the last byte of the request to the first byte of the response (else 504); if not set, at most per_try and total if these are set"},
        {"timeouts.idle", &type_duration, "60s", AT(timeouts.idle_ms), .min = MS, .max = 30 * DAY,
         .help =
             "longest time for which the upstream neither sends a byte that is expected nor takes one (else 504, or the response breaks off)"},
        {"timeouts.per_try", &type_duration, "65s", AT(timeouts.per_try_ms), .min = MS,
         .max = 30 * DAY,
         .help =
             "longest time of one attempt, from its start to the end of the response's head, without the time of the client's upload (else 504); if not set, at least first_byte plus 5s, and at most total if that is set"},
        {"timeouts.total", &type_duration, "75s", AT(timeouts.total_ms), .min = MS, .max = 30 * DAY,
         .help =
             "longest time up to the end of the response's head: queue and all attempts, without the time of the client's upload (else 504); if not set, at least per_try plus 10s"},
        {"timeouts.stream", &type_duration, "12h", AT(timeouts.stream_ms), .min = MS,
         .max = 366 * DAY,
         .help =
             "longest time of the whole exchange, upload and response included, even while bytes move (else 504, or the response breaks off); if not set, at least total"},
        {"timeouts.grpc_idle", &type_duration, "1h", AT(timeouts.grpc_idle_ms), .min = MS,
         .max = 30 * DAY,
         .help =
             "longest time without a byte in either direction of a gRPC call whose request is not over or whose response has begun, in place of timeouts.idle"},
        {"timeouts.tunnel_idle", &type_duration, "5m", AT(timeouts.tunnel_idle_ms), .min = MS,
         .max = 30 * DAY,
         .help =
             "longest time without a byte in either direction of an upgraded connection (WebSocket)"},
        {"timeouts.tunnel_total", &type_duration, "12h", AT(timeouts.tunnel_total_ms), .min = MS,
         .max = 366 * DAY,
         .help = "longest time of an upgraded connection, in place of timeouts.stream"},

        {"retry.attempts", &type_count, "3", AT(retry.attempts_count), .min = 1, .max = 3,
         .help = "highest number of attempts of an exchange, the first included"},
        {"retry.on", &type_condition_list, "connect_failure,reset", AT(retry.on), .words = retry_words, .help = "failures after which a request is tried again, if it may be sent twice: connect_failure: no connection; reset: the connection ended without an answer; 502, 503, 504: these statuses (504 also means an attempt that took too long); other_hop: also what another proxy has already decided (Proxy-Status with an error); grpc:STATUS: a gRPC call that failed with this status before its first message, whether or not it may be sent twice"},
        {"retry.idempotency_key", &type_bool, "false", AT(retry.idempotency_key),
         .help = "a request with an Idempotency-Key field may be sent twice, whatever its method"},
        {"retry.hedge", &type_bool, "false", AT(retry.hedge),
         .help =
             "send a request to a second endpoint if the answer takes longer than the 0.95 quantile, for at most 2% of the requests; only requests without payload that may be sent twice"},
        {"retry.backoff_base", &type_duration, "25ms", AT(retry.backoff_base_ms), .min = MS,
         .max = MINUTE, .help = "longest wait before the first retry"},
        {"retry.backoff_max", &type_duration, "250ms", AT(retry.backoff_max_ms), .min = MS,
         .max = MINUTE, .help = "longest wait before any retry"},
        {"retry.budget.ratio", &type_number, "0.1", AT(retry.budget_ratio), .min = 0, .max = 1,
         .help =
             "retry budget: retries per request, over 10 s; when the budget is used up, the client gets the first error"},
        {"retry.budget.per_second", &type_number, "3.0", AT(retry.budget_per_second), .min = 0,
         .max = 1e6, .help = "retry budget: retries per second in addition"},
        {"retry.budget.per_minute", &type_count, "0", AT(retry.budget_per_minute_count), .min = 0,
         .max = 1e9, .help = "highest number of retries per minute; 0: no limit"},

        {"breaker.enabled", &type_bool, "true", AT(breaker.enabled),
         .help = "whether the upstream and its endpoints have circuit breakers"},
        {"breaker.window", &type_duration, "10s", AT(breaker.window_ms), .min = 100 * MS,
         .max = HOUR, .help = "time over which calls are counted"},
        {"breaker.min_requests", &type_count, "20", AT(breaker.min_requests_count), .min = 1,
         .max = 1e6,
         .help =
             "with fewer calls in the window, failure_rate and slow_rate do not open the breaker"},
        {"breaker.failure_rate", &type_number, "0.5", AT(breaker.failure_rate), .min = 0.01,
         .max = 1,
         .help =
             "share of failed calls that opens the breaker, unless one client or one path alone causes them"},
        {"breaker.slow_rate", &type_number, "0.8", AT(breaker.slow_rate), .min = 0.01, .max = 1,
         .help = "share of slow calls that opens the breaker"},
        {"breaker.slow_after", &type_duration, "10s", AT(breaker.slow_after_ms), .min = MS,
         .max = HOUR,
         .help =
             "a call is slow if it takes longer than this and three times as long as usual for its path"},
        {"breaker.consecutive", &type_count, "10", AT(breaker.consecutive_count), .min = 1,
         .max = 1e6,
         .help =
             "number of failed calls in a row that opens the breaker; they must be of several clients and paths if several have traffic"},
        {"breaker.open_share", &type_number, "0.1", AT(breaker.open_share), .min = 0.001, .max = 1,
         .help =
             "time for which the breaker stays open, as a share of the time since it first opened"},
        {"breaker.open_min", &type_duration, "250ms", AT(breaker.open_min_ms), .min = MS,
         .max = HOUR, .help = "shortest time for which the breaker stays open"},
        {"breaker.open_max", &type_duration, "5s", AT(breaker.open_max_ms), .min = MS, .max = HOUR,
         .help = "longest time for which the breaker stays open"},
        {"breaker.probes", &type_count, "3", AT(breaker.probes_count), .min = 1, .max = 1000,
         .help =
             "number of requests that are let through at a time while the breaker is half-open"},
        {"breaker.ramp", &type_duration, "1s", AT(breaker.ramp_ms), .min = MS, .max = HOUR,
         .help = "shortest time in which load returns after the breaker was half-open"},

        {"limits.in_flight", &type_count, "1024", AT(limits.in_flight_count), .min = 1, .max = 1e6,
         .help =
             "highest number of exchanges in flight at the upstream, over all workers; exact; further exchanges queue"},
        {"limits.queue", &type_count, "256", AT(limits.queue_count), .min = 0, .max = 1e6,
         .help = "highest number of exchanges in the queue (else 503)"},
        {"limits.queue_wait", &type_duration, "1s", AT(limits.queue_wait_ms), .min = MS,
         .max = HOUR, .help = "longest time of an exchange in the queue (else 503)"},

        {"limits.queue_target", &type_duration, "5ms", AT(limits.queue_target_ms), .min = MS,
         .max = HOUR,
         .help =
             "if every exchange in the queue has waited longer than this for 100 ms, the newest are served first and the oldest are dropped with 503"},
        {"limits.adaptive", &type_bool, "false", AT(limits.adaptive),
         .help =
             "find the number of exchanges in flight at which answers are not yet slower, and limit exchanges to it; limits.in_flight stays the highest limit"},
        {"limits.adaptive_min", &type_count, "8", AT(limits.adaptive_min_count), .min = 1,
         .max = 1e6, .help = "lowest limit that limits.adaptive may choose"},
        {"limits.client_share", &type_number, "0.25", AT(limits.client_share), .min = 0.001,
         .max = 1,
         .help =
             "largest share of the exchanges in flight that slow uploads, and responses that are not taken, of one client address may be while other clients wait; an eighth of it while those of all clients are more than twice the share; 1: no limit"},
        {"health.type", &type_word, "http", AT(health.type), .words = health_types,
         .help =
             "how endpoints are probed: an HTTP request for health.path, a TCP connection, a TLS handshake, or a call of the gRPC health service (grpc.health.v1)"},
        {"health.path", &type_text, "", AT(health.path),
         .help = "path of HTTP probes; \"\": endpoints are not probed by HTTP"},
        {"health.service", &type_text, "", AT(health.service),
         .help = "name of the service that gRPC probes ask for; \"\": the server as a whole"},
        {"health.host", &type_text, "", AT(health.host),
         .help = "Host field of HTTP and gRPC probes; \"\": the endpoint's host"},
        {"health.port", &type_count, "0", AT(health.port), .min = 0, .max = 65535,
         .help = "port of probes, such as that of a management interface; 0: the endpoint's"},
        {"health.status", &type_status_range, "200-399", AT(health.status_first),
         .also_at = offsetof(struct upstream_settings, health.status_last),
         .help = "statuses that make an HTTP probe succeed"},
        {"health.interval", &type_duration, "5s", AT(health.interval_ms), .min = 10 * MS,
         .max = DAY,
         .help =
             "time between two probes of an endpoint; a fifth of it while the health of the endpoint is changing"},
        {"health.timeout", &type_duration, "1s", AT(health.timeout_ms), .min = MS, .max = HOUR,
         .help = "longest time of a probe, from the dial to the answer"},
        {"health.fall", &type_count, "3", AT(health.fall_count), .min = 1, .max = 1000,
         .help = "number of failed probes in a row after which an endpoint is out of use"},
        {"health.rise", &type_count, "2", AT(health.rise_count), .min = 1, .max = 1000,
         .help = "number of successful probes in a row after which it is in use again"},
        {"health.eject_after", &type_count, "5", AT(health.eject_after_count), .min = 0, .max = 1e6,
         .help =
             "number of failed attempts in a row (no valid response, or 502, 503 or 504) after which an endpoint is ejected, that is out of use for some time; they must be of several clients and paths if several have traffic; 0: never"},
        {"health.eject_base", &type_duration, "5s", AT(health.eject_base_ms), .min = 10 * MS,
         .max = DAY,
         .help =
             "time of the first ejection; the time doubles with each ejection that follows soon"},
        {"health.eject_max", &type_duration, "60s", AT(health.eject_max_ms), .min = 10 * MS,
         .max = DAY, .help = "longest time of an ejection"},
        {"health.eject_share", &type_number, "0.5", AT(health.eject_share), .min = 0, .max = 1,
         .help = "highest share of an upstream's endpoints that may be ejected at a time"},
        {"health.panic", &type_number, "0.5", AT(health.panic_share), .min = 0, .max = 1,
         .help =
             "if a smaller share of the endpoints is healthy, all endpoints are used; 0: never"},
        {"health.slow_start", &type_duration, "10s", AT(health.slow_start_ms), .min = MS,
         .max = DAY,
         .help = "time in which an endpoint that returns regains its full share of requests"},
        {"maintenance.enabled", &type_bool, "false", AT(maintenance.enabled),
         .help = "the upstream is closed: requests are answered 503, those under way finish"},
        {"maintenance.file", &type_text, "", AT(maintenance.file),
         .help =
             "the same as long as this file is there, for which is looked once a second; \"\": none. POST /upstreams/NAME/maintenance/on of the admin listener closes it too"},
        {"maintenance.retry_after", &type_duration, "60s", AT(maintenance.retry_after_ms),
         .min = 1000 * MS, .max = 30 * DAY, .help = "what these answers say in Retry-After"},
        {"maintenance.allow", &type_prefix_list, NULL, AT(maintenance.allow),
         .help = "addresses of clients that are served all the same"},
        {"required", &type_bool, "true", AT(required),
         .help = "the process is not ready without this upstream"},
        {0},
};
#undef AT
