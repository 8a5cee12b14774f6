/* The exchange: from a parsed head to its route, and the one way out. */
#include "proxy/exchange/exchange.h"

#include <stddef.h>
#include <string.h>

#include "breaker/backoff.h"
#include "proxy/exchange/exchange_parts.h"
#include "proxy/exchange/hedge.h"
#include "proxy/http/respond.h"
#include "proxy/policy/shards.h"
#include "steady/deadline.h"

static void exchange_route(struct exchange *exchange, const struct http_head *head);

static struct exchange *exchange_create(const struct exchange_origin *origin)
{
    struct worker *worker = origin->worker;
    struct exchange *exchange = slab_take(worker->exchanges);
    if (exchange == NULL) {
        return NULL;
    }
    /* the texts at the end are written before they are read */
    memset(exchange, 0, offsetof(struct exchange, endpoint_text));
    exchange->endpoint_text[0] = exchange->request_id[0] = exchange->request_id[32] = '\0';
    exchange->worker = worker;
    exchange->downstream = origin->downstream;
    exchange->owner = origin->owner;
    exchange->client_address = origin->client_address;
    exchange->listener_name = origin->listener_name;
    exchange->client_timeouts = origin->client_timeouts;
    exchange->client_certificate = origin->client_certificate;
    exchange->secure = origin->secure;
    exchange->upstream_name = "";
    exchange->route_name = "";
    exchange->stats = &worker->stats.no_route;
    exchange->queue_us = exchange->connect_us = exchange->tls_us = exchange->first_byte_us = -1;
    exchange->started_us = loop_clock_us(&worker->loop.clock);
    exchange->listener_admission = origin->admission;
    exchange->waiter.on_turn = exchange_on_turn;
    exchange->waiter.on_dropped = exchange_on_dropped;
    exchange->gate_waiter.on_turn = exchange_on_gate;
    wheel_timer_init(&exchange->timer, exchange_on_timer);
    attempt_init(&exchange->attempt);
    return exchange;
}

static void exchange_free_now(struct deferred_free *freed, void *owner)
{
    struct exchange *exchange = container_of(freed, struct exchange, freed);
    struct worker *worker = owner;
    buf_give(worker->bufs, &exchange->head_buf);
    buf_give(worker->bufs, &exchange->held);
    slab_give(worker->exchanges, &exchange);
}

bool exchange_start(const struct exchange_origin *origin, const struct http_head *head,
                    const struct payload *payload, struct exchange **ret_exchange)
{
    struct exchange *exchange = exchange_create(origin);
    if (exchange == NULL) {
        return false;
    }
    stat_add(&origin->worker->stats.exchanges_started, 1);
    exchange->head_buf = buf_take(origin->worker->bufs, head_copy_bytes(head));
    if (exchange->head_buf == NULL) {
        stat_add(&origin->worker->stats.exchanges_finished, 1);
        slab_give(origin->worker->exchanges, &exchange);
        return false;
    }
    head_copy(head, &exchange->request, exchange->head_buf->bytes);
    exchange->request_moved_ms = exchange_now_ms(exchange);
    exchange->request_payload_bytes = payload_bytes(payload);
    exchange->request_whole = payload->last;
    exchange->arrived = payload;
    *ret_exchange = exchange;
    exchange_route(exchange, &exchange->request);
    if (!exchange->finished && exchange->arrived != NULL) {
        if (!exchange_hold(exchange, payload)) {
            exchange_fail(exchange, REASON_NO_MEMORY, NULL);
        }
    }
    exchange->arrived = NULL;
    return true;
}

bool exchange_start_shadow(struct exchange *exchange, const struct downstream_ops *ops,
                           struct exchange **ret_shadow)
{
    const struct exchange_origin origin = {
        .worker = exchange->worker,
        .downstream = ops,
        .owner = exchange,
        .client_address = exchange->client_address,
        .listener_name = exchange->listener_name,
        .client_timeouts = exchange->client_timeouts,
        .admission = exchange->listener_admission,
        .client_certificate = exchange->client_certificate,
        .secure = exchange->secure,
    };
    struct exchange *shadow = exchange_create(&origin);
    if (shadow == NULL) {
        return false;
    }
    shadow->shadow = true;
    shadow->head_buf = buf_take(exchange->worker->bufs, head_copy_bytes(&exchange->request));
    if (shadow->head_buf == NULL) {
        slab_give(exchange->worker->exchanges, &shadow);
        return false;
    }
    head_copy(&exchange->request, &shadow->request, shadow->head_buf->bytes);
    shadow->upstream = exchange->upstream;
    shadow->upstream_name = exchange->upstream_name;
    shadow->route_name = exchange->route_name;
    shadow->deadline_ms = exchange->deadline_ms;
    shadow->allowed_ms = exchange->allowed_ms;
    shadow->trusted = exchange->trusted;
    shadow->rules = exchange->rules;
    shadow->request_id_kept = exchange->request_id_kept;
    shadow->trace_kept = exchange->trace_kept;
    memcpy(shadow->request_id, exchange->request_id, sizeof shadow->request_id);
    shadow->attempts_before = exchange->attempts_before;
    shadow->retries_count = 1;
    shadow->request_whole = shadow->held_last = true;
    shadow->looked = true; /* the other one does */
    shadow->tried[shadow->tried_count++] = exchange->attempt.endpoint;
    shadow->request_moved_ms = exchange_now_ms(exchange);
    *ret_shadow = shadow;
    return true;
}

bool exchange_refuse(const struct exchange_origin *origin, enum exchange_reason reason,
                     const char *detail, enum http_method method, struct exchange **ret_exchange)
{
    struct exchange *exchange = exchange_create(origin);
    if (exchange == NULL) {
        return false;
    }
    stat_add(&origin->worker->stats.exchanges_started, 1);
    exchange->request.base = "";
    exchange->request.method = (uint8_t)method;
    *ret_exchange = exchange;
    exchange_fail(exchange, reason, detail);
    return true;
}

static void exchange_route(struct exchange *exchange, const struct http_head *head)
{
    struct worker *worker = exchange->worker;
    const struct generation *generation = worker->generation;
    const struct route *route = generation_route(generation, exchange->listener_name, head);
    exchange->trusted = generation_trusts(generation, exchange->client_address);
    forward_prepare(exchange, &generation->settings->headers);
    if (forward_ends_here(exchange)) {
        exchange_fail(exchange, REASON_NOT_IMPLEMENTED, "Max-Forwards");
        return;
    }
    if (head->method == METHOD_CONNECT) {
        exchange_fail(exchange, REASON_NOT_IMPLEMENTED, "CONNECT");
        return;
    }
    if (generation_probed(generation, head)) {
        exchange_fail(exchange, worker_ready(worker) ? REASON_READY : REASON_NOT_READY, NULL);
        return;
    }
    if (route == NULL) {
        exchange_fail(exchange, REASON_NO_ROUTE, NULL);
        return;
    }
    const struct upstream_view *view =
        &generation->upstreams->views[route->settings->upstream_index];
    exchange->stats = &route->figures->by_worker[worker->env.index];
    exchange->route_name = route->figures->name;
    exchange->upstream = view->upstream;
    exchange->upstream_name = view->upstream->name;
    if (head->framing == FRAMING_LENGTH &&
        head->content_length > generation->settings->limits.body_bytes) {
        exchange_fail(exchange, REASON_BODY_TOO_LARGE, NULL);
        return;
    }
    exchange_set_deadline(exchange, view->settings, route->settings);
    if (__builtin_expect(exchange->deadline_asked, 0) && exchange_hopeless(exchange)) {
        exchange_fail(exchange, REASON_HOPELESS, NULL);
        return;
    }
    exchange->continue_awaited = (head->facts & FACT_EXPECT_CONTINUE) != 0;
    exchange_begin(exchange, route);
}

const struct upstream_settings *exchange_settings(const struct exchange *exchange)
{
    return exchange->upstream->views[exchange->worker->env.index]->settings;
}

/* ---- the end ---- */

void exchange_fail(struct exchange *exchange, enum exchange_reason reason, const char *detail)
{
    if (exchange->finished) {
        return;
    }
    if (exchange->status == 0 && exchange_retries(exchange, reason)) {
        return;
    }
    if (exchange->shadow) {
        exchange_finish(exchange, reason);
        return;
    }
    hedge_cancel(exchange);
    if (exchange->status != 0 || reason_rows[reason].status == 0) {
        exchange_finish(exchange, reason);
        return;
    }
    struct own_response response;
    uint64_t wait_ms = exchange->retry_after_ms != 0
                           ? exchange->retry_after_ms
                           : (uint64_t)reason_rows[reason].retry_after_s * 1000;
    own_response_build(&response, reason, detail,
                       backoff_retry_after_s(wait_ms, &exchange->worker->loop.rng));
    if (exchange->request.method == METHOD_OTHER && exchange->request.method_text.bytes == 0) {
        own_response_empty(&response);
    }
    struct iovec piece = {response.body,
                          exchange->request.method == METHOD_HEAD ? 0 : response.body_bytes};
    const struct payload payload = {&piece, 1, true, NULL};
    exchange->status = response.head.status;
    exchange->response_payload_bytes = piece.iov_len;
    if (exchange->downstream->send_head(exchange, &response.head, &payload) == SINK_BROKEN) {
        return;
    }
    exchange->intact = true;
    exchange_finish(exchange, reason);
}

void exchange_finish(struct exchange *exchange, enum exchange_reason reason)
{
    struct worker *worker = exchange->worker;
    if (exchange->finished) {
        return;
    }
    exchange->finished = true;
    exchange->reason = (uint8_t)reason;
    exchange_dequeue(exchange);
    hedge_cancel(exchange);
    if (access_log_on(worker->access) && !exchange->shadow) {
        exchange_log(exchange);
    }
    attempt_end(exchange);
    if (exchange->replay != NULL || exchange->replay_count > 0) {
        exchange_drop_replay(exchange);
    }
    queue_cancel(worker->pool, &exchange->waiter);
    if (exchange->shard != NULL) {
        exchange_leave_shard(exchange);
        shard_let_go(&exchange->shard);
    }
    if (exchange->upstream_kept) {
        exchange->upstream_kept = false;
        upstream_let_go(worker->pool, exchange->upstream);
    }
    if (exchange->upstream_admitted) {
        exchange->upstream_admitted = false;
        upstream_leave(worker->pool, exchange->upstream);
    }
    wheel_disarm(&worker->loop.wheel, &exchange->timer);
    if (__builtin_expect(!exchange->shadow, 1)) {
        stat_add(&exchange->stats->by_class[exchange->status / 100], 1);
        stat_add(&exchange->stats->by_reason[reason], 1);
        histogram_record(&exchange->stats->duration_us, (uint64_t)exchange_age_us(exchange));
        stat_add(&worker->stats.exchanges_finished, 1);
    }
    loop_free_later(&worker->loop, &exchange->freed, exchange_free_now);
    exchange->downstream->finished(exchange, exchange->intact);
}
