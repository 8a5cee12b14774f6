/* A place at the upstream, an endpoint, a connection. */
#include <stddef.h>
#include <stdio.h>

#include "pool/balance.h"
#include "proxy/exchange/exchange_parts.h"
#include "proxy/policy/balance_key.h"

/* Nothing lets the request through. A retry is answered with what made it one. */
static void exchange_refuse_try(struct exchange *exchange, enum exchange_reason reason,
                                uint64_t retry_after_ms)
{
    if (exchange->last_reason != REASON_COMPLETE) {
        reason = (enum exchange_reason)exchange->last_reason;
    }
    exchange->retry_after_ms = retry_after_ms;
    if (reason == REASON_BREAKER_OPEN) {
        struct policy_local *local =
            &policy_of(exchange->upstream)->locals[exchange->worker->env.index];
        stat_add(&local->breaker_refused_count, 1);
    }
    exchange_fail(exchange, reason, NULL);
}

void exchange_queue(struct exchange *exchange)
{
    if (exchange->queued_ms == 0) {
        exchange->queue_us = exchange->queue_us > 0 ? exchange->queue_us : 0;
        exchange->queued_ms = exchange_now_ms(exchange);
        stat_add(&exchange->worker->stats.queued, 1);
    }
    exchange_enter(exchange, EXCHANGE_QUEUED);
}

void exchange_dequeue(struct exchange *exchange)
{
    if (exchange->queued_ms != 0) {
        exchange->queue_us += (int64_t)(exchange_now_ms(exchange) - exchange->queued_ms) * 1000;
        exchange->queued_ms = 0;
    }
    if (exchange->waiter.upstream == NULL) { /* else the line is ordered by it */
        exchange->waiter.since_ms = 0;
    }
}

static void exchange_admit_or_queue(struct exchange *exchange, enum admit_result result)
{
    if (exchange->shadow) {
        exchange_finish(exchange, REASON_CLIENT_ABORT); /* it helps only if it need not wait */
    } else if (result == ADMIT_QUEUED) {
        exchange_queue(exchange);
    } else {
        exchange_fail(exchange, exchange->waiter.for_fd ? REASON_NO_DESCRIPTORS : REASON_QUEUE_FULL,
                      NULL);
    }
}

void exchange_on_dropped(struct waiter *waiter)
{
    struct exchange *exchange = container_of(waiter, struct exchange, waiter);
    exchange_fail(exchange, REASON_QUEUE_DROPPED, NULL);
}

void exchange_admit(struct exchange *exchange, bool turn)
{
    if (__builtin_expect(!turn && policy_guards(exchange->upstream), 0)) {
        const struct policy_caller caller = exchange_caller(exchange);
        uint64_t retry_after_ms;
        if (policy_refuses(&caller, &retry_after_ms)) {
            exchange_refuse_try(exchange, REASON_BREAKER_OPEN, retry_after_ms);
            return;
        }
    }
    enum admit_result result =
        upstream_admit(exchange->worker->pool, exchange->upstream, &exchange->waiter, turn);
    if (result != ADMIT_OK) {
        exchange_admit_or_queue(exchange, result);
        return;
    }
    exchange->upstream_admitted = true;
    exchange_try(exchange, turn);
}

void exchange_wait(struct exchange *exchange, bool for_fd, bool turn)
{
    exchange_admit_or_queue(exchange, upstream_wait(exchange->worker->pool, exchange->upstream,
                                                    &exchange->waiter, for_fd, turn));
}

void exchange_on_turn(struct waiter *waiter)
{
    struct exchange *exchange = container_of(waiter, struct exchange, waiter);
    if (exchange->upstream_admitted) {
        exchange_try(exchange, true);
    } else {
        exchange_admit(exchange, true);
    }
}

/* Chooses an endpoint whose breaker admits the attempt. PICK_NONE: the exchange has been answered. */
static enum pick_result exchange_choose(struct exchange *exchange, struct policy_caller *caller,
                                        struct pick_options *options,
                                        struct endpoint **ret_endpoint)
{
    uint64_t retry_after_ms = caller->view->settings->breaker.open_min_ms;
    for (size_t i = 0; i <= caller->view->endpoint_count; i++) {
        enum pick_result picked =
            upstream_pick(exchange->worker->pool, caller->view, options, ret_endpoint);
        if (picked == PICK_FULL) {
            return picked;
        }
        if (picked == PICK_NONE) {
            break;
        }
        switch (policy_admit(caller, *ret_endpoint, &exchange->attempt.tickets, &retry_after_ms)) {
        case POLICY_ADMITTED: return PICK_OK;
        case POLICY_ENDPOINT_OPEN: break;
        case POLICY_UPSTREAM_OPEN:
            exchange_refuse_try(exchange, REASON_BREAKER_OPEN, retry_after_ms);
            return PICK_NONE;
        }
        options->usable = policy_usable; /* it was asked by another worker meanwhile */
        options->owner = caller;
    }
    exchange_refuse_try(exchange,
                        caller->view->endpoint_count == 0 ? REASON_UNRESOLVED
                        : options->usable != NULL         ? REASON_BREAKER_OPEN
                                                          : REASON_NO_ENDPOINT,
                        retry_after_ms);
    return PICK_NONE;
}

void exchange_try(struct exchange *exchange, bool turn)
{
    struct worker *worker = exchange->worker;
    struct policy_caller caller = exchange_caller(exchange);
    struct pick_options options = {.avoid = exchange->tried, .avoid_count = exchange->tried_count};
    struct endpoint *endpoint;
    if (__builtin_expect(turn || exchange->deadline_asked || exchange->retries_count > 0, 0) &&
        exchange_hopeless(exchange)) {
        exchange_refuse_try(exchange, REASON_HOPELESS, 0);
        return;
    }
    if (__builtin_expect(policy_guarded(exchange->upstream), 0)) {
        options.usable = policy_usable;
        options.owner = &caller;
    }
    options.keyed = balance_key(caller.view->settings, &exchange->request, exchange->client_address,
                                &options.key_hash);
    enum pick_result picked = exchange_choose(exchange, &caller, &options, &endpoint);
    if (picked == PICK_NONE) {
        return;
    }
    enum lease_result result = LEASE_FULL;
    if (picked == PICK_OK) {
        result = attempt_start(exchange, endpoint, exchange->redialled);
    }
    bool for_fd = result == LEASE_NO_FD;
    uint64_t wait_ms;
    options.idle_only = true;
    if (for_fd && upstream_pick(worker->pool, caller.view, &options, &endpoint) == PICK_OK &&
        policy_admit(&caller, endpoint, &exchange->attempt.tickets, &wait_ms) == POLICY_ADMITTED) {
        result = attempt_start(exchange, endpoint, exchange->redialled);
    }
    switch (result) {
    case LEASE_READY: break; /* sent already; the exchange may even be over */
    case LEASE_PENDING: exchange_enter(exchange, EXCHANGE_CONNECTING); break;
    case LEASE_NO_FD:
    case LEASE_FULL: exchange_wait(exchange, for_fd, turn); break;
    }
}

void exchange_on_leased(struct exchange *exchange)
{
    exchange_dequeue(exchange);
    const struct lease *lease = exchange->attempt.lease;
    exchange->reused = lease->facts.reused;
    exchange->resumed = lease->facts.resumed;
    if (exchange->stage == EXCHANGE_CONNECTING) {
        exchange->connect_us =
            (int64_t)(loop_clock_us(&exchange->worker->loop.clock) - exchange->attempt.started_us);
    }
    if (exchange->connect_us >= 0 && !lease->facts.reused && lease->facts.tls_us > 0) {
        /* of a dial that was begun for another the exchange may have waited for the end only */
        int64_t tls_us = (int64_t)lease->facts.tls_us;
        exchange->tls_us = tls_us < exchange->connect_us ? tls_us : exchange->connect_us;
        exchange->connect_us -= exchange->tls_us;
    }
    exchange->stage = EXCHANGE_SENDING;
}

void exchange_on_dial_failed(struct exchange *exchange, enum dial_result result)
{
    snprintf(exchange->endpoint_text, sizeof exchange->endpoint_text, "%s",
             endpoint_text(exchange->attempt.endpoint));
    if (result == DIAL_FULL || result == DIAL_NO_FD) {
        /* nothing was tried: back to the front of the queue */
        exchange->attempts_count--;
        exchange->tried_count--;
        attempt_end(exchange);
        exchange_wait(exchange, result == DIAL_NO_FD, true);
        return;
    }
    switch (result) {
    case DIAL_REFUSED: exchange_fail(exchange, REASON_CONNECT_REFUSED, NULL); break;
    case DIAL_TIMEOUT: exchange_fail(exchange, REASON_CONNECT_TIMEOUT, NULL); break;
    case DIAL_TLS: exchange_fail_tls(exchange, exchange->attempt.request.tls_failure); break;
    case DIAL_RETIRED:
        /* a reload took the endpoint away meanwhile: no failure, another one */
        attempt_end(exchange);
        if (exchange->tried_count < EXCHANGE_TRIED) {
            exchange_try(exchange, true);
        } else {
            exchange_fail(exchange, REASON_UPSTREAM_REMOVED, NULL);
        }
        break;
    case DIAL_UNREACHABLE:
    case DIAL_RESET:
    case DIAL_NO_ADDRESS_PORT:
    case DIAL_ERROR:
    case DIAL_FULL:
    case DIAL_NO_FD:
    case DIAL_OK:
        exchange_fail(exchange,
                      result == DIAL_NO_ADDRESS_PORT || result == DIAL_ERROR
                          ? REASON_DIAL_FAILED
                          : REASON_CONNECT_FAILED,
                      dial_result_name(result));
        break;
    }
}
