/* The exchange: from a parsed head to its route, and its only exit. */
#include "proxy/exchange/exchange.h"

#include <stddef.h>

#include "pool/traffic.h"
#include "proxy/exchange/exchange_auth.h"
#include "proxy/exchange/exchange_parts.h"
#include "proxy/exchange/exchange_placement.h"
#include "proxy/exchange/exchange_trace.h"
#include "proxy/exchange/field_trust.h"
#include "proxy/exchange/hedge.h"
#include "proxy/exchange/upgrade.h"
#include "proxy/http/hop_fields.h"
#include "proxy/http/target_path.h"
#include "proxy/policy/call_strata.h"
#include "proxy/policy/shards.h"
#include "proxy/worker/route_find.h"
#include "steady/deadline.h"
#include "steady/leak.h"

/* Of requests that are looked at more closely. A gRPC call over HTTP/1 says that it takes trailers. */
#define ODD_FACTS (FACT_UPGRADE | FACT_UNDERSCORE | FACT_TE_TRAILERS | FACT_GRPC)

/* What most exchanges never use, HTTP/2 towards upstreams among it, is behind. */
#define EXCHANGE_ZEROED_BYTES \
    (offsetof(struct exchange, attempt.upstream) + sizeof(struct h1_upstream))

static void exchange_route(struct exchange *exchange);

static struct exchange *exchange_create(const struct exchange_origin *origin,
                                        const struct downstream_ops *downstream, void *owner)
{
    struct worker *worker = origin->worker;
    struct exchange *exchange = slab_take_zeroed(worker->exchanges, EXCHANGE_ZEROED_BYTES);
    if (exchange == NULL) {
        return NULL;
    }
    exchange->worker = worker;
    exchange->origin = origin;
    exchange->downstream = downstream;
    exchange->owner = owner;
    exchange->endpoint_text[0] = '\0';
    exchange->target = (struct exchange_target){NULL, "", "", &worker->stats.no_route, {0, 0}};
    exchange->times.started_us = loop_clock_us(&worker->loop.clock);
    exchange->times.queue_us = exchange->times.first_byte_us = -1;
    exchange->times.connect_us = exchange->times.tls_us = -1;
    exchange->admission.waiter.on_turn = exchange_on_turn;
    exchange->admission.waiter.on_dropped = exchange_on_dropped;
    exchange->admission.gate_waiter.on_turn = exchange_on_gate;
    wheel_timer_init(&exchange->timer, exchange_on_timer);
    attempt_init(exchange);
    return exchange;
}

static void exchange_free_now(struct deferred_free *freed, void *owner)
{
    struct exchange *exchange = container_of(freed, struct exchange, freed);
    struct worker *worker = owner;
    buf_give(worker->bufs, &exchange->head_buf);
    request_body_release(&exchange->body, worker);
    exchange_edge_release(exchange);
    slab_give(worker->exchanges, &exchange);
}

/* Copies the head. False: no memory. */
static bool exchange_take_head(struct exchange *exchange, const struct http_head *head)
{
    char *space = exchange->head_space;
    size_t bytes = head_copy_bytes(head);
    if (bytes > sizeof exchange->head_space) {
        exchange->head_buf = buf_take(exchange->worker->bufs, bytes);
        if (exchange->head_buf == NULL) {
            return false;
        }
        space = exchange->head_buf->bytes;
    }
    head_copy(head, &exchange->request, space);
    exchange->body.moved_ms = exchange_now_ms(exchange);
    return true;
}

__attribute__((noinline)) static void count_user_agent(struct worker *worker,
                                                       const struct http_head *head)
{
    const struct http_field *field = head_find(head, FIELD_USER_AGENT);
    enum user_agent kind = field != NULL
                               ? user_agent_of(head->base + field->value_at, field->value_bytes)
                               : USER_AGENT_OTHER;
    stat_add(&worker->stats.by_user_agent[kind], 1);
}

bool exchange_start(const struct exchange_origin *origin, const struct downstream_ops *downstream,
                    void *owner, const struct http_head *head, const struct payload *payload,
                    struct exchange **ret_exchange)
{
    struct worker *worker = origin->worker;
    struct exchange *exchange = exchange_create(origin, downstream, owner);
    if (exchange == NULL) {
        return false;
    }
    if (!exchange_take_head(exchange, head)) {
        slab_give(worker->exchanges, &exchange);
        return false;
    }
    stat_add(&worker->stats.exchanges_started, 1);
    if (__builtin_expect(worker->generation->settings->admin.user_agents, 0)) {
        count_user_agent(worker, head);
    }
    exchange->body.bytes = payload_bytes(payload);
    exchange->body.state = payload->last ? REQUEST_WHOLE : REQUEST_ARRIVING;
    *ret_exchange = exchange;
    exchange_route(exchange);
    if (__builtin_expect(payload->trailers != NULL, 0)) {
        field_trust_trailers(exchange, payload->trailers);
    }
    exchange_send_or_hold(exchange, payload);
    return true;
}

struct exchange *exchange_start_inner(const struct exchange_origin *origin,
                                      const struct downstream_ops *ops, void *owner,
                                      const struct http_head *head)
{
    struct exchange *exchange = exchange_create(origin, ops, owner);
    if (exchange != NULL && !exchange_take_head(exchange, head)) {
        slab_give(origin->worker->exchanges, &exchange);
        return NULL;
    }
    if (exchange != NULL) {
        exchange->looked = true; /* there is no client to look at */
        exchange->body.state = REQUEST_WHOLE;
    }
    return exchange;
}

bool exchange_start_twin(struct exchange *exchange, const struct downstream_ops *ops,
                         struct exchange **ret_twin)
{
    struct exchange *twin =
        exchange_start_inner(exchange->origin, ops, exchange, &exchange->request);
    if (twin == NULL) {
        return false;
    }
    if (!exchange_edge_share(twin, exchange)) {
        exchange_free_now(&twin->freed, exchange->worker);
        return false;
    }
    twin->target = exchange->target;
    twin->times.deadline_ms = exchange->times.deadline_ms;
    twin->times.end_ms = exchange->times.end_ms;
    twin->times.allowed_ms = exchange->times.allowed_ms;
    twin->trusted = exchange->trusted;
    twin->forward = exchange->forward;
    twin->told_client = exchange->told_client;
    twin->tries.attempts_before = exchange->tries.attempts_before;
    twin->tries.retries_count = 1;
    twin->tries.tried[twin->tries.tried_count++] = exchange->attempt.endpoint;
    *ret_twin = twin;
    return true;
}

bool exchange_refuse(const struct exchange_origin *origin, const struct downstream_ops *downstream,
                     void *owner, enum exchange_reason reason, const char *detail,
                     const struct http_head *seen, struct exchange **ret_exchange)
{
    struct exchange *exchange = exchange_create(origin, downstream, owner);
    if (exchange == NULL) {
        return false;
    }
    stat_add(&origin->worker->stats.exchanges_started, 1);
    exchange->request = seen != NULL ? *seen : (struct http_head){.base = ""};
    *ret_exchange = exchange;
    exchange_fail(exchange, reason, detail);
    return true;
}

/* Answers requests that are answered before routing. False: the exchange continues. */
static bool exchange_ends_here(struct exchange *exchange)
{
    const struct http_head *head = &exchange->request;
    if (__builtin_expect(forward_ends_here(exchange), 0)) {
        exchange_fail(exchange, REASON_NOT_IMPLEMENTED, "Max-Forwards");
    } else if (__builtin_expect(head->method == METHOD_CONNECT, 0)) {
        exchange_fail(exchange, REASON_NOT_IMPLEMENTED, "CONNECT");
    } else if (generation_probed(exchange->worker->generation, head)) {
        exchange_fail(exchange, worker_ready(exchange->worker) ? REASON_READY : REASON_NOT_READY,
                      NULL);
    } else if (worker_refuses_work(exchange->worker)) {
        exchange_fail(exchange, REASON_NO_MEMORY, "memory_pressure");
    } else {
        return false;
    }
    return true;
}

/* What few requests have. False: the exchange has been answered. */
__attribute__((noinline)) static bool exchange_take_odd(struct exchange *exchange,
                                                        const struct upstream_settings *upstream,
                                                        const struct route_settings *route)
{
    const struct settings *settings = exchange->worker->generation->settings;
    if (exchange->request.facts & FACT_UNDERSCORE) {
        field_trust_underscores(exchange, &settings->headers, &exchange->request);
    }
    if (exchange->request.facts & FACT_UPGRADE) {
        upgrade_narrow(exchange, route);
        exchange->attempt.request.whole_only = (exchange->request.facts & FACT_UPGRADE) != 0;
    }
    exchange_find_call(exchange);
    if (exchange_is_call(exchange) && !hop_grpc_valid(&exchange->request)) {
        exchange_fail(exchange, REASON_REQUEST_INVALID, "grpc-timeout");
        return false;
    }
    if (exchange->attempt.request.whole_only && upstream->protocol == UPSTREAM_HTTP2) {
        exchange_fail(exchange, REASON_NOT_IMPLEMENTED,
                      "Upgrade needs an upstream that speaks HTTP/1");
        return false;
    }
    return true;
}

/* Resolves the dot segments of the target, which is the exchange's own copy. False: it leads above the root. */
static bool exchange_resolve_target(struct exchange *exchange)
{
    struct span *target = &exchange->request.target;
    char *at = (char *)(uintptr_t)head_text(&exchange->request, *target);
    size_t bytes;
    if (!target_resolve(at, target->bytes, &bytes)) {
        return false;
    }
    target->bytes = (uint32_t)bytes;
    return true;
}

/* The answer to a request that has no route. */
__attribute__((noinline)) static void exchange_fail_route(struct exchange *exchange,
                                                          enum route_result result)
{
    static const struct {
        enum exchange_reason reason;
        const char *detail;
    } rows[] = {
        [ROUTE_NONE] = {REASON_NO_ROUTE, NULL},
        [ROUTE_CUT] = {REASON_REGEX_LIMIT, NULL},
        [ROUTE_AMBIGUOUS] = {REASON_REQUEST_INVALID, "ambiguous_path"},
        [ROUTE_CLIMBS] = {REASON_REQUEST_INVALID, "path_above_root"},
        [ROUTE_NO_MEMORY] = {REASON_NO_MEMORY, NULL},
    };
    exchange_fail(exchange, rows[result].reason, rows[result].detail);
}

static struct route_request exchange_route_request(const struct exchange *exchange)
{
    const struct http_head *head = &exchange->request;
    const struct worker *worker = exchange->worker;
    const struct generation *generation = worker->generation;
    const char *target = head_text(head, head->target);
    return (struct route_request){
        .head = head,
        .listener_name = exchange->origin->listener->name,
        .client = &exchange_client(exchange)->any,
        .scratch = generation->scratch != NULL ? generation->scratch[worker->env.index] : NULL,
        .path = {target, target_path_bytes(target, head->target.bytes)},
        .host = route_host_of(head),
    };
}

/* False: there is none, and the exchange has been answered. */
static bool exchange_find_route(struct exchange *exchange, const struct route **ret_route)
{
    const struct http_head *head = &exchange->request;
    const struct generation *generation = exchange->worker->generation;
    /* the bytes before the end of a target that is shorter belong to the exchange or its buffer */
    unsigned shape = target_shape_fast(head_text(head, head->target), head->target.bytes);
    if (__builtin_expect(shape & TARGET_DOTTED, 0) && !exchange_resolve_target(exchange)) {
        exchange_fail_route(exchange, ROUTE_CLIMBS);
        return false;
    }
    if (exchange_ends_here(exchange)) {
        return false;
    }
    const struct exchange_listener *listener = exchange->origin->listener;
    if (shape == 0 && listener->only_route != NULL && listener->routed_in == generation->number) {
        *ret_route = listener->only_route;
        return true;
    }
    const struct route_request request = exchange_route_request(exchange);
    enum route_result result =
        __builtin_expect(shape & TARGET_ODD, 0)
            ? route_find_odd(generation, &request, exchange->worker->bufs, ret_route)
            : generation_route(generation, &request, ret_route);
    if (result != ROUTE_FOUND) {
        exchange_fail_route(exchange, result);
    }
    return result == ROUTE_FOUND;
}

/* A route that answers by itself. */
__attribute__((noinline)) static void exchange_answer_route(struct exchange *exchange,
                                                            const struct route *route)
{
    struct worker *worker = exchange->worker;
    exchange->target.route_name = route->figures->name;
    exchange->target.stats = &route->figures->by_worker[worker->env.index];
    if (exchange->request.facts & FACT_UNDERSCORE) {
        field_trust_underscores(exchange, &worker->generation->settings->headers,
                                &exchange->request);
    }
    if (exchange_edge_begin(exchange, route, NULL)) {
        exchange_fail(exchange, REASON_NO_ROUTE, NULL); /* no settings that are valid lead here */
    }
}

uint64_t exchange_body_limit(const struct exchange *exchange)
{
    const struct route_settings *route = exchange->edge.route;
    return __builtin_expect(route != NULL, 0) && route->body_bytes != 0
               ? route->body_bytes
               : exchange->worker->generation->settings->limits.body_bytes;
}

static bool exchange_is_too_large(const struct exchange *exchange)
{
    const struct http_head *head = &exchange->request;
    uint64_t most_bytes = exchange_body_limit(exchange);
    return (head->framing == FRAMING_LENGTH && head->content_length > most_bytes) ||
           exchange->body.bytes > most_bytes;
}

/* The last questions before places are asked for. False: the exchange has been answered. */
__attribute__((always_inline)) static inline bool exchange_is_fine(
    struct exchange *exchange, const struct upstream_settings *upstream,
    const struct route_settings *route)
{
    const struct http_head *head = &exchange->request;
    if (__builtin_expect(head->framing != FRAMING_NONE, 0) && exchange_is_too_large(exchange)) {
        exchange_fail(exchange, REASON_BODY_TOO_LARGE, NULL);
        return false;
    }
    exchange_set_deadline(exchange, upstream, route);
    if (__builtin_expect(exchange->times.deadline_asked, 0) && exchange_hopeless(exchange)) {
        exchange_fail(exchange, REASON_HOPELESS, NULL);
        return false;
    }
    exchange->body.continue_awaited = (head->facts & FACT_EXPECT_CONTINUE) != 0;
    return true;
}

/* A route that does more than forward. Who was asked about has passed the rates. */
__attribute__((noinline)) static void exchange_route_edge(struct exchange *exchange,
                                                          const struct upstream_settings *settings,
                                                          const struct route *route,
                                                          const struct route_upstream *upstream)
{
    if (exchange_edge_begin(exchange, route, upstream) &&
        exchange_is_fine(exchange, settings, route->settings) &&
        (exchange->edge.auth != NULL || exchange_rates_pass(exchange, route))) {
        exchange_begin(exchange);
    }
}

static void exchange_route(struct exchange *exchange)
{
    struct worker *worker = exchange->worker;
    const struct generation *generation = worker->generation;
    const struct http_head *head = &exchange->request;
    const struct route *route;
    exchange->trusted = exchange->origin->trusted;
    forward_prepare(exchange, generation->settings);
    if (!exchange_find_route(exchange, &route)) {
        return;
    }
    const struct route_upstream *upstream = route->settings->upstreams; /* NULL: none */
    if (__builtin_expect(route->split, 0)) {
        upstream = exchange_split(exchange, route);
    }
    if (__builtin_expect(__atomic_load_n(&route->figures->maintenance, __ATOMIC_RELAXED) != 0, 0) &&
        exchange_is_maintained(exchange, route, upstream)) {
        return;
    }
    if (__builtin_expect(upstream == NULL, 0)) {
        exchange_answer_route(exchange, route);
        return;
    }
    const struct upstream_view *view = &generation->upstreams->views[upstream->index];
    exchange->target = (struct exchange_target){
        view->upstream,
        view->upstream->name,
        route->figures->name,
        &route->figures->by_worker[worker->env.index],
        {exchange_client_stratum(exchange),
         call_path_stratum(worker->env.strata_seed, route->figures->name, head)}};
    if (__builtin_expect(head->facts & ODD_FACTS, 0) &&
        !exchange_take_odd(exchange, view->settings, route->settings)) {
        return;
    }
    if (__builtin_expect(route->edge, 0)) {
        exchange_route_edge(exchange, view->settings, route, upstream);
        return;
    }
    if (exchange_is_fine(exchange, view->settings, route->settings) &&
        exchange_rates_pass(exchange, route)) {
        exchange_begin(exchange);
    }
}

void exchange_go_on_behind_auth(struct exchange *exchange)
{
    if (exchange_edge_go_on(exchange)) {
        exchange_forward_late(exchange);
    }
}

void exchange_forward_late(struct exchange *exchange)
{
    if (exchange->target.upstream == NULL) {
        exchange_fail(exchange, REASON_NO_ROUTE, NULL); /* no settings that are valid lead here */
        return;
    }
    const uint64_t deadline_ms = exchange->times.deadline_ms; /* which the wait was part of */
    exchange->body.moved_ms = exchange_now_ms(exchange); /* which the client could not send in */
    if (!exchange_is_fine(exchange, exchange_settings(exchange), exchange->edge.route)) {
        return;
    }
    exchange->times.deadline_ms = deadline_earlier(exchange->times.deadline_ms, deadline_ms);
    exchange_begin(exchange);
    exchange_go_on(exchange);
    if (exchange->stage == EXCHANGE_AWAITING_BODY) {
        exchange_read_body(exchange);
    }
}

/* ---- the end ---- */

/* The bound that refuses an exchange which has waited in vain; NULL: another reason, or counted already. */
static struct bound *exchange_refused_by(const struct exchange *exchange,
                                         enum exchange_reason reason)
{
    switch ((unsigned)reason) {
    case REASON_QUEUE_TIMEOUT:
    case REASON_QUEUE_DROPPED: return &exchange->target.upstream->queued;
    case REASON_NO_DESCRIPTORS: return &exchange->worker->env.bounds->fds;
    case REASON_SHARD_TIMEOUT: return &exchange->admission.shard->gate.waiting;
    default: return NULL;
    }
}

void exchange_fail(struct exchange *exchange, enum exchange_reason reason, const char *detail)
{
    if (exchange_is_over(exchange)) {
        return;
    }
    struct bound *refuser = exchange_refused_by(exchange, reason);
    if (refuser != NULL) {
        bound_refuse(refuser, 1);
    }
    if (exchange->response.status == 0 && exchange_retries(exchange, reason)) {
        return;
    }
    if (exchange_is_inner(exchange)) {
        exchange_finish(exchange, reason);
        return;
    }
    hedge_cancel(exchange);
    if (exchange_is_call(exchange) && exchange_cuts_call(exchange, reason, detail)) {
        return;
    }
    if (exchange->response.status != 0 || reason_rows[reason].status == 0) {
        exchange_finish(exchange, reason);
        return;
    }
    exchange_answer_ourselves(exchange, reason, detail);
}

/* Of the upstream, only by those that asked it for a place: others may not even have kept it in memory. */
static void exchange_count_upstream(const struct exchange *exchange, uint64_t duration_us,
                                    unsigned bucket)
{
    const struct exchange_times *times = &exchange->times;
    if (exchange->admission.state >= ADMISSION_QUEUED) {
        traffic_finished(exchange->worker->pool, exchange->target.upstream,
                         &(struct traffic_times){.duration_us = duration_us,
                                                 .duration_bucket = bucket,
                                                 .queue_us = times->queue_us,
                                                 .connect_us = times->connect_us,
                                                 .tls_us = times->tls_us});
    }
}

static void exchange_count(const struct exchange *exchange)
{
    struct worker *worker = exchange->worker;
    struct route_stats *stats = exchange->target.stats;
    uint64_t duration_us = (uint64_t)exchange_age_us(exchange);
    unsigned bucket = histogram_bucket(duration_us);
    exchange_count_upstream(exchange, duration_us, bucket);
    stat_add(&stats->by_class[exchange->response.status / 100], 1);
    stat_add(&stats->by_reason[exchange->reason], 1);
    histogram_record_in(&stats->duration_us, bucket, duration_us);
    stat_add(&worker->stats.exchanges_finished, 1);
    leak_of_request(&worker->stats.exchanges_finished);
    if (exchange_is_call(exchange)) {
        stat_add(&stats->by_grpc[exchange_call_status(exchange)], 1);
    }
}

void exchange_finish(struct exchange *exchange, enum exchange_reason reason)
{
    struct worker *worker = exchange->worker;
    if (exchange_is_over(exchange)) {
        return;
    }
    if (__builtin_expect(exchange->stage == EXCHANGE_ASKING, 0)) {
        exchange_auth_cancel(exchange);
    }
    exchange_enter(exchange, EXCHANGE_FINISHED);
    exchange->reason = (uint8_t)reason;
    exchange_dequeue(exchange);
    hedge_cancel(exchange);
    if (access_log_on(worker->access) && !exchange_is_inner(exchange)) {
        exchange_log(exchange);
    }
    if (__builtin_expect(!exchange_is_inner(exchange), 1)) {
        exchange_count(exchange);
    }
    attempt_end(exchange);
    if (__builtin_expect(exchange->trace != NULL, 0)) {
        exchange_trace_finish(exchange);
    }
    admission_release(exchange);
    wheel_disarm(&worker->loop.wheel, &exchange->timer);
    loop_free_later(&worker->loop, &exchange->freed, exchange_free_now);
    exchange->downstream->finished(exchange, exchange->response.intact);
}
