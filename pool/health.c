/* Carries out the decisions of health_status.c: timers, probes, traffic shares. */
#include "pool/health_state.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pool/endpoint.h"
#include "pool/endpoint_tls.h"
#include "pool/pools.h"
#include "pool/queue.h"
#include "steady/check.h"
#include "steady/enum_names.h"
#include "steady/fault.h"

/* The first probe of an endpoint runs within this time, or within an interval if that is shorter. */
#define FIRST_PROBE_MS 1000

static void on_probe_timer(evutil_socket_t fd, short what, void *arg);
static void on_due_timer(evutil_socket_t fd, short what, void *arg);
static void on_probe_done(const struct probe_report *report, void *owner);
static void on_failures(struct message *message, void *receiver);

ENUM_NAME_FUNCTION(health_event_name, enum health_event, HEALTH_EVENTS)

static uint64_t now_ms(void)
{
    struct loop_clock clock = {0};
    return loop_clock_ms(&clock);
}

static void arm(struct event *timer, uint64_t wait_ms)
{
    const struct timeval wait = {(time_t)(wait_ms / 1000), (suseconds_t)(wait_ms % 1000) * 1000};
    event_add(timer, &wait);
}

/* ---- life ---- */

bool pools_start_health(struct pools *pools, const struct health_env *env)
{
    CHECK(pools->health == NULL && TAILQ_EMPTY(&pools->known));
    struct health *health = fault_hits(FAULT_ALLOC) ? NULL : calloc(1, sizeof *health);
    if (health == NULL) {
        return false;
    }
    health->env = *env;
    rng_init_random(&health->rng);
    bound_init(&health->probes_in_flight, "health_probes", NULL, HEALTH_PROBES);
    bound_register(pools->registry, &health->probes_in_flight);
    pools->health = health;
    return true;
}

void health_stop(struct pools *pools)
{
    if (pools->health == NULL) {
        return;
    }
    bound_remove(pools->registry, &pools->health->probes_in_flight);
    free(pools->health);
    pools->health = NULL;
}

bool health_attach(struct endpoint *endpoint)
{
    struct health *health = endpoint->pools->health;
    struct endpoint_health *own = fault_hits(FAULT_ALLOC) ? NULL : calloc(1, sizeof *own);
    if (own == NULL) {
        return false;
    }
    own->endpoint = endpoint;
    own->created_ms = now_ms();
    health_status_init(&own->status, own->created_ms);
    if (health != NULL) {
        event_assign(&own->probe_timer, health->env.base, -1, 0, on_probe_timer, own);
        event_assign(&own->due_timer, health->env.base, -1, 0, on_due_timer, own);
    }
    endpoint->health = own;
    endpoint->verdict.traffic_share = TRAFFIC_SHARE_WHOLE;
    return true;
}

static void let_go(struct endpoint_health *own)
{
    own->settings = NULL;
    __atomic_store_n(&own->endpoint->verdict.eject_after_count, 0, __ATOMIC_RELAXED);
    if (own->endpoint->pools->health == NULL) {
        return;
    }
    probe_cancel(&own->probe);
    event_del(&own->probe_timer);
    event_del(&own->due_timer);
}

void health_detach(struct endpoint *endpoint)
{
    if (endpoint->health != NULL) {
        let_go(endpoint->health);
    }
    free(endpoint->health);
    endpoint->health = NULL;
}

/* ---- traffic shares ---- */

static void tell(const struct upstream_private *own, const struct endpoint *endpoint,
                 enum health_event event, const char *why)
{
    const struct health_env *env = &own->pools->health->env;
    const struct health_change change = {
        .event = event,
        .upstream = own->upstream.name,
        .endpoint = endpoint != NULL ? endpoint->names.text : NULL,
        .address = endpoint != NULL ? endpoint->names.address_text : NULL,
        .why = why,
    };
    if (env->on_change != NULL) {
        env->on_change(&change, env->owner);
    }
}

struct census {
    size_t count, healthy_count, usable_count, ejected_count; /* without drained endpoints */
    const struct health_settings *settings;                   /* NULL: no settings are followed */
};

/* Upkeep tries again and again, and none of it has led to a connection. */
static bool is_unreached(const struct endpoint *endpoint)
{
    const struct endpoint_upkeep *upkeep = &endpoint->upkeep;
    return endpoint_warm_count(endpoint) > 0 &&
           __atomic_load_n(&upkeep->redial_failures_count, __ATOMIC_RELAXED) > 0 &&
           bound_used(&endpoint->connections) == 0;
}

/* Of the backups, or of all others. */
static struct census take_census_of(const struct upstream_private *own, bool backups)
{
    struct census census = {0};
    const struct endpoint *endpoint;
    TAILQ_FOREACH (endpoint, &own->endpoints, link) {
        const struct endpoint_health *health = endpoint->health;
        if (health->settings == NULL || health->drained || endpoint->backup != backups) {
            continue;
        }
        census.settings = health->settings;
        census.count++;
        bool healthy = health->status.state == HEALTH_STATUS_UP;
        census.healthy_count += healthy;
        census.usable_count += healthy && !is_unreached(endpoint);
        census.ejected_count += health->status.state == HEALTH_STATUS_EJECTED;
    }
    return census;
}

/* While none of the endpoints in ordinary use is healthy, but a backup is, the backups are the upstream. */
static struct census take_census(const struct upstream_private *own)
{
    const struct census ordinary = take_census_of(own, false);
    if (ordinary.healthy_count > 0) {
        return ordinary;
    }
    const struct census backups = take_census_of(own, true);
    return backups.healthy_count > 0 ? backups : ordinary;
}

static uint32_t share_of(const struct endpoint_health *own, bool panic, uint64_t at_ms)
{
    if (own->drained) {
        return 0;
    }
    if (panic) {
        return TRAFFIC_SHARE_WHOLE;
    }
    return own->status.state == HEALTH_STATUS_UP
               ? health_status_share(&own->status, own->settings, at_ms)
               : 0;
}

/* Computes the endpoint's share again, and when to compute it next. */
static void share_anew(struct endpoint_health *own, uint64_t at_ms)
{
    bool panic = own->endpoint->upstream->own->panic;
    uint64_t due_ms = health_status_due_ms(&own->status, own->settings, at_ms);
    __atomic_store_n(&own->endpoint->verdict.traffic_share, share_of(own, panic, at_ms),
                     __ATOMIC_RELAXED);
    if (due_ms == UINT64_MAX) {
        event_del(&own->due_timer);
    } else if (!event_pending(&own->due_timer, EV_TIMEOUT, NULL)) {
        arm(&own->due_timer, due_ms > at_ms ? due_ms - at_ms : 0);
    }
}

/* The status of one endpoint can change the shares of all. */
static void settle(struct upstream_private *own)
{
    const struct census census = take_census(own);
    uint64_t at_ms = now_ms();
    const struct endpoint *endpoint;
    bool before = own->panic;
    own->panic = census.settings != NULL &&
                 health_status_panics(census.settings, census.healthy_count, census.count);
    TAILQ_FOREACH (endpoint, &own->endpoints, link) {
        if (endpoint->health->settings != NULL) {
            share_anew(endpoint->health, at_ms);
        }
    }
    if (own->panic == before) {
        return;
    }
    char why[HEALTH_WHY_BYTES];
    snprintf(why, sizeof why, "%zu of %zu endpoints are healthy", census.healthy_count,
             census.count);
    own->panics_count += own->panic;
    tell(own, NULL, own->panic ? HEALTH_EVENT_PANIC : HEALTH_EVENT_CALM, why);
}

/* Why the status is what it is. */
__attribute__((format(printf, 2, 3))) static void explain(struct endpoint_health *own,
                                                          const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(own->why, sizeof own->why, format, arguments);
    va_end(arguments);
}

static void changed(struct endpoint_health *own, enum health_event event, const char *why)
{
    own->changes++;
    __atomic_store_n(&own->endpoint->verdict.failures_count, 0, __ATOMIC_RELAXED);
    event_del(&own->due_timer);
    tell(own->endpoint->upstream->own, own->endpoint, event, why);
    settle(own->endpoint->upstream->own);
}

static void on_due_timer(evutil_socket_t fd, short what, void *arg)
{
    struct endpoint_health *own = arg;
    (void)fd;
    (void)what;
    if (health_status_on_time(&own->status, now_ms())) {
        explain(own, "its ejection is over");
        changed(own, HEALTH_EVENT_UP, own->why);
    } else {
        share_anew(own, now_ms());
    }
}

/* ---- attempts ---- */

void endpoint_answered(struct pool_worker *worker, struct endpoint *endpoint, uint64_t latency_us)
{
    latency_add(&endpoint->latency, latency_us, false, loop_clock_us(&worker->env.loop->clock));
    endpoint_answered_early(endpoint);
}

void endpoint_answered_early(struct endpoint *endpoint)
{
    if (__atomic_load_n(&endpoint->verdict.failures_count, __ATOMIC_RELAXED) != 0) {
        __atomic_store_n(&endpoint->verdict.failures_count, 0, __ATOMIC_RELAXED);
    }
}

static uint32_t count_failure(struct endpoint *endpoint, const struct endpoint_failure *failure)
{
    uint32_t count = __atomic_add_fetch(&endpoint->verdict.failures_count, 1, __ATOMIC_RELAXED);
    if (failure->unreached) {
        strata_row_add_unreached(&endpoint->verdict.failures_row, count == 1);
    } else {
        strata_row_add(&endpoint->verdict.failures_row, failure->strata, count == 1);
    }
    return count;
}

void endpoint_failed(struct pool_worker *worker, struct endpoint *endpoint,
                     const struct endpoint_failure *failure, uint64_t latency_us)
{
    latency_add(&endpoint->latency, latency_us, true, loop_clock_us(&worker->env.loop->clock));
    __atomic_store_n(&endpoint->verdict.failed_ms, loop_now_ms(worker->env.loop), __ATOMIC_RELAXED);
    __atomic_store_n(&endpoint->verdict.failed_status, (uint16_t)failure->status, __ATOMIC_RELAXED);
    __atomic_store_n(&endpoint->verdict.failed_cause, failure->cause, __ATOMIC_RELAXED);
    uint32_t count = count_failure(endpoint, failure);
    uint32_t enough = __atomic_load_n(&endpoint->verdict.eject_after_count, __ATOMIC_RELAXED);
    if (enough > 0 && count >= enough &&
        strata_row_speaks_for_all(&endpoint->verdict.failures_row, enough, failure->with_traffic) &&
        !__atomic_exchange_n(&endpoint->verdict.failures_told, true, __ATOMIC_ACQ_REL)) {
        mailbox_post(endpoint->pools->health->env.mailbox, &endpoint->health->failures,
                     on_failures);
    }
}

static void on_failures(struct message *message, void *receiver)
{
    struct endpoint_health *own = container_of(message, struct endpoint_health, failures);
    struct endpoint *endpoint = own->endpoint;
    (void)receiver;
    __atomic_store_n(&endpoint->verdict.failures_told, false, __ATOMIC_RELEASE);
    uint32_t count = __atomic_load_n(&endpoint->verdict.failures_count, __ATOMIC_RELAXED);
    if (own->settings == NULL || own->drained || count < own->settings->eject_after_count) {
        return;
    }
    __atomic_store_n(&endpoint->verdict.failures_count, 0, __ATOMIC_RELAXED);
    const struct census census = take_census_of(endpoint->upstream->own, endpoint->backup);
    if (!health_status_may_eject(own->settings, census.ejected_count, census.count) ||
        !health_status_on_failures(&own->status, own->settings, &endpoint->pools->health->rng,
                                   now_ms())) {
        return;
    }
    own->ejections++;
    explain(own, "%u attempts in a row failed", count);
    changed(own, HEALTH_EVENT_EJECTED, own->why);
}

/* ---- probes ---- */

static bool probes_wanted(const struct health_settings *settings)
{
    return settings->type != HEALTH_HTTP || settings->path[0] != '\0';
}

static void arm_probe(struct endpoint_health *own, uint64_t wait_ms)
{
    own->next_probe_ms = now_ms() + wait_ms;
    arm(&own->probe_timer, wait_ms);
}

static bool asks_over_http2(const struct endpoint_health *own)
{
    return own->settings->type == HEALTH_GRPC ||
           (own->settings->type == HEALTH_HTTP &&
            __atomic_load_n(&own->endpoint->speaks, __ATOMIC_RELAXED) != UPSTREAM_HTTP1);
}

/* The endpoint's address, at the port of probes if they have one. */
static struct address probe_address(const struct endpoint_health *own)
{
    struct address address = own->endpoint->address;
    in_port_t port = htons((uint16_t)own->settings->port);
    if (port != 0 && address.any.sa_family == AF_INET) {
        address.v4.sin_port = port;
    } else if (port != 0 && address.any.sa_family == AF_INET6) {
        address.v6.sin6_port = port;
    }
    return address;
}

static void on_probe_timer(evutil_socket_t fd, short what, void *arg)
{
    struct endpoint_health *own = arg;
    struct pools *pools = own->endpoint->pools;
    struct health *health = pools->health;
    const struct probe_env env = {health->env.base, pools->fds, &health->probes_in_flight,
                                  pools->probe_http2, on_probe_done};
    const struct probe_target target = {
        probe_address(own),
        own->settings->host[0] != '\0' ? own->settings->host : endpoint_authority(own->endpoint),
        own->settings,
        own->settings->type == HEALTH_TCP ? NULL : endpoint_tls_security(own->endpoint),
        own->endpoint->proxy_header != PROXY_HEADER_NONE,
        asks_over_http2(own)};
    (void)fd;
    (void)what;
    own->probe = probe_start(&env, &target, own);
    if (own->probe == NULL) {
        own->probes_put_off++;
        arm_probe(own, health_status_probe_wait_ms(&own->status, own->settings, &health->rng));
    }
}

/* A lack of descriptors, ports or memory is this process's and says nothing about the endpoint. */
static bool is_evidence(const struct probe_report *report)
{
    if (report->result == PROBE_NO_TLS) {
        return report->tls != TLS_FAILURE_NO_MEMORY;
    }
    return report->result != PROBE_NO_CONNECTION ||
           (report->dial != DIAL_NO_FD && report->dial != DIAL_NO_ADDRESS_PORT);
}

static void explain_by_report(struct endpoint_health *own, const struct probe_report *report)
{
    if (report->result == PROBE_GOOD) {
        explain(own, "probes are answered");
    } else if (report->result == PROBE_STATUS) {
        explain(own, "probes are answered with %u", report->status);
    } else if (report->result == PROBE_GRPC) {
        explain(own, "probes fail: the health service answers with grpc-status %u", report->grpc);
    } else if (report->result == PROBE_NO_CONNECTION) {
        explain(own, "probes fail: %s", dial_result_name(report->dial));
    } else if (report->result == PROBE_NO_TLS) {
        explain(own, "probes fail: TLS: %s", tls_failure_name(report->tls));
    } else {
        explain(own, "probes fail: %s", probe_result_name(report->result));
    }
}

/* An endpoint that stays down may do so for another cause than it went down for. */
static void take_report(struct endpoint_health *own, const struct probe_report *report)
{
    bool good = report->result == PROBE_GOOD;
    ++*(good ? &own->probes_good : &own->probes_failed);
    bool change = health_status_on_probe(&own->status, own->settings, good, now_ms());
    if (change || (!good && own->status.state == HEALTH_STATUS_DOWN)) {
        explain_by_report(own, report);
    }
    if (change) {
        changed(own, good ? HEALTH_EVENT_UP : HEALTH_EVENT_DOWN, own->why);
    }
}

static void on_probe_done(const struct probe_report *report, void *owner)
{
    struct endpoint_health *own = owner;
    struct health *health = own->endpoint->pools->health;
    own->probe = NULL;
    if (is_evidence(report)) {
        take_report(own, report);
    } else {
        own->probes_put_off++;
    }
    arm_probe(own, health_status_probe_wait_ms(&own->status, own->settings, &health->rng));
}

/* ---- settings ---- */

/* Starts, continues or ends probes as the settings say. */
static void watch(struct endpoint_health *own)
{
    struct health *health = own->endpoint->pools->health;
    uint64_t interval_ms = own->settings->interval_ms;
    if (!probes_wanted(own->settings)) {
        probe_cancel(&own->probe);
        event_del(&own->probe_timer);
        if (health_status_on_blindness(&own->status, now_ms())) {
            explain(own, "it is no longer probed");
            changed(own, HEALTH_EVENT_UP, own->why);
        }
        return;
    }
    if (own->probe != NULL) {
        return;
    }
    if (!event_pending(&own->probe_timer, EV_TIMEOUT, NULL)) {
        arm_probe(own, rng_below(&health->rng,
                                 interval_ms < FIRST_PROBE_MS ? interval_ms : FIRST_PROBE_MS));
    } else if (own->next_probe_ms > now_ms() + interval_ms) {
        arm_probe(own, health_status_probe_wait_ms(&own->status, own->settings, &health->rng));
    }
}

static void follow_view(const struct upstream_view *view)
{
    const struct health_settings *settings = &view->settings->health;
    for (size_t i = 0; i < view->endpoint_count; i++) {
        struct endpoint *endpoint = view->endpoints[i];
        endpoint->health->settings = settings;
        endpoint->backup = i >= view->groups[GROUP_ORDINARY].endpoint_count;
        __atomic_store_n(&endpoint->verdict.eject_after_count,
                         (uint32_t)settings->eject_after_count, __ATOMIC_RELAXED);
    }
    for (size_t i = 0; i < view->endpoint_count; i++) {
        watch(view->endpoints[i]->health);
    }
    settle(view->upstream->own);
}

void health_follow(struct pools *pools, const struct upstream_set *newest)
{
    struct upstream_private *own;
    struct endpoint *endpoint;
    if (pools->health == NULL) {
        return;
    }
    TAILQ_FOREACH (own, &pools->known, link) {
        TAILQ_FOREACH (endpoint, &own->endpoints, link) {
            if (endpoint->shown) {
                endpoint->health->settings = NULL; /* until its view is met */
            } else {
                let_go(endpoint->health);
            }
        }
    }
    for (size_t v = 0; newest != NULL && v < newest->count; v++) {
        follow_view(&newest->views[v]);
    }
}

/* ---- the operator ---- */

static const char said_so[] = "by the operator";

/* What the status is otherwise, and why, is kept meanwhile: an endpoint that is down is so when it is given back. */
static void set_drained(struct endpoint_health *own, bool drained)
{
    if (own->drained == drained) {
        return;
    }
    own->drained = drained;
    if (!drained && own->status.state == HEALTH_STATUS_UP) {
        health_status_on_return(&own->status, now_ms());
        explain(own, said_so);
    }
    changed(own, drained ? HEALTH_EVENT_DRAINED : HEALTH_EVENT_UNDRAINED, said_so);
}

bool health_drain(struct endpoint *endpoint, bool drained)
{
    if (endpoint->health->settings == NULL) {
        return false;
    }
    set_drained(endpoint->health, drained);
    return true;
}

size_t pools_drain(struct pools *pools, const char *upstream, const char *name, bool drained)
{
    struct upstream_private *own;
    struct endpoint *endpoint;
    size_t count = 0;
    TAILQ_FOREACH (own, &pools->known, link) {
        if (strcmp(own->upstream.name, upstream) != 0) {
            continue;
        }
        TAILQ_FOREACH (endpoint, &own->endpoints, link) {
            struct endpoint_health *health = endpoint->health;
            if (health->settings == NULL || (strcmp(endpoint->names.text, name) != 0 &&
                                             strcmp(endpoint->names.address_text, name) != 0)) {
                continue;
            }
            count++;
            set_drained(health, drained);
        }
    }
    return count;
}

struct upstream_health upstream_health(const struct upstream *upstream)
{
    const struct census census = take_census(upstream->own);
    return (struct upstream_health){.endpoint_count = census.count,
                                    .healthy_count = census.healthy_count,
                                    .usable_count = census.usable_count,
                                    .panic = upstream->own->panic,
                                    .panics_count = upstream->own->panics_count};
}

void health_fill(const struct endpoint *endpoint, struct endpoint_figures *figures)
{
    const struct endpoint_health *own = endpoint->health;
    uint64_t at_ms = now_ms();
    struct loop_clock clock = {0};
    figures->status = own->drained ? "drained" : health_status_state_name(own->status.state);
    figures->why = own->drained ? said_so : own->why;
    figures->health_status_ms = at_ms - own->status.since_ms;
    figures->age_ms = at_ms - own->created_ms;
    figures->healthy = !own->drained && own->status.state == HEALTH_STATUS_UP;
    figures->traffic_share =
        (double)__atomic_load_n(&endpoint->verdict.traffic_share, __ATOMIC_RELAXED) /
        (double)TRAFFIC_SHARE_WHOLE;
    figures->latency_us = (uint64_t)latency_now_us(&endpoint->latency, loop_clock_us(&clock));
    figures->failures_row = __atomic_load_n(&endpoint->verdict.failures_count, __ATOMIC_RELAXED);
    uint64_t failed_ms = __atomic_load_n(&endpoint->verdict.failed_ms, __ATOMIC_RELAXED);
    figures->failed_ago_ms = failed_ms != 0 && at_ms > failed_ms ? at_ms - failed_ms : 0;
    figures->failed_status = __atomic_load_n(&endpoint->verdict.failed_status, __ATOMIC_RELAXED);
    figures->failed_cause = __atomic_load_n(&endpoint->verdict.failed_cause, __ATOMIC_RELAXED);
    figures->probes_good = own->probes_good;
    figures->probes_failed = own->probes_failed;
    figures->probes_put_off = own->probes_put_off;
    figures->ejections = own->ejections;
    figures->changes = own->changes;
}
