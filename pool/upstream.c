/* Sets of views, generation by generation, and what outlives them. */
#include "pool/upstream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pool/descriptor.h"
#include "pool/endpoint.h"
#include "pool/endpoint_tls.h"
#include "pool/health_state.h"
#include "pool/pools.h"
#include "pool/protocol.h"
#include "pool/queue.h"
#include "pool/sets.h"
#include "steady/check.h"
#include "steady/fault.h"
#include "tls/client.h"

/* Names of the bounds of the process. */
static void name_bounds(struct pools *pools)
{
    uint64_t fds = bound_limit(pools->fds);
    bound_init(&pools->upstreams, "upstreams", NULL, POOL_UPSTREAMS);
    bound_init(&pools->endpoints, "endpoints", NULL, POOL_ENDPOINTS);
    bound_init(&pools->upstream_connections, "upstream_connections", NULL, fds);
    bound_init(&pools->idle_connections, "idle_connections", NULL, fds);
    bound_init(&pools->dials_in_flight, "dials_in_flight", NULL,
               (uint64_t)pools->worker_count * POOL_WORKER_DIALS);
}

#define POOLS_BOUNDS(pools)                                                       \
    {                                                                             \
        &(pools)->upstreams, &(pools)->endpoints, &(pools)->upstream_connections, \
            &(pools)->idle_connections, &(pools)->dials_in_flight                 \
    }

struct pools *pools_create(unsigned worker_count, struct bound_registry *registry,
                           struct bound *fds)
{
    CHECK(worker_count > 0 && worker_count <= POOL_MAX_WORKERS);
    struct pools *pools = fault_hits(FAULT_ALLOC) ? NULL : calloc(1, sizeof *pools);
    if (pools == NULL) {
        return NULL;
    }
    pools->tls = tls_clients_create(registry);
    pools->worker_count = worker_count;
    if (pools->tls == NULL || !descriptor_waits_init(pools)) {
        tls_clients_free(&pools->tls);
        free(pools);
        return NULL;
    }
    pools->registry = registry;
    pools->fds = fds;
    pools->recheck_ms = POOL_RECHECK_MS;
    TAILQ_INIT(&pools->known);
    TAILQ_INIT(&pools->sets);
    name_bounds(pools);
    struct bound *bounds[] = POOLS_BOUNDS(pools);
    for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
        bound_register(registry, bounds[i]);
    }
    return pools;
}

void pools_set_hooks(struct pools *pools, const struct pools_hooks *hooks)
{
    CHECK(TAILQ_EMPTY(&pools->known));
    CHECK((hooks->upstream_created == NULL) == (hooks->upstream_freed == NULL));
    CHECK((hooks->endpoint_created == NULL) == (hooks->endpoint_freed == NULL));
    pools->hooks = *hooks;
}

void pools_set_token_key(struct pools *pools, const struct seal_key *key)
{
    CHECK(TAILQ_EMPTY(&pools->known));
    pools->token_key = *key;
}

const struct seal_key *pools_token_key(const struct pools *pools)
{
    return &pools->token_key;
}

void pools_set_http2(struct pools *pools, const struct connection_protocol *http2)
{
    CHECK(TAILQ_EMPTY(&pools->known));
    pools->http2 = http2;
}

void pools_set_probe_http2(struct pools *pools, const struct probe_speech *speech)
{
    pools->probe_http2 = speech;
}

void pools_set_lean(struct pools *pools, bool lean)
{
    __atomic_store_n(&pools->lean, lean, __ATOMIC_RELAXED);
}

void pools_set_names(struct pools *pools, pools_names_fn *names, void *owner)
{
    pools->names.find = names;
    pools->names.owner = owner;
}

void pools_free(struct pools **pools_pointer)
{
    struct pools *pools = *pools_pointer;
    if (pools == NULL) {
        return;
    }
    *pools_pointer = NULL;
    for (unsigned i = 0; i < pools->worker_count; i++) {
        CHECK(pools_worker(pools, i) == NULL);
    }
    struct upstream_set_record *record, *next;
    for (record = TAILQ_FIRST(&pools->sets); record != NULL; record = next) {
        next = TAILQ_NEXT(record, link);
        struct upstream_set *set = &record->set;
        if (!record->retired) {
            upstream_set_retire(pools, &set);
        }
    }
    CHECK(pools_collect(pools) == 0 && TAILQ_EMPTY(&pools->known));
    health_stop(pools);
    struct bound *bounds[] = POOLS_BOUNDS(pools);
    for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
        bound_remove(pools->registry, bounds[i]);
    }
    text_index_release(&pools->known_by_name);
    tls_clients_free(&pools->tls);
    descriptor_waits_release(pools);
    free(pools);
}

struct session_cache *pools_sessions(struct pools *pools)
{
    return tls_clients_sessions(pools->tls);
}

struct tls_clients *pools_tls_clients(struct pools *pools)
{
    return pools->tls;
}

const char *endpoint_token(const struct endpoint *endpoint)
{
    return endpoint->names.token;
}

const char *endpoint_text(const struct endpoint *endpoint)
{
    return endpoint->names.text;
}

const char *endpoint_address_text(const struct endpoint *endpoint)
{
    return endpoint->names.address_text;
}

const char *endpoint_authority(const struct endpoint *endpoint)
{
    return endpoint->names.authority;
}

struct upstream *endpoint_upstream(const struct endpoint *endpoint)
{
    return endpoint->upstream;
}

void *endpoint_companion(const struct endpoint *endpoint)
{
    return endpoint->companion;
}

bool endpoint_retired(const struct endpoint *endpoint)
{
    return __atomic_load_n(&endpoint->live_count, __ATOMIC_RELAXED) == 0;
}

static void add_local(struct endpoint_figures *figures, const struct endpoint_local *local)
{
    figures->idle += count_read(&local->idle_count);
    figures->dialling += count_read(&local->dialling_count);
    figures->dials += count_read(&local->stats.dials);
    figures->dial_failures += count_read(&local->stats.dial_failures);
    figures->reused += count_read(&local->stats.reused);
    figures->fresh += count_read(&local->stats.fresh);
    figures->handed_over += count_read(&local->stats.handed_over);
    figures->losses += count_read(&local->stats.losses);
    figures->goaways += count_read(&local->stats.goaways);
    figures->refused += count_read(&local->stats.refused);
    figures->pings_failed += count_read(&local->stats.pings_failed);
    figures->shares += count_read(&local->shares_count);
    figures->target += count_read(&local->upkeep.target_count);
    _Static_assert(sizeof figures->closed == sizeof local->stats.closed, "a figure a reason");
    for (size_t i = 0; i < LEASE_CLOSE_REASON_COUNT; i++) {
        figures->closed[i] += count_read(&local->stats.closed[i]);
    }
}

struct endpoint_figures endpoint_figures(const struct endpoint *endpoint)
{
    struct endpoint_figures figures = {
        .upstream = endpoint->upstream->name,
        .text = endpoint->names.text,
        .address = endpoint->names.address_text,
        .protocol = protocol_of(endpoint)->name,
        .companion = endpoint->companion,
        .open = bound_used(&endpoint->connections),
        .in_flight = __atomic_load_n(&endpoint->in_flight, __ATOMIC_RELAXED),
        .warm = endpoint_warm_count(endpoint),
        .ready = count_read(&endpoint->upkeep.ready_count),
        .learned_idle_ms = count_read(&endpoint->upkeep.learned_idle_ms),
        .certificate_expires_s = endpoint_tls_expires_s(endpoint),
        .cold = count_read(&endpoint->upkeep.cold_until_ms) != 0,
    };
    health_fill(endpoint, &figures);
    uint64_t now_ms = loop_clock_ms(&(struct loop_clock){0});
    for (unsigned i = 0; i < endpoint->pools->worker_count; i++) {
        add_local(&figures, &endpoint->locals[i]);
        retirements_sum(&endpoint->locals[i].retirements, now_ms, &figures);
    }
    return figures;
}

void pools_publish(struct pools *pools)
{
    struct upstream_private *own;
    struct endpoint *endpoint;
    uint64_t idle_count = 0;
    TAILQ_FOREACH (own, &pools->known, link) {
        TAILQ_FOREACH (endpoint, &own->endpoints, link) {
            for (unsigned i = 0; i < pools->worker_count; i++) {
                idle_count += count_read(&endpoint->locals[i].idle_count);
            }
        }
    }
    bound_set_used(&pools->idle_connections, idle_count);
    session_cache_publish(tls_clients_sessions(pools->tls));
}

void upstream_each_endpoint(const struct upstream *upstream, endpoint_figures_fn *each, void *owner)
{
    const struct endpoint *endpoint;
    TAILQ_FOREACH (endpoint, &upstream->own->endpoints, link) {
        if (endpoint->shown) {
            const struct endpoint_figures figures = endpoint_figures(endpoint);
            each(&figures, owner);
        }
    }
}

static uint64_t endpoint_losses(const struct endpoint *endpoint)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < endpoint->pools->worker_count; i++) {
        count += count_read(&endpoint->locals[i].stats.losses);
    }
    return count;
}

struct pool_losses pools_losses(const struct pools *pools)
{
    struct pool_losses losses = {0, 0, NULL, NULL};
    const struct upstream_private *own;
    const struct endpoint *endpoint;
    TAILQ_FOREACH (own, &pools->known, link) {
        TAILQ_FOREACH (endpoint, &own->endpoints, link) {
            uint64_t count = endpoint->shown ? endpoint_losses(endpoint) : 0;
            losses.count += count;
            if (count > losses.most_count) {
                losses.most_count = count;
                losses.upstream = own->upstream.name;
                losses.endpoint = endpoint->names.text;
            }
        }
    }
    return losses;
}

struct upstream_warmth upstream_warmth(const struct upstream *upstream)
{
    struct upstream_warmth warmth = {0, 0};
    const struct endpoint *endpoint;
    TAILQ_FOREACH (endpoint, &upstream->own->endpoints, link) {
        uint64_t warm_count = endpoint_warm_count(endpoint);
        uint64_t needed_count = endpoint_needed_count(endpoint);
        uint64_t wanted_count = warm_count > needed_count ? warm_count : needed_count;
        uint64_t ready_count = count_read(&endpoint->upkeep.ready_count);
        if (!endpoint->shown) {
            continue;
        }
        warmth.wanted_count += wanted_count;
        warmth.ready_count += ready_count < wanted_count ? ready_count : wanted_count;
    }
    return warmth;
}

void pools_each_upstream(struct pools *pools, upstream_each_fn *each, void *owner)
{
    struct upstream_private *own;
    TAILQ_FOREACH (own, &pools->known, link) {
        each(&own->upstream, owner);
    }
}

bool pools_walk_upstreams(struct pools *pools, uint64_t after, upstream_step_fn *step, void *owner)
{
    struct upstream_private *own;
    TAILQ_FOREACH (own, &pools->known, link) {
        if (own->number > after && !step(&own->upstream, owner)) {
            return false;
        }
    }
    return true;
}

uint64_t upstream_number(const struct upstream *upstream)
{
    return upstream->own->number;
}

const struct upstream_settings *upstream_settings_shown(const struct upstream *upstream)
{
    return upstream->own->settings;
}
