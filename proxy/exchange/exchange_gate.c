/* The checks before the upstream: the rates of key, route and listener, and the shard. */
#include <stddef.h>

#include "proxy/exchange/exchange_parts.h"
#include "proxy/policy/admission.h"
#include "proxy/policy/balance_key.h"
#include "proxy/policy/shards.h"

static bool exchange_refuse_rate(struct exchange *exchange, enum exchange_reason reason,
                                 uint64_t wait_ms)
{
    exchange->times.retry_after_ms = wait_ms;
    exchange_fail(exchange, reason, NULL);
    return false;
}

/* Whether a rate over the fleet allows the request. */
static bool lease_allows(const struct admission_leases *leases, uint64_t key, bool retry,
                         uint64_t now_us, uint64_t *ret_wait_ms)
{
    return rate_leases_take(leases->table, key, retry, now_us, ret_wait_ms);
}

static bool key_allows(const struct admission_view *view, uint64_t key_hash, bool retry,
                       uint64_t now_us, uint64_t *ret_wait_ms)
{
    const struct admission_leases *leases = view->leases[ADMISSION_RATE_KEY];
    return leases == NULL ? key_buckets_take(view->keys->buckets, key_hash, &view->key_rate, retry,
                                             now_us, ret_wait_ms)
                          : lease_allows(leases, key_hash, retry, now_us, ret_wait_ms);
}

static bool route_allows(const struct admission_view *view, bool retry, uint64_t now_us,
                         uint64_t *ret_wait_ms)
{
    const struct admission_leases *leases = view->leases[ADMISSION_RATE_ROUTE];
    return leases == NULL
               ? token_bucket_take(&view->of->bucket, &view->rate, retry, now_us, ret_wait_ms)
               : lease_allows(leases, RATE_LEASES_NUMBER(0), retry, now_us, ret_wait_ms);
}

static bool shard_allows(const struct admission_view *view, struct shard *shard, bool retry,
                         uint64_t now_us, uint64_t *ret_wait_ms)
{
    const struct admission_leases *leases = view->leases[ADMISSION_RATE_SHARD];
    return leases == NULL
               ? token_bucket_take(&shard->bucket, &view->shard_rate, retry, now_us, ret_wait_ms)
               : lease_allows(leases, RATE_LEASES_NUMBER(shard->index), retry, now_us, ret_wait_ms);
}

/* A client over its own rate is refused before it takes tokens of the others. Retries of earlier hops leave a reserve. */
static bool exchange_rates_allow(struct exchange *exchange, const struct route *route)
{
    const struct admission_view *admission = &route->admission;
    const struct listener_admission *listener = &exchange->origin->listener->admission;
    uint64_t now_us = loop_clock_us(&exchange->worker->loop.clock);
    bool retry = exchange->tries.attempts_before > 0;
    uint64_t key_hash = 0, wait_ms;
    if (admission->key_rate.interval != 0) {
        const struct key_rate_settings *settings = &route->settings->key_rate;
        request_key(settings->key, settings->key_name, &exchange->request,
                    exchange_came_host(exchange), &exchange_client(exchange)->any, &key_hash);
        if (!key_allows(admission, key_hash, retry, now_us, &wait_ms)) {
            return exchange_refuse_rate(exchange, REASON_CLIENT_RATE, wait_ms);
        }
    }
    if (!route_allows(admission, retry, now_us, &wait_ms)) {
        return exchange_refuse_rate(exchange, REASON_ROUTE_RATE, wait_ms);
    }
    if (listener->bucket != NULL &&
        !token_bucket_take(listener->bucket, &listener->rate, retry, now_us, &wait_ms)) {
        return exchange_refuse_rate(exchange, REASON_LISTENER_RATE, wait_ms);
    }
    return true;
}

/* False: the exchange has been answered. Requests without a key share a shard. */
static bool exchange_choose_shard(struct exchange *exchange, const struct route *route)
{
    const struct shard_settings *settings = &route->settings->shards;
    uint64_t key_hash = 0, wait_ms;
    request_key(settings->key, settings->key_name, &exchange->request, exchange_came_host(exchange),
                &exchange_client(exchange)->any, &key_hash);
    struct shard *shard = shard_take(route->admission.shards, key_hash, settings->shuffle);
    exchange->admission.shard = shard;
    if (!shard_allows(&route->admission, shard, exchange->tries.attempts_before > 0,
                      loop_clock_us(&exchange->worker->loop.clock), &wait_ms)) {
        shard_count(&shard->rate_refused_count);
        return exchange_refuse_rate(exchange, REASON_SHARD_RATE, wait_ms);
    }
    shard_count(&shard->requests_count);
    return true;
}

/* Nothing of the body is here, and nobody but the client can change that: it may not take a place at the upstream from others. The
   client of a gRPC call may wait for the server's first message. */
static bool exchange_has_no_body_yet(const struct exchange *exchange)
{
    const struct request_body *body = &exchange->body;
    return __builtin_expect(body->state == REQUEST_ARRIVING, 0) && body->bytes == 0 &&
           !body->continue_awaited && !exchange_is_call(exchange);
}

bool exchange_rates_pass(struct exchange *exchange, const struct route *route)
{
    bool limited =
        route->admission.limited || exchange->origin->listener->admission.rate.interval != 0;
    return __builtin_expect(!limited, 1) ||
           (exchange_rates_allow(exchange, route) &&
            (route->admission.shards == NULL || exchange_choose_shard(exchange, route)));
}

void exchange_begin(struct exchange *exchange)
{
    if (exchange_has_no_body_yet(exchange) || exchange_waits_for_buffer(exchange)) {
        admission_enter(exchange, ADMISSION_APART);
        exchange_enter(exchange, EXCHANGE_AWAITING_BODY);
        exchange_buffer_begin(exchange);
        return;
    }
    exchange_pass(exchange);
}

void exchange_pass(struct exchange *exchange)
{
    struct exchange_admission *admission = &exchange->admission;
    if (admission->shard == NULL) {
        exchange_admit(exchange, false);
        return;
    }
    switch (gate_enter(&admission->shard->gate, exchange->worker->env.index,
                       &exchange->worker->loop, &admission->gate_waiter)) {
    case GATE_OPEN:
        admission_enter(exchange, ADMISSION_IN_SHARD);
        exchange_admit(exchange, false);
        break;
    case GATE_FULL: exchange_fail(exchange, REASON_SHARD_FULL, NULL); break;
    case GATE_QUEUED:
        admission_enter(exchange, ADMISSION_AT_SHARD);
        exchange_queue(exchange);
        break;
    }
}

void exchange_on_gate(struct waiter *waiter)
{
    struct exchange *exchange = container_of(waiter, struct exchange, admission.gate_waiter);
    admission_enter(exchange, ADMISSION_IN_SHARD);
    exchange_dequeue(exchange);
    exchange_admit(exchange, false);
    exchange_go_on(exchange);
}
