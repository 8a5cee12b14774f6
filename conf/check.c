/* Checks between keys, one function each. */
#include "conf/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "conf/load.h"
#include "conf/value.h"

/* RFC 1035 2.3.4, written out */
#define SERVER_NAME_MOST_BYTES 253

void index_name(struct loading *loading, struct text_index *index, const char *name, void *named)
{
    if (text_index_find(index, name) == NULL && !text_index_add(index, name, named)) {
        loading_report(loading, SETTINGS_ERROR, name, "no memory");
    }
}

/* Of all addresses, in the order of the settings, those before one that are the same. */
static void check_listen(struct loading *loading, size_t number, size_t which, const char *path)
{
    const struct settings *settings = loading->settings;
    const struct listen_settings *listen = &settings->listeners[number].listens[which];
    for (size_t i = 0; i <= number; i++) {
        const struct listener_settings *other = &settings->listeners[i];
        for (size_t j = 0; j < (i < number ? other->listen_count : which); j++) {
            if (!address_equal(&other->listens[j].address, &listen->address)) {
                continue;
            }
            if (i < number) {
                loading_report(loading, SETTINGS_ERROR, path, "listens on the address of \"%s\"",
                               other->name);
            } else {
                loading_report(loading, SETTINGS_ERROR, path,
                               "\"%s\" and \"%s\" mean the same address", other->listens[j].text,
                               listen->text);
            }
            return;
        }
    }
}

static void check_listener(struct loading *loading, size_t number)
{
    const struct listener_settings *listener = &loading->settings->listeners[number];
    char path[128];
    snprintf(path, sizeof path, "listeners.%s", listener->name);
    if (listener->listen_count == 0) {
        loading_report_missing(loading, path, "listen", "expected listen = \"ADDRESS:PORT\"");
    }
    if (listener->tls.enabled && listener->tls.certificate_count == 0) {
        loading_report_missing(loading, path, "tls.certificates",
                               "tls: expected at least one of certificates = ( { cert; key; } )");
    }
    snprintf(path, sizeof path, "listeners.%s.listen", listener->name);
    for (size_t i = 0; i < listener->listen_count; i++) {
        check_listen(loading, number, i, path);
    }
}

static void check_listeners(struct loading *loading)
{
    for (size_t i = 0; i < loading->settings->listener_count; i++) {
        check_listener(loading, i);
    }
}

/* Both go into a request unchanged. */
static bool is_plain(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text <= ' ' || *text > '~') {
            return false;
        }
    }
    return true;
}

static void check_health(struct loading *loading, const struct upstream_settings *upstream,
                         const char *path)
{
    const struct health_settings *health = &upstream->health;
    if ((health->path[0] != '\0' && health->path[0] != '/') || !is_plain(health->path)) {
        loading_report(loading, SETTINGS_ERROR, path,
                       "health.path: expected a path such as \"/health\", got \"%s\"",
                       health->path);
    }
    if (!is_plain(health->host)) {
        loading_report(loading, SETTINGS_ERROR, path, "health.host: expected a host, got \"%s\"",
                       health->host);
    }
    if (health->type == HEALTH_TLS && !upstream->tls.enabled) {
        loading_report(loading, SETTINGS_ERROR, path,
                       "health.type \"tls\" probes with TLS, but tls.enabled is false");
    }
    if (health->type == HEALTH_GRPC && upstream->protocol == UPSTREAM_HTTP1) {
        loading_report(loading, SETTINGS_ERROR, path,
                       "health.type \"grpc\" needs HTTP/2, but protocol is \"http1\"");
    }
    if (strlen(health->service) > HEALTH_SERVICE_BYTES) {
        loading_report(loading, SETTINGS_ERROR, path, "health.service is longer than %d bytes",
                       HEALTH_SERVICE_BYTES);
    }
    if (health->type != HEALTH_GRPC && health->service[0] != '\0') {
        loading_report(loading, SETTINGS_WARNING, path,
                       "health.service has no effect unless health.type is \"grpc\"");
    }
    if (health->type != HEALTH_HTTP && health->path[0] != '\0') {
        loading_report(loading, SETTINGS_WARNING, path,
                       "health.path has no effect unless health.type is \"http\"");
    }
    if (health->port != 0 && health->type == HEALTH_HTTP && health->path[0] == '\0') {
        loading_report(loading, SETTINGS_WARNING, path,
                       "health.port has no effect without probes: write health.path too, or "
                       "health.type = \"tcp\"");
    }
    if (health->eject_base_ms > health->eject_max_ms) {
        loading_report(loading, SETTINGS_ERROR, path,
                       "health.eject_base is longer than health.eject_max");
    }
}

/* A key that is set but has no effect is probably a mistake. */
static void check_upstream_tls(struct loading *loading, const struct upstream_tls_settings *tls,
                               const char *path)
{
    bool trusts = tls->ca[0] != '\0', shows = tls->cert[0] != '\0' || tls->key[0] != '\0';
    if (!tls->enabled && (trusts || shows || tls->server_name[0] != '\0')) {
        loading_report(
            loading, SETTINGS_WARNING, path,
            "tls: keys are set, but tls.enabled is false: requests are sent in plain text");
    }
    if ((tls->cert[0] == '\0') != (tls->key[0] == '\0')) {
        loading_report(loading, SETTINGS_ERROR, path, "tls.cert and tls.key must be set together");
    }
    if (tls->enabled && !tls->verify) {
        loading_report(
            loading, SETTINGS_WARNING, path,
            "tls.verify is false: anyone who can redirect the traffic can pose as the server");
    }
    if (tls->enabled && !tls->verify && trusts) {
        loading_report(loading, SETTINGS_WARNING, path,
                       "tls.ca has no effect, because tls.verify is false");
    }
    if (strlen(tls->server_name) > SERVER_NAME_MOST_BYTES || !is_plain(tls->server_name)) {
        loading_report(loading, SETTINGS_ERROR, path,
                       "tls.server_name: expected a host name, got \"%s\"", tls->server_name);
    }
}

static void check_upstream_protocol(struct loading *loading,
                                    const struct upstream_settings *upstream, const char *path)
{
    if (upstream->protocol == UPSTREAM_HTTP1) {
        return;
    }
    if (upstream->proxy_protocol == PROXY_HEADER_CLIENT) {
        loading_report(loading, SETTINGS_ERROR, path,
                       "proxy_protocol = \"client\" needs protocol = \"http1\": a connection that "
                       "names one client cannot carry the requests of others");
    }
    if (upstream->pool.max_count < loading->settings->worker_count) {
        loading_report(loading, SETTINGS_WARNING, path,
                       "pool.max is below the number of workers (%u), of which each shares HTTP/2 "
                       "connections of its own: some will wait for others",
                       loading->settings->worker_count);
    }
    if (upstream->protocol == UPSTREAM_AUTO && !upstream->tls.enabled) {
        loading_report(loading, SETTINGS_WARNING, path,
                       "protocol = \"auto\" means HTTP/1, because tls.enabled is false");
    }
}

static void check_endpoints(struct loading *loading, const struct upstream_settings *upstream,
                            const char *path)
{
    struct text_index known = {NULL, 0, 0};
    for (size_t i = 0; i < upstream->endpoint_count; i++) {
        const struct endpoint_settings *endpoint = &upstream->endpoints[i];
        const char *place =
            arena_printf(&loading->arena, "%s:%" PRIu64, endpoint->host, (uint64_t)endpoint->port);
        if (place != NULL && text_index_find(&known, place) != NULL) {
            loading_report(loading, SETTINGS_ERROR, path,
                           "endpoint \"%s\" is named twice; use weight to give it more requests",
                           endpoint->text);
        } else if (place != NULL) {
            index_name(loading, &known, place, (void *)(uintptr_t)endpoint);
        }
    }
    text_index_release(&known);
}

static bool has_scheme(const struct upstream_settings *upstream, enum endpoint_scheme scheme)
{
    size_t i = 0;
    while (i < upstream->endpoint_count && upstream->endpoints[i].scheme != scheme) {
        i++;
    }
    return i < upstream->endpoint_count;
}

/* TLS is one setting of all endpoints. */
static void check_schemes(struct loading *loading, const struct upstream_settings *upstream,
                          const char *path)
{
    bool http = has_scheme(upstream, SCHEME_HTTP), https = has_scheme(upstream, SCHEME_HTTPS);
    if (http && https) {
        loading_report(loading, SETTINGS_ERROR, path,
                       "\"http://\" and \"https://\" do not mix: give the endpoints with TLS an "
                       "upstream of their own");
    } else if (https && !upstream->tls.enabled) {
        loading_report(
            loading, SETTINGS_ERROR, path,
            "\"https://\" means TLS, but tls.enabled is false: leave tls.enabled out, or "
            "write \"http://\"");
    } else if (http && upstream->tls.enabled) {
        loading_report(loading, SETTINGS_ERROR, path,
                       "\"http://\" means no TLS, but tls.enabled is true: write \"https://\"");
    } else if (https && has_scheme(upstream, SCHEME_NONE)) {
        loading_report(loading, SETTINGS_ERROR, path,
                       "\"https://\" turns TLS on for all endpoints: write it for each of them");
    }
}

static void check_endpoint_words(struct loading *loading, const struct upstream_settings *upstream,
                                 const char *path)
{
    size_t backup_count = 0;
    for (size_t i = 0; i < upstream->endpoint_count; i++) {
        const struct endpoint_settings *endpoint = &upstream->endpoints[i];
        backup_count += endpoint->backup;
        if (endpoint->local && upstream->tls.enabled && upstream->tls.server_name[0] == '\0') {
            loading_report(loading, SETTINGS_ERROR, path,
                           "TLS to \"%s\" needs tls.server_name: a UNIX socket has no host name",
                           endpoint->text);
        }
    }
    if (upstream->endpoint_count > 0 && backup_count == upstream->endpoint_count) {
        loading_report(
            loading, SETTINGS_ERROR, path,
            "all endpoints are backups: leave \"backup\" out at those that are used first");
    }
}

static void check_upstream(struct loading *loading, const struct upstream_settings *upstream)
{
    char path[128];
    const struct timeout_settings *timeouts = &upstream->timeouts;
    snprintf(path, sizeof path, "upstreams.%s", upstream->name);
    if (upstream->endpoint_count == 0) {
        loading_report_missing(loading, path, "endpoints",
                               "expected at least one of endpoints = [ \"HOST:PORT\" ]");
    }
    snprintf(path, sizeof path, "upstreams.%s.endpoints", upstream->name);
    check_endpoints(loading, upstream, path);
    check_endpoint_words(loading, upstream, path);
    check_schemes(loading, upstream, path);
    snprintf(path, sizeof path, "upstreams.%s", upstream->name);
    check_upstream_tls(loading, &upstream->tls, path);
    check_upstream_protocol(loading, upstream, path);
    if (upstream->breaker.open_min_ms > upstream->breaker.open_max_ms) {
        loading_report(loading, SETTINGS_ERROR, path,
                       "breaker.open_min is longer than breaker.open_max");
    }
    if (upstream->retry.backoff_base_ms > upstream->retry.backoff_max_ms) {
        loading_report(loading, SETTINGS_ERROR, path,
                       "retry.backoff_base is longer than retry.backoff_max");
    }
    if (!upstream->pool.warm_auto && upstream->pool.warm_min_count > upstream->pool.max_count) {
        loading_report(loading, SETTINGS_ERROR, path, "pool.warm_min is larger than pool.max");
    }
    check_health(loading, upstream, path);
    const struct {
        const char *name;
        uint64_t ms;
        const char *whole;
        uint64_t whole_ms;
    } parts[] = {{"timeouts.connect", timeouts->connect_ms, "total", timeouts->total_ms},
                 {"timeouts.first_byte", timeouts->first_byte_ms, "total", timeouts->total_ms},
                 {"timeouts.per_try", timeouts->per_try_ms, "total", timeouts->total_ms},
                 {"limits.queue_wait", upstream->limits.queue_wait_ms, "total", timeouts->total_ms},
                 {"timeouts.total", timeouts->total_ms, "stream", timeouts->stream_ms}};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (parts[i].ms > parts[i].whole_ms) {
            loading_report(loading, SETTINGS_WARNING, path,
                           "%s is longer than timeouts.%s, which ends the exchange before",
                           parts[i].name, parts[i].whole);
        }
    }
}

static void check_readiness(struct loading *loading)
{
    const char *path = loading->settings->readiness.listener_path;
    if (path[0] != '\0' && path[0] != '/') {
        loading_report(loading, SETTINGS_ERROR, "readiness.listener_path",
                       "expected a path that begins with \"/\", got \"%s\"", path);
    }
}

static void check_drain(struct loading *loading)
{
    const struct drain_settings *drain = &loading->settings->drain;
    if (drain->pause_ms >= drain->grace_ms) {
        loading_report(loading, SETTINGS_ERROR, "drain.pause",
                       "is as long as drain.grace: exchanges have no time to finish");
    }
}

static void check_resolver(struct loading *loading)
{
    const struct settings *settings = loading->settings;
    if (settings->resolver.min_ttl_ms > settings->resolver.max_ttl_ms) {
        loading_report(loading, SETTINGS_ERROR, "resolver.min_ttl",
                       "is longer than resolver.max_ttl");
    }
}

static void check_tracing(struct loading *loading)
{
    struct tracing_settings *tracing = &loading->settings->tracing;
    struct header_settings *headers = &loading->settings->headers;
    tracing->on = tracing->collector.host != NULL;
    tracing->tls.enabled = tracing->collector.scheme == SCHEME_HTTPS;
    tracing->sample_numbers = (uint64_t)(tracing->sample_share * 0x1p63);
    headers->trace_flag = !headers->traceparent ? '\0' : tracing->on ? '0' : '1';
    if (tracing->tls.enabled) {
        check_upstream_tls(loading, &tracing->tls, "tracing");
    } else if (tracing->tls.ca[0] != '\0' || tracing->tls.cert[0] != '\0') {
        loading_report(loading, SETTINGS_WARNING, "tracing",
                       "tls has no effect unless the endpoint is \"https://\"");
    }
    if (!tracing->on && config_lookup(loading->config, "tracing") != NULL &&
        !loading_is_caused(loading, "tracing.endpoint")) {
        loading_report(loading, SETTINGS_WARNING, "tracing",
                       "has no effect without endpoint = \"http://HOST:4318/v1/traces\"");
    }
}

static void check_upstreams(struct loading *loading)
{
    for (size_t i = 0; i < loading->settings->upstream_count; i++) {
        check_upstream(loading, &loading->settings->upstreams[i]);
    }
}

void check_settings(struct loading *loading)
{
    static void (*const checks[])(struct loading *) = {
        check_listeners, check_upstreams, check_routes, check_resolver, check_drain,
        check_readiness, check_admin,     check_fleet,  check_tracing};
    for (size_t i = 0; i < sizeof checks / sizeof checks[0] && !loading->arena.failed; i++) {
        checks[i](loading);
    }
}
