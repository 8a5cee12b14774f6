/* Every key of the process itself: one row each. */
#include "conf/schema.h"

#include "conf/schema_types.h"
#include "conf/schema_units.h"

static const char *const log_levels[] = {ENUM_NAMES(LOG_LEVELS) NULL};
static const char *const access_formats[] = {ENUM_NAMES(ACCESS_FORMATS) NULL};
static const char *const forwarded_styles[] = {ENUM_NAMES(FORWARDED_STYLES) NULL};
static const char *const trace_parents[] = {ENUM_NAMES(TRACE_PARENTS) NULL};
static const char *const then_words[] = {ENUM_NAMES(READINESS_THENS) NULL};

#define METRICS_BUCKETS "500us,1ms,2.5ms,5ms,10ms,25ms,50ms,100ms,250ms,500ms,1s,2.5s,5s,10s,30s,1m"

/* clang-format 14 gives up on a table of more than a hundred rows. */
/* clang-format off */
#define AT(field) .at = offsetof(struct settings, field)
const struct schema_row schema_process_rows[] = {
    {"workers", &type_count, "0", AT(worker_setting_count), .min = 0, .max = 128, .fixed = true,
     .help = "number of worker threads; 0: one for each processor that this process may use"},
    {"user", &type_text, "", AT(user), .fixed = true,
     .help = "user that the process changes to after it has bound its ports; \"\": no change"},
    {"pid_file", &type_text, "", AT(pid_file), .fixed = true,
     .help = "file that holds the process id while the process runs; \"\": none"},
    {"trusted_peers", &type_prefix_list, "127.0.0.0/8,::1/128,unix", AT(trusted_peers),
     .help =
         "addresses of clients (\"unix\": all that come through a UNIX socket) that are trusted, such as a load balancer: their X-Forwarded-*, Forwarded and X-Request-Id fields are kept, and their deadlines (X-Envoy-Expected-Rq-Timeout-Ms, grpc-timeout) and attempt counts are obeyed"},

    {"admin.listen", &type_address, "127.0.0.1:9901", AT(admin.listen_text),
     .also_at = offsetof(struct settings, admin.listen), .fixed = true,
     .help =
         "address of the admin listener, with /livez, /readyz, /metrics, /status, /resources, /drift and /upstreams"},
    {"admin.hosts", &type_host_list, NULL, AT(admin.hosts),
     .help =
         "host names by which the admin listener may be addressed (Host, Origin), besides IP addresses and localhost; requests for other names are refused with 403"},
    {"admin.token_file", &type_text, "", AT(admin.token_file),
     .help =
         "file of tokens, one a line: requests to the admin listener, other than GET /livez and /readyz, must show one of them (Authorization: Bearer, or as a password); required unless admin.listen is a loopback address or a UNIX socket; \"\": no token is asked for"},
    {"drift.interval", &type_duration, "10s", AT(admin.drift_interval_ms), .min = 10 * MS,
     .max = 10 * MINUTE,
     .help =
         "time between two samples of all that may drift; drift is judged over 60, 360 and 2160 of them"},

    {"metrics.buckets", &type_edge_list, METRICS_BUCKETS, AT(admin.buckets_us),
     .help =
         "upper edges of the buckets of histograms, in ascending order, at most 30; times are counted with a resolution of an eighth; more edges make /metrics longer, and with many upstreams it is shortened earlier"},
    {"metrics.user_agents", &type_bool, "false", AT(admin.user_agents),
     .help =
         "count requests by five kinds of user agents (bot, browser, tool, library, other): evenkeel_requests_by_user_agent_total"},

    {"log.level", &type_word, "info", AT(log.level), .words = log_levels,
     .help = "lines less severe than this are not written to the error log"},
    {"log.path", &type_optional_text, "stderr", AT(log.path),
     .help = "error log: \"stderr\", \"stdout\" or a file"},
    {"log.rotate_size", &type_size, "100MiB", AT(log.rotation.size_bytes), .min = 64 * KIB,
     .max = 1024 * GIB,
     .help =
         "the error log is rotated when it has this size; only regular files are rotated, never pipes or devices"},
    {"log.rotate_age", &type_duration, "24h", AT(log.rotation.age_ms), .min = MINUTE,
     .max = 366 * DAY, .help = "the error log is rotated when it has this age"},
    {"log.keep", &type_count, "7", AT(log.rotation.keep_count), .min = 1, .max = 1000,
     .help = "number of rotated error logs that are kept"},
    {"log.access.path", &type_path_or_off, "off", AT(log.access.path),
     .help = "access log, one line for each exchange: \"off\", \"stdout\", \"stderr\" or a file"},
    {"log.access.format", &type_word, "json", AT(log.access.format), .words = access_formats,
     .help =
         "format of the access log: one JSON object per line, or the combined format of nginx and Apache"},
    {"log.access.rotate_size", &type_size, "100MiB", AT(log.access.rotation.size_bytes),
     .min = 64 * KIB, .max = 1024 * GIB,
     .help =
         "the access log is rotated when it has this size; only regular files are rotated, never pipes or devices"},
    {"log.access.rotate_age", &type_duration, "24h", AT(log.access.rotation.age_ms), .min = MINUTE,
     .max = 366 * DAY, .help = "the access log is rotated when it has this age"},
    {"log.access.keep", &type_count, "7", AT(log.access.rotation.keep_count), .min = 1, .max = 1000,
     .help = "number of rotated access logs that are kept"},

    {"limits.clients", &type_count, "20000", AT(limits.clients_count), .min = 1, .max = 1000000,
     .help =
         "highest number of client connections; a further client is answered with 503 and closed"},
    {"limits.handshakes", &type_count, "2000", AT(limits.handshakes_count), .min = 1,
     .max = 1000000,
     .help =
         "highest number of TLS handshakes with clients in progress, each from its first byte on; a further client takes the place "
         "of the oldest one, if that has had a second, or is closed"},
    {"limits.memory", &type_size_or_auto, "auto", AT(limits.memory_bytes), .min = 16 * MIB,
     .max = 1024 * GIB, .fixed = true,
     .help =
         "memory budget of the process, half of which may be buffers; auto: 90% of the cgroup's memory limit, or of RAM"},
    {"limits.head", &type_size, "32KiB", AT(limits.head_bytes), .min = 1 * KIB, .max = 128 * KIB,
     .help =
         "longest start line and header fields of a request (else 414 or 431) or of a response (else 502)"},
    {"limits.fields", &type_count, "256", AT(limits.fields_count), .min = 8, .max = 1000,
     .help = "highest number of header fields of a request (else 431) or of a response (else 502)"},
    {"limits.body", &type_size_or_none, "64MiB", AT(limits.body_bytes), .min = 1,
     .max = 1024 * 1024 * GIB, .help = "longest payload of a request (else 413); none: no limit"},

    {"headers.forwarded", &type_word, "x_forwarded", AT(headers.forwarded),
     .words = forwarded_styles,
     .help =
         "header fields that tell upstreams about the client: X-Forwarded-For, X-Forwarded-Proto and X-Forwarded-Host; Forwarded (RFC 7239); both; or none"},
    {"headers.request_id", &type_bool, "true", AT(headers.request_id),
     .help =
         "add X-Request-Id to requests without one, and replace it in requests of clients that are not trusted"},
    {"headers.traceparent", &type_bool, "true", AT(headers.traceparent),
     .help = "add a W3C traceparent to requests without one"},
    {"headers.via", &type_bool, "false", AT(headers.via),
     .help =
         "add Via to requests (RFC 9110 7.6.3); some servers do not compress responses to such requests"},
    {"headers.underscores", &type_bool, "false", AT(headers.underscores),
     .help =
         "pass request fields with _ in their names, except those that a server may take for a field that matters, such as X_Forwarded_For; else all of them are dropped"},
    {"headers.pass", &type_field_list, NULL, AT(headers.pass),
     .help =
         "fields that servers believe, such as \"X-Real-IP\", that pass from any client; else they pass only from trusted_peers (the list is in operations.md)"},

    {"tracing.endpoint", &type_collector, "", AT(tracing.collector),
     .also_at = offsetof(struct settings, tracing.path),
     .help = "collector that gets a span of each sampled request and of each of its attempts, by "
             "OTLP over HTTP (JSON), such as \"http://127.0.0.1:4318/v1/traces\"; \"\": nothing is "
             "traced"},
    {"tracing.sample", &type_number, "0.01", AT(tracing.sample_share), .min = 0, .max = 1,
     .help = "share of the requests that are traced, of those whose traceparent does not decide "
             "it"},
    {"tracing.parent", &type_word, "trusted", AT(tracing.parent), .words = trace_parents,
     .help = "whose traceparent decides by its sampled flag whether a request is traced: that of "
             "trusted_peers, of any client, or of none"},
    {"tracing.query", &type_bool, "false", AT(tracing.query),
     .help = "spans have the query of their request, which may hold secrets"},
    {"tracing.service_name", &type_text, "evenkeel", AT(tracing.service_name),
     .help = "name that traces have for this process (service.name)"},
    {"tracing.batch", &type_count, "512", AT(tracing.batch_count), .min = 1, .max = 4096,
     .help = "highest number of spans that are sent to the collector together"},
    {"tracing.delay", &type_duration, "1s", AT(tracing.delay_ms), .min = 100 * MS, .max = MINUTE,
     .help = "longest time for which a span waits for others to be sent with"},
    {"tracing.timeout", &type_duration, "10s", AT(tracing.timeout_ms), .min = 10 * MS, .max = HOUR,
     .help = "longest time of a request to the collector; spans that it does not take are sent "
             "again for six times as long"},
    {"tracing.tls.server_name", &type_text, "", AT(tracing.tls.server_name),
     .help = "name for which the collector's certificate must be valid; \"\": its hostname"},
    {"tracing.tls.verify", &type_bool, "true", AT(tracing.tls.verify),
     .help = "verify the certificate of the collector and its name"},
    {"tracing.tls.ca", &type_text, "", AT(tracing.tls.ca),
     .help = "file with the CA of the collector; \"\": the system's CA"},
    {"tracing.tls.cert", &type_text, "", AT(tracing.tls.cert),
     .help = "certificate that the collector gets if it asks for one; \"\": none"},
    {"tracing.tls.key", &type_text, "", AT(tracing.tls.key),
     .help = "private key of tracing.tls.cert"},
    {"request.set", &type_fields, NULL, AT(edge.request.set),
     .help =
         "fields of requests that go to an upstream, of all routes: each replaces those of its name; an empty value leaves the field out"},
    {"request.add", &type_fields, NULL, AT(edge.request.add),
     .help = "fields that are added to requests, beside those of the same name"},
    {"request.remove", &type_removed_list, NULL, AT(edge.request.remove),
     .help = "names of fields that requests lose"},
    {"response.set", &type_fields, NULL, AT(edge.response.set),
     .help = "fields of responses, our own too, of all routes: each replaces those of its name"},
    {"response.add", &type_fields, NULL, AT(edge.response.add),
     .help = "fields that are added to responses, beside those of the same name"},
    {"response.remove", &type_removed_list, NULL, AT(edge.response.remove),
     .help = "names of fields that responses lose"},
    {"response.statuses", &type_status_range, "100-599", AT(edge.response.status_first),
     .also_at = offsetof(struct settings, edge.response.status_last),
     .help =
         "only responses with these statuses are changed so, such as \"200-399\" for a Cache-Control that errors must not have"},
    {"compress.enabled", &type_bool, "false", AT(compress.enabled),
     .help =
         "compress responses of upstreams for clients that accept it; also per route. See operations.md for which ones"},
    {"compress.codings", &type_coding_list, "zstd,gzip", AT(compress.codings),
     .help =
         "codings, the preferred one first: \"zstd\", \"gzip\"; the client's Accept-Encoding decides"},
    {"compress.types", &type_media_list,
     "text/html,text/css,text/plain,text/xml,text/csv,text/javascript,application/javascript,application/json,application/ld+json,application/manifest+json,application/xml,application/xhtml+xml,application/rss+xml,application/wasm,image/svg+xml",
     AT(compress.types),
     .help =
         "media types that are compressed, such as \"text/html\" or \"text/*\"; text/event-stream only if it is named itself"},
    {"compress.min", &type_size, "1KiB", AT(compress.min_bytes), .min = 1, .max = GIB,
     .help = "smaller responses, if their length is known, are sent as they are"},
    {"compress.level", &type_count, "1", AT(compress.level), .min = 1, .max = 9,
     .help =
         "how hard is tried: a higher level takes several times the processor time, and with zstd the memory, for a few percent"},
    {"compress.secrets", &type_bool, "false", AT(compress.secrets),
     .help =
         "compress also the responses to requests with Cookie, Authorization or a client certificate that are not public; attackers may then guess secrets in them (BREACH)"},
    {"error_pages", &type_page_list, NULL, AT(edge.pages),
     .help =
         "what our own answers with a status of 400 or more say, from a file that is read at the start and at a reload; with intercept = true also in place of the upstream's answers"},
    {"resolver.servers", &type_server_list, NULL, AT(resolver.servers),
     .help =
         "DNS servers such as \"10.0.0.2\" or \"127.0.0.1:5353\"; none: those of /etc/resolv.conf"},
    {"resolver.min_ttl", &type_duration, "5s", AT(resolver.min_ttl_ms), .min = MS, .max = DAY,
     .help =
         "shortest time for which an answer is used, and the time between lookups of a name that has no address"},
    {"resolver.max_ttl", &type_duration, "5m", AT(resolver.max_ttl_ms), .min = MS, .max = DAY,
     .help = "longest time for which an answer is used before the name is looked up again"},
    {"resolver.stale", &type_duration, "1h", AT(resolver.stale_ms), .min = MS, .max = 30 * DAY,
     .help = "time for which an answer is used beyond its TTL while lookups fail"},
    {"resolver.negative_count", &type_count, "3", AT(resolver.negative_count), .min = 1, .max = 100,
     .help =
         "number of answers in a row saying that a name has no address, before its addresses are given up"},
    {"resolver.negative_span", &type_duration, "60s", AT(resolver.negative_span_ms), .min = MS,
     .max = DAY, .help = "time that these answers must span at least"},

    {"tls_tickets.keys",
     &type_text, "", AT(tls_tickets.keys), .help = "file with one to three session ticket keys of 80 bytes each, in the format of nginx, for machines whose listeners share sessions; the first key encrypts new tickets. \"\": the process makes its own keys"},
    {"tls_tickets.rotate", &type_duration, "8h", AT(tls_tickets.rotate_ms), .min = SECOND,
     .max = 7 * DAY,
     .help =
         "time for which a key that is not from a file encrypts new tickets; it decrypts for twice as long after that"},
    {"tls_sessions.entries", &type_count, "10240", AT(tls_sessions.entries_count), .min = 1,
     .max = 1000000, .help = "highest number of cached TLS sessions of upstreams"},
    {"tls_sessions.per_name", &type_count, "4", AT(tls_sessions.per_name_count), .min = 1,
     .max = 64,
     .help =
         "highest number of cached sessions for one server name; raised to the highest number of connections that the name had at a time, up to 256, and to four times as many if its addresses do not share ticket keys"},
    {"tls_sessions.memory", &type_size, "32MiB", AT(tls_sessions.memory_bytes), .min = 4 * KIB,
     .max = 1024 * GIB, .help = "highest memory use of cached sessions"},
    {"tls_sessions.ttl", &type_duration, "24h", AT(tls_sessions.ttl_ms), .min = SECOND,
     .max = 7 * DAY, .help = "longest lifetime of a cached session; servers may set a shorter one"},

    {"sticky.key_file", &type_text, "", AT(sticky.key_file), .fixed = true,
     .help =
         "file with 32 bytes, or 64 hexadecimal digits, that the cookies of sticky routes are made with; \"\": a key of the process"},
    {"fleet.store", &type_endpoint_list, NULL, AT(fleet.stores),
     .help =
         "Redis or Valkey servers, such as \"redis-a:6379\", that replicas share what must be one over all of them by; the first one that can be written to is used. Not with fleet.sentinel"},
    {"fleet.sentinel.name", &type_text, "mymaster", AT(fleet.sentinel_name),
     .help = "name of the primary that the sentinels watch"},
    {"fleet.sentinel.addresses", &type_endpoint_list, NULL, AT(fleet.sentinels),
     .help =
         "Redis Sentinels, such as \"sentinel-a:26379\", that are asked for the primary's address before each connection"},
    {"fleet.tls.enabled", &type_bool, "false", AT(fleet.tls.enabled),
     .help = "speak TLS to the store and to sentinels"},
    {"fleet.tls.server_name", &type_text, "", AT(fleet.tls.server_name),
     .help =
         "name in SNI, for which the certificate must be valid; \"\": the hostname of the address"},
    {"fleet.tls.verify", &type_bool, "true", AT(fleet.tls.verify),
     .help = "verify the certificate of the store and its name"},
    {"fleet.tls.ca", &type_text, "", AT(fleet.tls.ca),
     .help = "file with the CA of the store; \"\": the system's CA"},
    {"fleet.tls.cert", &type_text, "", AT(fleet.tls.cert),
     .help = "certificate that the store gets if it asks for one; \"\": none"},
    {"fleet.tls.key", &type_text, "", AT(fleet.tls.key), .help = "private key of fleet.tls.cert"},
    {"fleet.user", &type_text, "", AT(fleet.user),
     .help = "user of the store's ACL; \"\": the default user"},
    {"fleet.password_file", &type_text, "", AT(fleet.password_file),
     .help = "file whose first line is the user's password; \"\": none is asked for"},
    {"fleet.name", &type_text, "evenkeel", AT(fleet.name),
     .help = "replicas with the same name in the same store are one fleet"},
    {"fleet.key_file", &type_text, "", AT(fleet.key_file),
     .help =
         "file with 32 bytes, or 64 hexadecimal digits, the same at every replica, that encrypts what is kept in the store (AES-256-GCM)"},
    {"fleet.ticket_keys", &type_bool, "true", AT(fleet.ticket_keys),
     .help =
         "replicas share the keys of TLS session tickets, so that clients resume at any of them; not with tls_tickets.keys"},
    {"fleet.warm_state", &type_bool, "true", AT(fleet.warm_state),
     .help =
         "replicas publish their warm state every warm_state.interval, and one that starts takes the newest: sessions, endpoints and breakers are known from the first second"},
    {"fleet.operator", &type_bool, "true", AT(fleet.operator_word),
     .help =
         "what the operator says at one replica (an endpoint drained, a breaker forced, maintenance) holds at all of them, and outlives every process"},
    {"fleet.timeout", &type_duration, "1s", AT(fleet.timeout_ms), .min = 10 * MS, .max = MINUTE,
     .help =
         "longest time for which an answer of the store is waited for; no request waits for one"},

    {"readiness.sessions", &type_number, "0.5", AT(readiness.sessions_share), .min = 0, .max = 1,
     .help = "share of the usual TLS sessions that must be cached for the process to be ready"},
    {"readiness.pools", &type_number, "0.8", AT(readiness.pools_share), .min = 0, .max = 1,
     .help =
         "share of the connections of pool.warm_min that must be open for the process to be ready"},
    {"readiness.give_up_after", &type_duration, "30s", AT(readiness.give_up_after_ms), .min = MS,
     .max = DAY, .help = "longest time for which readiness waits for connections and sessions"},
    {"readiness.then", &type_word, "ready_cold", AT(readiness.then), .words = then_words,
     .help =
         "state of the process after that time: ready without the connections and sessions, or not ready until they are there"},
    {"readiness.listener_path", &type_text, "", AT(readiness.listener_path),
     .help = "path that answers readiness on ordinary listeners; \"\": none"},

    {"warm_state.path", &type_text, "", AT(warm_state.path),
     .help =
         "file in which the warm state is saved for the next process, or a directory that several processes share; \"\": the state is not saved"},
    {"warm_state.key_file", &type_text, "", AT(warm_state.key_file), .fixed = true,
     .help =
         "file with 32 bytes, or 64 hexadecimal digits, that encrypts the warm state (AES-256-GCM); \"\": the state is not encrypted"},
    {"warm_state.interval", &type_duration, "30s", AT(warm_state.interval_ms), .min = SECOND,
     .max = DAY, .help = "time between two saves; the state is also saved when the process drains"},
    {"warm_state.max_age", &type_duration, "1h", AT(warm_state.max_age_ms), .min = SECOND,
     .max = 30 * DAY, .help = "a saved state that is older is not used"},

    {"upgrade.ready_within", &type_duration, "60s", AT(upgrade.ready_within_ms), .min = 100 * MS,
     .max = DAY,
     .help =
         "after USR2, longest time until the new process is ready; else it is ended and the old process continues"},

    {"drain.grace", &type_duration, "25s", AT(drain.grace_ms), .min = 100 * MS, .max = DAY,
     .help = "longest time from TERM to the end of the process, whatever is still in flight"},
    {"drain.pause", &type_duration, "0s", AT(drain.pause_ms), .min = 0, .max = HOUR,
     .help =
         "time between /readyz turning 503 and the listeners closing: what the load balancer needs to notice"},
    {"drain.tunnels", &type_duration, "10s", AT(drain.tunnels_ms), .min = 0, .max = DAY,
     .help =
         "time for which upgraded connections (WebSocket) continue after the listeners have closed"},
    {0},
};
#undef AT
/* clang-format on */
