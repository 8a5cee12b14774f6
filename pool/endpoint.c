/* Upstreams and endpoints as objects: created when a set first needs them, freed when nothing uses them. */
#include "pool/endpoint.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pool/endpoint_tls.h"
#include "pool/health_state.h"
#include "pool/protocol.h"
#include "pool/queue.h"
#include "pool/sets.h"
#include "pool/traffic.h"
#include "pool/upkeep.h"
#include "steady/fault.h"

/* Zeroed, aligned to cache lines, with `count` parts after the head. */
static void *allocate(size_t head_bytes, size_t part_bytes, size_t count)
{
    size_t bytes = head_bytes + part_bytes * count;
    bytes = (bytes + CACHE_LINE_BYTES - 1) / CACHE_LINE_BYTES * CACHE_LINE_BYTES;
    void *object = fault_hits(FAULT_ALLOC) ? NULL : aligned_alloc(CACHE_LINE_BYTES, bytes);
    if (object != NULL) {
        memset(object, 0, bytes);
    }
    return object;
}

static char *copy_text(const char *text)
{
    return fault_hits(FAULT_ALLOC) ? NULL : strdup(text);
}

__attribute__((format(printf, 1, 2))) static char *make_text(const char *format, ...)
{
    char *text = NULL;
    va_list arguments;
    if (fault_hits(FAULT_ALLOC)) {
        return NULL;
    }
    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    return length < 0 ? NULL : text;
}

/* ---- upstreams ---- */

/* NULL is fine. */
static void free_upstream(struct upstream_private *own)
{
    if (own == NULL) {
        return;
    }
    endpoint_totals_forget(own);
    upstream_traffic_free(own);
    if (own->upstream.companion != NULL) {
        own->pools->hooks.upstream_freed(own->upstream.companion, own->pools->hooks.owner);
    }
    free((char *)(uintptr_t)own->upstream.name);
    free(own);
}

static bool accompany_upstream(struct upstream_private *own)
{
    const struct pools_hooks *hooks = &own->pools->hooks;
    if (hooks->upstream_created == NULL) {
        return true;
    }
    own->upstream.companion = hooks->upstream_created(&own->upstream, hooks->owner);
    return own->upstream.companion != NULL;
}

static struct upstream_private *create_upstream(struct pools *pools, const char *name)
{
    struct upstream_private *own =
        allocate(sizeof(struct upstream_private), sizeof(struct upstream), pools->worker_count);
    if (own == NULL) {
        return NULL;
    }
    own->upstream.own = own;
    own->pools = pools;
    own->upstream.name = copy_text(name);
    if (own->upstream.name == NULL || !accompany_upstream(own)) {
        free_upstream(own);
        return NULL;
    }
    TAILQ_INIT(&own->endpoints);
    upstream_locals_init(own);
    /* The first adoption sets the limits. */
    bound_init(&own->upstream.in_flight, "upstream_in_flight", own->upstream.name, 0);
    bound_init(&own->upstream.queued, "upstream_queued", own->upstream.name, 0);
    return own;
}

struct upstream_private *upstream_obtain(struct pools *pools, const char *name)
{
    struct upstream_private *own = text_index_find(&pools->known_by_name, name);
    if (own != NULL) {
        return own;
    }
    if (!bound_take(&pools->upstreams, 1)) {
        return NULL;
    }
    own = create_upstream(pools, name);
    if (own == NULL || !text_index_add(&pools->known_by_name, own->upstream.name, own)) {
        free_upstream(own);
        bound_give(&pools->upstreams, 1);
        return NULL;
    }
    bound_register(pools->registry, &own->upstream.in_flight);
    bound_register(pools->registry, &own->upstream.queued);
    own->number = ++pools->known_count;
    TAILQ_INSERT_TAIL(&pools->known, own, link);
    return own;
}

/* ---- endpoints ---- */

static void free_endpoint(struct endpoint *endpoint)
{
    if (endpoint->companion != NULL) {
        endpoint->pools->hooks.endpoint_freed(endpoint->companion, endpoint->pools->hooks.owner);
    }
    health_detach(endpoint);
    endpoint_tls_detach(endpoint);
    endpoint_traffic_free(endpoint);
    free((char *)(uintptr_t)endpoint->names.text);
    free((char *)(uintptr_t)endpoint->names.hostname);
    free((char *)(uintptr_t)endpoint->names.authority);
    free((char *)(uintptr_t)endpoint->names.identity);
    free((char *)(uintptr_t)endpoint->names.address_text);
    free((char *)(uintptr_t)endpoint->names.label);
    free((char *)(uintptr_t)endpoint->names.key);
    free(endpoint);
}

/* The configured text without the weight, which may change while the endpoint stays. */
static char *make_name(const struct endpoint_settings *settings)
{
    if (settings->service || settings->local) {
        return make_text(settings->local ? "unix:%s" : "srv:%s", settings->host);
    }
    bool brackets = strchr(settings->host, ':') != NULL;
    return make_text("%s%s%s:%u", brackets ? "[" : "", settings->host, brackets ? "]" : "",
                     (unsigned)settings->port);
}

/* A UNIX socket has no host: its server takes the name that every machine has for itself. */
static char *make_authority(const struct endpoint *endpoint, const char *hostname)
{
    bool brackets = strchr(hostname, ':') != NULL;
    if (endpoint->address.any.sa_family == AF_UNIX) {
        return copy_text("localhost");
    }
    return make_text("%s%s%s:%u", brackets ? "[" : "", hostname, brackets ? "]" : "",
                     (unsigned)address_port(&endpoint->address));
}

const char *endpoint_identity(const struct endpoint_settings *settings)
{
    const char *name = settings->host;
    while (settings->service && *name == '_' && strchr(name, '.') != NULL) {
        name = strchr(name, '.') + 1;
    }
    return name;
}

/* A unique label: "app/10.0.0.7:8080", "app/app-a.internal:8080/10.0.0.7:8080". */
static char *make_label(const struct endpoint *endpoint, bool literal)
{
    return make_text("%s/%s%s%s", endpoint->upstream->name, endpoint->names.text,
                     literal ? "" : "/", literal ? "" : endpoint->names.address_text);
}

static bool name_endpoint(struct endpoint *endpoint, const struct endpoint_settings *settings,
                          const char *hostname)
{
    char address_text[ADDRESS_TEXT_BYTES];
    address_format(&endpoint->address.any, address_text);
    endpoint->names.hostname = copy_text(hostname);
    endpoint->names.authority = make_authority(endpoint, hostname);
    endpoint->names.identity = copy_text(endpoint_identity(settings));
    endpoint->names.address_text = copy_text(address_text);
    endpoint->names.text = make_name(settings);
    if (endpoint->names.hostname == NULL || endpoint->names.authority == NULL ||
        endpoint->names.identity == NULL || endpoint->names.address_text == NULL ||
        endpoint->names.text == NULL) {
        return false;
    }
    endpoint->names.label = make_label(endpoint, settings->literal);
    return endpoint->names.label != NULL &&
           token_make(&endpoint->pools->token_key, endpoint->names.label, endpoint->names.token);
}

static bool accompany_endpoint(struct endpoint *endpoint)
{
    const struct pools_hooks *hooks = &endpoint->pools->hooks;
    if (hooks->endpoint_created == NULL) {
        return true;
    }
    endpoint->companion = hooks->endpoint_created(endpoint, hooks->owner);
    return endpoint->companion != NULL;
}

bool endpoint_warms_up(struct endpoint *endpoint, uint64_t now_ms)
{
    uint64_t until_ms = count_read(&endpoint->upkeep.cold_until_ms);
    if (now_ms < until_ms &&
        count_read(&endpoint->upkeep.ready_count) < endpoint_warm_count(endpoint)) {
        return true;
    }
    __atomic_store_n(&endpoint->upkeep.cold_until_ms, 0, __ATOMIC_RELAXED);
    return false;
}

static void init_local(struct endpoint_local *local, struct endpoint *endpoint)
{
    TAILQ_INIT(&local->idle);
    TAILQ_INIT(&local->sharing);
    TAILQ_INIT(&local->line.requests);
    local->endpoint = endpoint;
    upkeep_init(local);
}

struct endpoint *endpoint_create(const struct upstream_view *view,
                                 const struct endpoint_settings *settings,
                                 const struct named_address *named)
{
    struct upstream_private *own = view->upstream->own;
    struct pools *pools = own->pools;
    uint64_t turn = bound_used(&pools->endpoints);
    if (!bound_take(&pools->endpoints, 1)) {
        return NULL;
    }
    struct endpoint *endpoint =
        allocate(sizeof(struct endpoint), sizeof(struct endpoint_local), pools->worker_count);
    if (endpoint != NULL) {
        endpoint->upstream = &own->upstream;
        endpoint->pools = pools;
        endpoint->address = named->address;
        endpoint->turn = turn;
        endpoint->proxy_header = view->settings->proxy_protocol;
        protocol_init(endpoint, view);
    }
    if (endpoint == NULL || !name_endpoint(endpoint, settings, named->hostname) ||
        !endpoint_tls_attach(endpoint, view) || !health_attach(endpoint) ||
        !accompany_endpoint(endpoint)) {
        if (endpoint != NULL) {
            free_endpoint(endpoint);
        }
        bound_give(&pools->endpoints, 1);
        return NULL;
    }
    for (unsigned i = 0; i < pools->worker_count; i++) {
        init_local(&endpoint->locals[i], endpoint);
    }
    bound_init(&endpoint->connections, "endpoint_connections", endpoint->names.label, 0);
    /* the upstream is serving at others, and need not wait for this one */
    if (own->shown_count > 0) {
        endpoint->upkeep.cold_until_ms = loop_clock_ms(&(struct loop_clock){0}) + POOL_COLD_MS;
    }
    TAILQ_INSERT_TAIL(&own->endpoints, endpoint, link);
    return endpoint;
}

/* ---- the end ---- */

static bool endpoint_used(const struct endpoint *endpoint)
{
    if (endpoint->sets_count > 0 ||
        __atomic_load_n(&endpoint->verdict.failures_told, __ATOMIC_ACQUIRE)) {
        return true;
    }
    for (unsigned i = 0; i < endpoint->pools->worker_count; i++) {
        if (__atomic_load_n(&endpoint->locals[i].uses, __ATOMIC_ACQUIRE) > 0) {
            return true;
        }
    }
    return false;
}

static void sweep_endpoints(struct upstream_private *own)
{
    struct endpoint *endpoint, *next;
    for (endpoint = TAILQ_FIRST(&own->endpoints); endpoint != NULL; endpoint = next) {
        next = TAILQ_NEXT(endpoint, link);
        if (endpoint_used(endpoint)) {
            continue;
        }
        TAILQ_REMOVE(&own->endpoints, endpoint, link);
        endpoint_totals_keep(own, endpoint);
        free_endpoint(endpoint);
        bound_give(&own->pools->endpoints, 1);
    }
}

/* Calls on their way are checked last: whatever made a call had a use that was checked before. */
void sets_sweep(struct pools *pools)
{
    struct upstream_private *own, *next;
    for (own = TAILQ_FIRST(&pools->known); own != NULL; own = next) {
        next = TAILQ_NEXT(own, link);
        sweep_endpoints(own);
        if (own->sets_count > 0 || !TAILQ_EMPTY(&own->endpoints) ||
            !waitlist_idle(&own->waitlist)) {
            continue;
        }
        TAILQ_REMOVE(&pools->known, own, link);
        text_index_remove(&pools->known_by_name, own->upstream.name);
        bound_remove(pools->registry, &own->upstream.in_flight);
        bound_remove(pools->registry, &own->upstream.queued);
        free_upstream(own);
        bound_give(&pools->upstreams, 1);
    }
}
