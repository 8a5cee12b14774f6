/*
 * Settings: one immutable, validated configuration (a generation).
 *
 * Owns: everything it points to; one reference count over the whole. Thread: built on one thread, then read by
 * all; settings_get/put from any. Units are in the names; every duration is finite and above zero unless its line
 * says otherwise. Spec: docs/configuration.md, generated from conf/schema.
 */
#ifndef EVENKEEL_CONF_SETTINGS_H
#define EVENKEEL_CONF_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/admin_settings.h"
#include "conf/auth_settings.h"
#include "conf/balance_method.h"
#include "conf/compress_settings.h"
#include "conf/detour_settings.h"
#include "conf/edge_text.h"
#include "conf/grpc_status.h"
#include "conf/listener_settings.h"
#include "conf/placement_settings.h"
#include "steady/address.h"
#include "steady/enum_names.h"

/* Enumerations, and the words of their values in a configuration. */
#define LOG_LEVELS(X)           \
    X(LOG_LEVEL_ERROR, "error") \
    X(LOG_LEVEL_WARN, "warn")   \
    X(LOG_LEVEL_INFO, "info")   \
    X(LOG_LEVEL_DEBUG, "debug")
enum log_level { ENUM_VALUES(LOG_LEVELS) };

#define ACCESS_FORMATS(X) X(ACCESS_FORMAT_JSON, "json") X(ACCESS_FORMAT_COMBINED, "combined")
enum access_format { ENUM_VALUES(ACCESS_FORMATS) };

#define FORWARDED_STYLES(X)           \
    X(FORWARDED_X, "x_forwarded")     \
    X(FORWARDED_RFC7239, "forwarded") \
    X(FORWARDED_BOTH, "both")         \
    X(FORWARDED_NONE, "none")
enum forwarded_style { ENUM_VALUES(FORWARDED_STYLES) };

#define PROXY_HEADER_MODES(X)                                               \
    X(PROXY_HEADER_NONE, "none")                                            \
    X(PROXY_HEADER_SELF, "local")    /* a header that tells of no client */ \
    X(PROXY_HEADER_CLIENT, "client") /* of the client whose request follows */
enum proxy_header_mode { ENUM_VALUES(PROXY_HEADER_MODES) };

/* What is spoken to the endpoints. AUTO: with TLS, what the endpoint chooses by ALPN (RFC 7301), else HTTP/1. */
#define UPSTREAM_PROTOCOLS(X)  \
    X(UPSTREAM_HTTP1, "http1") \
    X(UPSTREAM_HTTP2, "http2") \
    X(UPSTREAM_AUTO, "auto")
enum upstream_protocol { ENUM_VALUES(UPSTREAM_PROTOCOLS) };

#define HEALTH_TYPES(X) \
    X(HEALTH_HTTP, "http") X(HEALTH_TCP, "tcp") X(HEALTH_TLS, "tls") X(HEALTH_GRPC, "grpc")
enum health_type { ENUM_VALUES(HEALTH_TYPES) };

#define READINESS_THENS(X) X(READINESS_READY_COLD, "ready_cold") X(READINESS_NOT_READY, "not_ready")
enum readiness_then { ENUM_VALUES(READINESS_THENS) };

/* Bits of retry.on: id, word, number of the bit. */
#define RETRY_CONDITIONS(X)                        \
    X(RETRY_CONNECT_FAILURE, "connect_failure", 0) \
    X(RETRY_RESET, "reset", 1)                     \
    X(RETRY_502, "502", 2)                         \
    X(RETRY_503, "503", 3)                         \
    X(RETRY_504, "504", 4)                         \
    X(RETRY_OTHER_HOP, "other_hop", 5)
/* From this bit on the statuses of gRPC but "ok", in their order, with "grpc:" before their words. */
#define RETRY_GRPC_BIT 6
#define RETRY_GRPC_ANY (~0u << RETRY_GRPC_BIT)
#define RETRY_CONDITION_BIT(id, word, bit) id = 1 << (bit),
enum retry_condition { RETRY_CONDITIONS(RETRY_CONDITION_BIT) };

/* Whose word it is that a request is traced (the sampled flag of traceparent). */
#define TRACE_PARENTS(X)               \
    X(TRACE_PARENT_TRUSTED, "trusted") \
    X(TRACE_PARENT_ANY, "any")         \
    X(TRACE_PARENT_NONE, "none")
enum trace_parent { ENUM_VALUES(TRACE_PARENTS) };

/* Of a log that goes to a regular file; nothing else is rotated. */
struct rotation_settings {
    uint64_t size_bytes;
    uint64_t age_ms;
    uint64_t keep_count;
};

struct access_log_settings {
    const char *path; /* NULL: off; "stdout", "stderr" or a file */
    enum access_format format;
    struct rotation_settings rotation;
};

struct log_settings {
    enum log_level level;
    const char *path; /* "stderr", "stdout" or a file */
    struct rotation_settings rotation;
    struct access_log_settings access;
};

/* A size without limit. */
#define SIZE_NONE_BYTES UINT64_MAX

struct limit_settings {
    uint64_t clients_count;
    uint64_t handshakes_count; /* of TLS with clients, at a time */
    uint64_t memory_bytes;     /* 0: "auto", from the cgroup */
    uint64_t head_bytes;
    uint64_t fields_count;
    uint64_t body_bytes; /* or SIZE_NONE_BYTES */
};

struct header_settings {
    enum forwarded_style forwarded; /* what is added for the upstream */
    bool request_id;
    bool traceparent;
    char trace_flag; /* of a traceparent that is added: '0' or '1'; '\0': none is */
    bool via;
    bool underscores; /* fields with "_" in their names go on */
    const char *const
        *pass; /* fields that upstreams believe and that any client may set all the same */
    size_t pass_count;
};

struct rate_settings {
    double per_second; /* 0: no limit */
    double burst;
    double retry_reserve;
    bool fleet; /* it holds over all replicas */
};

/* A rate for each of many keys. */
struct key_rate_settings {
    struct rate_settings rate;
    enum key_source key;
    const char *key_name; /* header name, else NULL */
    uint64_t keys_count;  /* kept at a time */
};

#define LISTEN_FILE_MODE 0660
/* One address of a listener. A text such as "*:80" means several. */
struct listen_settings {
    const char *text; /* as written; the addresses of one text share it */
    struct address address;
    bool spare; /* left out on a machine without addresses of its family */
    /* of the file of a UNIX socket; UINT32_MAX: who creates it */
    uint32_t mode, user, group;
};

struct listener_settings {
    const char *name;
    struct listen_settings *listens;
    size_t listen_count;
    bool proxy_protocol;
    bool abort_on_close;
    struct listener_tls_settings tls;
    struct listener_http2_settings http2;
    struct listener_timeout_settings timeouts;
    struct rate_settings rate;
};

/* What an endpoint is written with: "http://", "https://" (TLS). */
enum endpoint_scheme { SCHEME_NONE, SCHEME_HTTP, SCHEME_HTTPS };

struct endpoint_settings {
    const char *text; /* as written, the label of metrics */
    const char *host; /* a name, a literal address without brackets, or the path of a UNIX socket */
    enum endpoint_scheme scheme;
    uint16_t port;   /* 0 with `service` and `local` */
    uint16_t weight; /* 1..100 */
    bool literal;    /* host is an address: no resolution */
    bool service;    /* host is the name of SRV records, which name hosts, ports and weights */
    bool local;      /* host is a path; `literal` too */
    bool backup;     /* used only when all others are out */
};

struct upstream_tls_settings {
    bool enabled;
    const char *server_name; /* "": the endpoint's hostname, or the domain of its SRV records */
    bool verify;
    const char *ca, *cert, *key; /* "" is none / the system's */
};

/* What replicas share, and the store by which they do. */
struct fleet_settings {
    struct endpoint_settings *stores; /* none: this process is alone */
    size_t store_count;
    const char *sentinel_name; /* of the primary, with sentinels */
    struct endpoint_settings *sentinels;
    size_t sentinel_count;
    struct upstream_tls_settings tls;
    const char *user, *password_file; /* "": none */
    const char *name;                 /* replicas of one name are one fleet */
    const char *key_file;
    uint64_t timeout_ms; /* of an answer of the store */
    bool ticket_keys, warm_state, operator_word;
};

/* Spans, and the collector that gets them. */
struct tracing_settings {
    bool on;
    struct endpoint_settings collector;
    const char *path;         /* of requests to it */
    double sample_share;      /* of the requests that nobody else has decided about */
    uint64_t sample_numbers;  /* the same of 2^63 numbers */
    enum trace_parent parent; /* whom the flag is believed from */
    bool query;               /* spans have the query of their request */
    const char *service_name;
    uint64_t batch_count; /* most spans of a request to the collector */
    uint64_t delay_ms;    /* longest wait of a span for others */
    uint64_t timeout_ms;  /* of a request to the collector */
    struct upstream_tls_settings tls;
};

#define POOL_WARM_AUTO_COUNT 2
struct pool_settings {
    uint64_t warm_min_count;
    bool warm_auto; /* POOL_WARM_AUTO_COUNT, from the endpoint's first response on */
    uint64_t max_count;
    uint64_t idle_ms;
    uint64_t lifetime_ms;
    double jitter_share;
    uint64_t max_requests_count;
    uint64_t streams_count; /* HTTP/2: of a connection at a time */
    uint64_t ping_ms;       /* HTTP/2: silence after which a connection with requests is asked */
};

struct timeout_settings {
    uint64_t resolve_ms, connect_ms, tls_ms;
    uint64_t first_byte_ms; /* request sent to first byte of the response */
    uint64_t idle_ms;       /* without a byte of the response while one is awaited */
    uint64_t per_try_ms;    /* an attempt, from its start to the end of the response's head */
    uint64_t total_ms;  /* queue and all attempts up to the response's head, without the upload */
    uint64_t stream_ms; /* the whole exchange */
    uint64_t grpc_idle_ms;
    uint64_t tunnel_idle_ms, tunnel_total_ms; /* upgraded connections, instead of idle and stream */
};

struct retry_settings {
    uint64_t attempts_count; /* all attempts, the first included: 1..3 */
    unsigned on;             /* enum retry_condition bits */
    bool hedge;              /* ask a second endpoint when the first takes long */
    bool
        idempotency_key; /* a request with an Idempotency-Key may be repeated, whatever its method */
    uint64_t backoff_base_ms, backoff_max_ms;
    double budget_ratio;
    double budget_per_second;
    uint64_t budget_per_minute_count; /* 0: no such cap */
};

struct breaker_settings {
    bool enabled;
    uint64_t window_ms;
    uint64_t min_requests_count;
    double failure_rate, slow_rate;
    uint64_t slow_after_ms;
    uint64_t consecutive_count;
    double open_share;
    uint64_t open_min_ms, open_max_ms;
    uint64_t probes_count;
    uint64_t ramp_ms;
};

struct upstream_limit_settings {
    uint64_t in_flight_count;
    uint64_t queue_count;
    uint64_t queue_wait_ms;
    uint64_t queue_target_ms; /* a longer wait that lasts is a queue that does not empty */
    bool adaptive; /* in_flight is the most; less as long as more only makes answers later */
    uint64_t adaptive_min_count;
    double
        client_share; /* of what is in flight, for slow transfers of one address while others wait */
};

/* Longest health.service. */
#define HEALTH_SERVICE_BYTES 255

struct health_settings {
    enum health_type type;
    const char *path;                   /* of HTTP probes; "": none */
    const char *host;                   /* their Host field; "": the endpoint's */
    uint64_t port;                      /* 0: the endpoint's */
    const char *service;                /* asked for by gRPC probes; "": the server as a whole */
    uint64_t status_first, status_last; /* what they take for good */
    uint64_t interval_ms, timeout_ms;
    uint64_t fall_count, rise_count;
    uint64_t eject_after_count; /* attempts that failed in a row; 0: no ejection */
    uint64_t eject_base_ms, eject_max_ms;
    double eject_share; /* of the endpoints, at most */
    double panic_share; /* with fewer of them healthy, all are used; 0: never */
    uint64_t slow_start_ms;
};

struct upstream_settings {
    const char *name;
    struct endpoint_settings *endpoints;
    size_t endpoint_count;
    enum balance_method balance;
    const char *balance_key; /* header or cookie name; NULL when the method takes none */
    struct upstream_tls_settings tls;
    enum proxy_header_mode proxy_protocol;
    enum upstream_protocol protocol;
    bool lenient; /* towards heads of its responses that are against the standard */
    struct pool_settings pool;
    struct timeout_settings timeouts;
    struct retry_settings retry;
    struct breaker_settings breaker;
    struct upstream_limit_settings limits;
    struct health_settings health;
    struct maintenance_settings maintenance;
    bool required;
    bool sticky; /* a route of it is sticky, so that its endpoints are found by their tokens */
};

struct shard_settings {
    uint64_t count; /* 0: no shards */
    enum key_source key;
    const char *key_name; /* header name, else NULL */
    uint64_t in_flight_count;
    uint64_t queue_count;
    bool shuffle; /* each key has two shards */
    struct rate_settings rate;
};

/* A host of `hosts`, in lower case. */
struct host_settings {
    const char *name; /* NULL: none; "*.suffix" is kept as ".suffix" */
    size_t bytes;
    bool is_suffix;
};

/* Which requests a route takes; what is NULL or empty asks for nothing. */
struct route_match_settings {
    const char *listener;
    const char *const *listeners;
    size_t listener_count;
    struct host_settings host;
    struct host_settings *hosts;
    size_t host_count;
    const char *path; /* the whole path; at most one of these three */
    const char *path_prefix;
    const char *path_regex;
    const char *const *methods; /* case-sensitive (RFC 9110 9.1) */
    size_t method_count;
    const char *header_name;  /* lower case */
    const char *header_value; /* NULL: presence is enough, as below */
    const char *query_name;
    const char *query_value;
    const char *cookie_name;
    const char *cookie_value;
    struct address_prefix *clients;
    size_t client_count;
};

struct field_settings {
    const char *name;
    struct edge_text value;
};

/* What is done to the fields of a head, in this order: `set` and `remove` take away what is there, `set` and `add` write. */
struct field_edit_settings {
    struct field_settings *set;
    size_t set_count;
    struct field_settings *add;
    size_t add_count;
    const char *const *remove;
    size_t remove_count;
    uint64_t status_first, status_last; /* of a response: only with these statuses */
};

/* What an answer with one of these statuses says, in place of our own text. */
struct error_page_settings {
    uint64_t status_first, status_last;
    const char *file;
    const char *type;
    bool intercept;   /* also the answers of upstreams */
    const char *body; /* the file's content */
    size_t body_bytes;
};

/* For all routes, and for one: that of the route comes after, and its pages before. */
struct edge_settings {
    struct field_edit_settings request, response;
    struct error_page_settings *pages;
    size_t page_count;
};

/* What becomes of the request that goes on. */
struct rewrite_settings {
    struct edge_text path;
    const char *strip_prefix; /* NULL: none */
    struct edge_text host;
};

struct redirect_settings {
    struct edge_text to;
    uint64_t status;
};

struct respond_settings {
    uint64_t status; /* 0: not given */
    const char *type;
    struct edge_text body;
};

/* Files below a folder. */
struct file_settings {
    const char *root; /* NULL: none */
    const char *const *index;
    size_t index_count;
    const char *const *tries; /* "/path" below the root, or ".ending" behind the request's path */
    size_t try_count;
    bool precompressed;
    uint64_t timeout_ms;
};

/* By the client; what is in neither is allowed unless `allow` has anything. */
struct access_settings {
    struct address_prefix *allow;
    size_t allow_count;
    struct address_prefix *deny;
    size_t deny_count;
};

struct route_settings {
    const char *name; /* unique; "route-1"... when not given */
    struct route_match_settings match;
    struct route_upstream *upstreams; /* in the order of the file */
    size_t upstream_count;            /* 0: the route answers itself */
    const char *upstream;             /* the first one's name; NULL: none */
    struct split_settings split;
    struct sticky_settings sticky;
    struct redirect_settings redirect;
    struct respond_settings respond;
    struct file_settings files;
    struct maintenance_settings maintenance;
    struct access_settings access;
    struct auth_settings auth;
    struct rewrite_settings rewrite;
    struct mirror_settings mirror;
    struct edge_settings edge;
    struct compress_settings compress; /* with the keys at the top that are not given here */
    uint64_t deadline_ms;              /* 0: the upstream's total only */
    uint64_t body_bytes;               /* in place of limits.body; 0: not given */
    uint64_t buffer_bytes;             /* of a body, taken in before it is forwarded; 0: none */
    struct timeout_settings given_timeouts; /* 0: not given */
    const char *const
        *upgrades; /* protocols, maybe with a version; NULL: any that may be upgraded to */
    size_t upgrade_count;
    struct rate_settings rate;
    struct key_rate_settings key_rate;
    struct shard_settings shards;
};

struct resolver_settings {
    struct address *servers;
    size_t server_count; /* 0: the system's */
    uint64_t min_ttl_ms, max_ttl_ms, stale_ms;
    uint64_t negative_count, negative_span_ms; /* a "no" said so often, over so long, is believed */
};

struct tls_ticket_settings {
    const char *keys; /* a file; "": keys of our own */
    uint64_t rotate_ms;
};

struct tls_session_settings {
    uint64_t entries_count;
    uint64_t per_name_count;
    uint64_t memory_bytes;
    uint64_t ttl_ms;
};

struct readiness_settings {
    double sessions_share, pools_share;
    uint64_t give_up_after_ms;
    enum readiness_then then;
    const char *listener_path; /* "": only the admin listener */
};

struct warm_state_settings {
    const char *path;     /* "": off */
    const char *key_file; /* "": not sealed */
    uint64_t interval_ms, max_age_ms;
};

struct upgrade_settings {
    uint64_t ready_within_ms;
};

struct drain_settings {
    uint64_t grace_ms;
    uint64_t pause_ms;
    uint64_t tunnels_ms;
};

struct settings {
    uint64_t worker_setting_count; /* as configured: 0 is one per processor */
    unsigned worker_count;         /* resolved: at least 1 */
    const char *user;              /* "": stay */
    const char *pid_file;          /* "": none */
    struct address_prefix *trusted_peers;
    size_t trusted_peer_count;
    struct admin_settings admin;
    struct log_settings log;
    struct limit_settings limits;
    struct header_settings headers;
    struct tracing_settings tracing;
    struct edge_settings edge; /* of all routes */
    struct compress_settings compress;
    struct listener_settings *listeners;
    size_t listener_count;
    struct upstream_settings *upstreams;
    size_t upstream_count;
    struct route_settings *routes;
    size_t route_count;
    struct resolver_settings resolver;
    struct tls_session_settings tls_sessions;
    struct tls_ticket_settings tls_tickets;
    struct sticky_key_settings sticky;
    struct fleet_settings fleet;
    struct readiness_settings readiness;
    struct warm_state_settings warm_state;
    struct upgrade_settings upgrade;
    struct drain_settings drain;
};

#define SETTINGS_RESULTS(X)              \
    X(SETTINGS_OK, "ok")                 \
    X(SETTINGS_INVALID, "invalid")       \
    X(SETTINGS_UNREADABLE, "unreadable") \
    X(SETTINGS_NO_MEMORY, "no memory")
enum settings_result { ENUM_VALUES(SETTINGS_RESULTS) };
const char *settings_result_name(enum settings_result value);

#define SETTINGS_SEVERITIES(X) X(SETTINGS_ERROR, "error") X(SETTINGS_WARNING, "warning")
enum settings_severity { ENUM_VALUES(SETTINGS_SEVERITIES) };

/* One message about a configuration: "site.conf:14: upstreams.app.pool.max: expected ..., got ...". */
struct settings_message {
    enum settings_severity severity;
    const char *text; /* no newline */
};

/* All messages of one load, in order of the file; freed with settings_messages_free(). */
struct settings_messages {
    struct settings_message *items;
    size_t count;
    size_t error_count;
};

/* Reads, checks and builds settings from a file. Reports every error of the file in one run. On SETTINGS_OK the messages
   may hold warnings. *ret_messages is always set. */
__attribute__((warn_unused_result)) enum settings_result settings_load(
    const char *path, struct settings **ret_settings, struct settings_messages *ret_messages);
/* The same from a text (the demo, tests); `name` stands for the file in messages. */
__attribute__((warn_unused_result)) enum settings_result settings_parse(
    const char *text, const char *name, struct settings **ret_settings,
    struct settings_messages *ret_messages);

void settings_messages_free(struct settings_messages *messages);

struct settings *settings_get(struct settings *settings);
void settings_put(struct settings **settings);

/* Whether every request has what it asks for. */
bool settings_match_all(const struct route_match_settings *match);

/* True when both upstreams are alike in what a pooled connection depends on: tls, proxy_protocol, protocol. Endpoints are matched
   one by one by their text. */
bool settings_upstream_same_pool(const struct upstream_settings *a,
                                 const struct upstream_settings *b);

#endif
