/* Counts failures on workers and reports them on the control thread. */
#include "pool/endpoint_tls.h"

#include <stdlib.h>

#include "pool/endpoint.h"
#include "pool/health_state.h"
#include "pool/pools.h"
#include "pool/queue.h"
#include "steady/fault.h"

static bool begin_probe(struct stream *stream, void *owner)
{
    const struct endpoint *endpoint = owner;
    bool http1_only = __atomic_load_n(&endpoint->speaks, __ATOMIC_RELAXED) == UPSTREAM_HTTP1;
    return tls_client_begin(endpoint_tls_target(endpoint, http1_only), stream,
                            endpoint->pools->health->env.tls_scratch);
}

static void end_probe(const struct stream *stream, bool succeeded, void *owner)
{
    struct endpoint *endpoint = owner;
    bool resumed = tls_client_finish(stream, succeeded);
    if (succeeded) {
        endpoint_tls_succeeded(endpoint, stream, resumed);
    } else if (stream_failure(stream) != TLS_FAILURE_NONE) {
        endpoint_tls_failed(endpoint, stream_failure(stream));
    }
}

static enum tls_offer offer_of(const struct endpoint *endpoint)
{
    static const enum tls_offer offers[] = {
        [UPSTREAM_HTTP1] = TLS_OFFER_HTTP1,
        [UPSTREAM_HTTP2] = TLS_OFFER_HTTP2,
        [UPSTREAM_AUTO] = TLS_OFFER_BOTH,
    };
    return offers[endpoint->speaks];
}

static bool init_target(const struct endpoint *endpoint, const struct upstream_view *view,
                        enum tls_offer offer, struct tls_target *ret_target)
{
    const char *configured = view->settings->tls.server_name;
    const char *name = configured[0] != '\0' ? configured : endpoint->names.identity;
    return tls_target_init(ret_target, view->tls, name, address_port(&endpoint->address), offer,
                           &endpoint->address.any, &endpoint->upstream->own->connections_count);
}

/* A target of its own for HTTP/1: sessions are kept apart by what was offered. */
static bool add_http1(struct endpoint_tls *tls, const struct endpoint *endpoint,
                      const struct upstream_view *view)
{
    if (tls->target.offer == TLS_OFFER_HTTP1) {
        return true;
    }
    tls->http1 = fault_hits(FAULT_ALLOC) ? NULL : calloc(1, sizeof *tls->http1);
    return tls->http1 != NULL && init_target(endpoint, view, TLS_OFFER_HTTP1, tls->http1);
}

static void free_tls(struct endpoint_tls *tls)
{
    if (tls->http1 != NULL) {
        tls_target_release(tls->http1);
    }
    tls_target_release(&tls->target);
    free(tls->http1);
    free(tls);
}

bool endpoint_tls_attach(struct endpoint *endpoint, const struct upstream_view *view)
{
    if (view->tls == NULL) {
        return true;
    }
    struct endpoint_tls *tls = fault_hits(FAULT_ALLOC) ? NULL : calloc(1, sizeof *tls);
    if (tls == NULL) {
        return false;
    }
    if (!init_target(endpoint, view, offer_of(endpoint), &tls->target) ||
        !add_http1(tls, endpoint, view)) {
        free_tls(tls);
        return false;
    }
    tls->security = (struct probe_security){begin_probe, end_probe, endpoint};
    endpoint->tls = tls;
    return true;
}

void endpoint_tls_detach(struct endpoint *endpoint)
{
    if (endpoint->tls != NULL) {
        free_tls(endpoint->tls);
        endpoint->tls = NULL;
    }
}

const struct tls_target *endpoint_tls_target(const struct endpoint *endpoint, bool http1_only)
{
    const struct endpoint_tls *tls = endpoint->tls;
    return http1_only && tls->http1 != NULL ? tls->http1 : &tls->target;
}

const struct probe_security *endpoint_tls_security(const struct endpoint *endpoint)
{
    return endpoint->tls != NULL ? &endpoint->tls->security : NULL;
}

static void count_shared(uint64_t *count)
{
    __atomic_fetch_add(count, 1, __ATOMIC_RELAXED);
}

int64_t endpoint_tls_expires_s(const struct endpoint *endpoint)
{
    return endpoint->tls != NULL ? __atomic_load_n(&endpoint->tls->peer_expires_s, __ATOMIC_RELAXED)
                                 : 0;
}

void endpoint_tls_succeeded(struct endpoint *endpoint, const struct stream *stream, bool resumed)
{
    struct upstream_tls_figures *figures = &endpoint->upstream->own->tls;
    count_shared(resumed ? &figures->resumed : &figures->full);
    /* A session keeps the certificate that was shown when it was new. */
    if (!resumed || endpoint_tls_expires_s(endpoint) == 0) {
        __atomic_store_n(&endpoint->tls->peer_expires_s, tls_client_peer_expires_s(stream),
                         __ATOMIC_RELAXED);
    }
}

void endpoint_tls_failed(struct endpoint *endpoint, enum tls_failure failure)
{
    count_shared(&endpoint->upstream->own->tls.failed[failure]);
    count_shared(&endpoint->tls->failures_count[failure]);
}

/* ---- told ---- */

static void tell_endpoint(const struct endpoint *endpoint, uint64_t now_ms,
                          pools_tls_failure_fn *tell, void *owner)
{
    struct endpoint_tls *tls = endpoint->tls;
    for (unsigned cause = 0; cause < TLS_FAILURE_COUNT; cause++) {
        uint64_t count = count_read(&tls->failures_count[cause]);
        bool early =
            tls->told_ms[cause] != 0 && now_ms < tls->told_ms[cause] + ENDPOINT_TLS_TELL_MS;
        if (count == tls->told_count[cause] || early) {
            continue;
        }
        const struct pools_tls_failure failure = {
            .upstream = endpoint->upstream->name,
            .text = endpoint->names.text,
            .address = endpoint->names.address_text,
            .server_name = tls->target.name,
            .failure = (enum tls_failure)cause,
            .count = count - tls->told_count[cause],
        };
        tls->told_count[cause] = count;
        tls->told_ms[cause] = now_ms;
        tell(&failure, owner);
    }
}

void pools_log_tls_failures(struct pools *pools, uint64_t now_ms, pools_tls_failure_fn *tell,
                            void *owner)
{
    const struct upstream_private *own;
    const struct endpoint *endpoint;
    TAILQ_FOREACH (own, &pools->known, link) {
        TAILQ_FOREACH (endpoint, &own->endpoints, link) {
            if (endpoint->tls != NULL) {
                tell_endpoint(endpoint, now_ms, tell, owner);
            }
        }
    }
}

/* From the current settings. */
static int64_t certificate_expires_s(const struct upstream *upstream)
{
    const struct endpoint *endpoint;
    TAILQ_FOREACH (endpoint, &upstream->own->endpoints, link) {
        if (endpoint->shown) {
            return endpoint->tls != NULL ? tls_client_expires_s(endpoint->tls->target.client) : 0;
        }
    }
    return 0;
}

static int64_t peer_expires_s(const struct upstream *upstream)
{
    const struct endpoint *endpoint;
    int64_t earliest_s = 0;
    TAILQ_FOREACH (endpoint, &upstream->own->endpoints, link) {
        int64_t expires_s = endpoint->shown ? endpoint_tls_expires_s(endpoint) : 0;
        if (expires_s != 0 && (earliest_s == 0 || expires_s < earliest_s)) {
            earliest_s = expires_s;
        }
    }
    return earliest_s;
}

void upstream_tls_figures(const struct upstream *upstream, struct upstream_tls_figures *ret_figures)
{
    const struct upstream_tls_figures *counts = &upstream->own->tls;
    ret_figures->full = count_read(&counts->full);
    ret_figures->resumed = count_read(&counts->resumed);
    for (unsigned cause = 0; cause < TLS_FAILURE_COUNT; cause++) {
        ret_figures->failed[cause] = count_read(&counts->failed[cause]);
    }
    ret_figures->certificate_expires_s = certificate_expires_s(upstream);
    ret_figures->peer_expires_s = peer_expires_s(upstream);
}
