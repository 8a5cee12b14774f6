/* A place at the upstream, an endpoint, a connection. */
#include <stddef.h>
#include <stdio.h>

#include "pool/balance.h"
#include "proxy/exchange/exchange_parts.h"
#include "proxy/exchange/exchange_placement.h"
#include "proxy/exchange/exchange_trace.h"
#include "proxy/policy/balance_key.h"

/* No breaker admits the request. A retry is answered with the failure of its last attempt. */
static void exchange_refuse_try(struct exchange *exchange, enum exchange_reason reason,
                                uint64_t retry_after_ms)
{
    if (exchange->tries.last_reason != REASON_COMPLETE) {
        reason = (enum exchange_reason)exchange->tries.last_reason;
    }
    exchange->times.retry_after_ms = retry_after_ms;
    if (reason == REASON_BREAKER_OPEN) {
        stat_add(&exchange_policy_local(exchange)->breaker_refused_count, 1);
    }
    exchange_fail(exchange, reason, NULL);
}

static void exchange_count_waiting(struct exchange *exchange, int difference)
{
    struct slow_clients *clients = &exchange_policy_local(exchange)->slow_clients;
    slow_clients_add(&clients->waiting[exchange_client_slot(exchange)], difference);
}

void exchange_queue(struct exchange *exchange)
{
    if (exchange->admission.queued_ms == 0) {
        exchange->times.queue_us = exchange->times.queue_us > 0 ? exchange->times.queue_us : 0;
        exchange->admission.queued_ms = exchange_now_ms(exchange);
        stat_add(&exchange->worker->stats.queued, 1);
        exchange_count_waiting(exchange, 1);
    }
    exchange_enter(exchange, EXCHANGE_QUEUED);
}

void exchange_dequeue(struct exchange *exchange)
{
    if (exchange->admission.queued_ms != 0) {
        exchange->times.queue_us +=
            (int64_t)(exchange_now_ms(exchange) - exchange->admission.queued_ms) * 1000;
        exchange->admission.queued_ms = 0;
        exchange_count_waiting(exchange, -1);
    }
    if (exchange->admission.waiter.local ==
        NULL) { /* while it is in a line, the line is ordered by this */
        exchange->admission.waiter.since_ms = 0;
    }
}

static void exchange_admit_or_queue(struct exchange *exchange, enum admit_result result)
{
    /* it stands in line now, and leaves the line with this state */
    if (result == ADMIT_QUEUED && exchange->admission.state != ADMISSION_ADMITTED) {
        admission_enter(exchange, ADMISSION_QUEUED);
    }
    if (exchange_is_twin(exchange)) {
        exchange_finish(exchange, REASON_CLIENT_ABORT); /* hedging helps only if it need not wait */
    } else if (result == ADMIT_QUEUED) {
        exchange_queue(exchange);
    } else {
        slow_clients_refused(&exchange_policy_local(exchange)->slow_clients,
                             exchange_client_slot(exchange), exchange_now_ms(exchange));
        exchange_fail(exchange,
                      exchange->admission.waiter.wants == QUEUE_DESCRIPTOR ? REASON_NO_DESCRIPTORS
                                                                           : REASON_QUEUE_FULL,
                      NULL);
    }
}

void exchange_on_dropped(struct waiter *waiter)
{
    struct exchange *exchange = container_of(waiter, struct exchange, admission.waiter);
    exchange_fail(exchange, REASON_QUEUE_DROPPED, NULL);
}

void exchange_admit(struct exchange *exchange, bool turn)
{
    if (__builtin_expect(!turn && policy_guards(exchange->target.upstream), 0)) {
        const struct policy_caller caller = exchange_caller(exchange);
        uint64_t retry_after_ms;
        if (policy_refuses(&caller, &retry_after_ms)) {
            exchange_refuse_try(exchange, REASON_BREAKER_OPEN, retry_after_ms);
            return;
        }
    }
    enum admit_result result = upstream_admit(exchange->worker->pool, exchange->target.upstream,
                                              &exchange->admission.waiter, turn);
    if (result != ADMIT_OK) {
        exchange_admit_or_queue(exchange, result);
        return;
    }
    admission_enter(exchange, ADMISSION_ADMITTED);
    exchange_try(exchange, turn);
}

void exchange_wait(struct exchange *exchange, bool for_fd, bool turn)
{
    exchange_admit_or_queue(exchange,
                            upstream_wait(exchange->worker->pool, exchange->target.upstream,
                                          &exchange->admission.waiter, for_fd, turn));
}

void exchange_on_turn(struct waiter *waiter)
{
    struct exchange *exchange = container_of(waiter, struct exchange, admission.waiter);
    if (exchange->admission.state == ADMISSION_ADMITTED) {
        exchange_try(exchange, true);
    } else {
        exchange_admit(exchange, true);
    }
    exchange_go_on(exchange);
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
        enum policy_result verdict =
            policy_admit(caller, *ret_endpoint, &exchange->attempt.tickets, &retry_after_ms);
        if (__builtin_expect(verdict == POLICY_ADMITTED, 1)) {
            return PICK_OK;
        }
        if (verdict == POLICY_UPSTREAM_OPEN) {
            exchange_refuse_try(exchange, REASON_BREAKER_OPEN, retry_after_ms);
            return PICK_NONE;
        }
        options->usable = policy_usable; /* another worker has asked it meanwhile */
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
    struct pick_options options = {.avoid = exchange->tries.tried,
                                   .avoid_count = exchange->tries.tried_count};
    struct endpoint *endpoint;
    if (__builtin_expect(
            turn || exchange->times.deadline_asked || exchange->tries.retries_count > 0, 0) &&
        exchange_hopeless(exchange)) {
        exchange_refuse_try(exchange, REASON_HOPELESS, 0);
        return;
    }
    if (__builtin_expect(policy_guarded(exchange->target.upstream), 0)) {
        options.usable = policy_usable;
        options.owner = &caller;
    }
    if (__builtin_expect(exchange->edge.route != NULL, 0)) {
        options.preferred = exchange_sticky_endpoint(exchange);
        options.ret_full = &exchange->edge.sticky_full;
    }
    options.keyed = balance_key(caller.view->settings, &exchange->request,
                                &exchange_client(exchange)->any, &options.key_hash);
    enum pick_result picked = exchange_choose(exchange, &caller, &options, &endpoint);
    if (picked == PICK_NONE) {
        return;
    }
    enum lease_result result = LEASE_FULL;
    if (picked == PICK_OK) {
        result = attempt_start(exchange, endpoint, exchange->tries.redial == REDIAL_FRESH);
    }
    bool for_fd = result == LEASE_NO_FD;
    uint64_t wait_ms;
    options.idle_only = true;
    if (for_fd && upstream_pick(worker->pool, caller.view, &options, &endpoint) == PICK_OK &&
        policy_admit(&caller, endpoint, &exchange->attempt.tickets, &wait_ms) == POLICY_ADMITTED) {
        result = attempt_start(exchange, endpoint, exchange->tries.redial == REDIAL_FRESH);
    }
    exchange_take_result(exchange, result, turn);
}

void exchange_take_result(struct exchange *exchange, enum lease_result result, bool turn)
{
    switch (result) {
    case LEASE_READY: exchange_on_leased(exchange); break;
    case LEASE_PENDING: exchange_enter(exchange, EXCHANGE_CONNECTING); break;
    case LEASE_NO_FD: exchange_wait(exchange, true, turn); break;
    case LEASE_FULL: exchange_wait(exchange, false, turn); break;
    }
}

void exchange_on_leased(struct exchange *exchange)
{
    const struct lease *lease = attempt_lease(&exchange->attempt);
    struct exchange_times *times = &exchange->times;
    exchange_dequeue(exchange);
    exchange->reused = lease->facts.reused;
    exchange->resumed = lease->facts.resumed;
    if (exchange->stage == EXCHANGE_CONNECTING) {
        times->connect_us =
            (int64_t)(loop_clock_us(&exchange->worker->loop.clock) - exchange->attempt.started_us);
    }
    if (times->connect_us >= 0 && !lease->facts.reused && lease->facts.tls_us > 0) {
        /* the dial may have begun for another exchange, so that this one waited only for its end */
        int64_t tls_us = (int64_t)lease->facts.tls_us;
        times->tls_us = tls_us < times->connect_us ? tls_us : times->connect_us;
        times->connect_us -= times->tls_us;
    }
    if (__builtin_expect(exchange->trace != NULL, 0) && exchange->stage == EXCHANGE_CONNECTING) {
        exchange_trace_leased(exchange);
    }
    exchange_enter(exchange, EXCHANGE_LEASED);
}

/* Nothing was tried: back to the front of the queue. */
static void exchange_untry(struct exchange *exchange, bool for_fd)
{
    exchange->tries.attempts_count--;
    exchange->tries.tried_count--;
    attempt_end(exchange);
    exchange_wait(exchange, for_fd, true);
}

/* A reload removed the endpoint meanwhile: this is not a failure, and another endpoint is tried. */
static void exchange_try_another(struct exchange *exchange)
{
    attempt_end(exchange);
    if (exchange->tries.tried_count < EXCHANGE_TRIED) {
        exchange_try(exchange, true);
        exchange_go_on(exchange);
    } else {
        exchange_fail(exchange, REASON_UPSTREAM_REMOVED, NULL);
    }
}

void exchange_on_dial_failed(struct exchange *exchange, enum dial_result result)
{
    enum tls_failure failure = exchange->attempt.request.tls_failure;
    snprintf(exchange->endpoint_text, sizeof exchange->endpoint_text, "%s",
             endpoint_text(exchange->attempt.endpoint));
    switch (result) {
    case DIAL_FULL: exchange_untry(exchange, false); break;
    case DIAL_NO_FD: exchange_untry(exchange, true); break;
    case DIAL_RETIRED: exchange_try_another(exchange); break;
    case DIAL_REFUSED: exchange_fail(exchange, REASON_CONNECT_REFUSED, NULL); break;
    case DIAL_TIMEOUT: exchange_fail(exchange, REASON_CONNECT_TIMEOUT, NULL); break;
    case DIAL_TLS:
        exchange_fail(exchange, reason_of_tls_failure(failure), tls_failure_name(failure));
        break;
    case DIAL_NO_ADDRESS_PORT:
    case DIAL_ERROR: exchange_fail(exchange, REASON_DIAL_FAILED, dial_result_name(result)); break;
    case DIAL_UNREACHABLE:
    case DIAL_PROTOCOL:
    case DIAL_RESET:
    case DIAL_OK: exchange_fail(exchange, REASON_CONNECT_FAILED, dial_result_name(result)); break;
    }
}
