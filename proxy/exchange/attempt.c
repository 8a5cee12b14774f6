/* Asking for a connection, and what an attempt reports about its endpoint. */
#include "proxy/exchange/attempt.h"

#include <string.h>

#include "pool/health.h"
#include "pool/traffic.h"
#include "proxy/exchange/exchange_parts.h"
#include "proxy/exchange/exchange_trace.h"
#include "proxy/policy/shards.h"
#include "steady/check.h"

static struct exchange *exchange_of(struct lease_request *request)
{
    return container_of(request, struct exchange, attempt.request);
}

static __attribute__((noinline)) void attempt_shares(struct exchange *exchange, struct lease *lease)
{
    struct attempt *attempt = &exchange->attempt;
    const struct upstream_events *events = attempt_side(attempt)->events;
    attempt->state = ATTEMPT_SHARES;
    memset(&attempt->upstream, 0, sizeof attempt->upstream);
    h2_upstream_init(&attempt->upstream.h2, events, exchange, exchange->worker);
    h2_upstream_begin(&attempt->upstream.h2, lease);
}

static void attempt_leased(struct exchange *exchange, struct lease *lease)
{
    if (__builtin_expect(lease->stream == NULL, 0)) {
        attempt_shares(exchange, lease);
        return;
    }
    exchange->attempt.state = ATTEMPT_LEASED;
    h1_upstream_begin(&exchange->attempt.upstream.h1, lease);
}

static void attempt_on_ready(struct lease_request *request, struct lease *lease)
{
    struct exchange *exchange = exchange_of(request);
    attempt_leased(exchange, lease);
    exchange_on_leased(exchange);
    exchange_send(exchange, NULL);
}

static void attempt_on_failed(struct lease_request *request, enum dial_result result)
{
    struct exchange *exchange = exchange_of(request);
    exchange->attempt.state = ATTEMPT_FAILED;
    exchange_on_dial_failed(exchange, result);
}

static size_t attempt_proxy_header(struct lease_request *request, char *space)
{
    struct exchange *exchange = exchange_of(request);
    return exchange->downstream->proxy_header(exchange, space);
}

/* What speaks until a lease says otherwise. */
static __attribute__((noinline)) void attempt_speak_http1(struct exchange *exchange)
{
    struct attempt *attempt = &exchange->attempt;
    const struct upstream_events *events = attempt_side(attempt)->events;
    memset(&attempt->upstream, 0, sizeof attempt->upstream);
    h1_upstream_init(&attempt->upstream.h1, events, exchange, exchange->worker);
}

void attempt_init(struct exchange *exchange)
{
    struct attempt *attempt = &exchange->attempt;
    attempt->request.on_ready = attempt_on_ready;
    attempt->request.on_failed = attempt_on_failed;
    attempt->request.proxy_header = attempt_proxy_header;
    h1_upstream_init(&attempt->upstream.h1, &exchange_events, exchange, exchange->worker);
}

__attribute__((noinline)) static void attempt_report_nothing(struct exchange *exchange)
{
    struct attempt *attempt = &exchange->attempt;
    const struct policy_caller caller = exchange_caller(exchange);
    policy_report_endpoint(&caller, attempt->endpoint, &attempt->tickets, OUTCOME_IGNORED);
    policy_report_upstream(&caller, &attempt->tickets, OUTCOME_IGNORED);
}

/* The tickets of an attempt that is over and has no result. */
static void attempt_drop_tickets(struct exchange *exchange)
{
    const struct policy_tickets *tickets = &exchange->attempt.tickets;
    if (__builtin_expect((tickets->upstream.word | tickets->endpoint.word) != 0, 0)) {
        attempt_report_nothing(exchange);
    }
}

void attempt_earn(struct exchange *exchange)
{
    struct worker *worker = exchange->worker;
    const struct shard *shard = exchange->admission.shard;
    uint64_t now_ms = worker_now_ms(worker);
    retry_budget_note_request(policy_of(exchange->target.upstream)->budget, worker->env.index,
                              now_ms);
    if (shard != NULL) {
        retry_budget_note_request(shard->budget, worker->env.index, now_ms);
    }
}

static void attempt_count(struct exchange *exchange, const struct endpoint *endpoint)
{
    struct worker *worker = exchange->worker;
    struct exchange_tries *tries = &exchange->tries;
    if (tries->attempts_count == 0 && !exchange_is_twin(exchange) &&
        exchange->body.state != REQUEST_ARRIVING) {
        attempt_earn(exchange);
    }
    tries->attempts_count++;
    stat_add(&worker->stats.attempts, 1);
    if (tries->tried_count < EXCHANGE_TRIED &&
        (tries->tried_count == 0 || tries->tried[tries->tried_count - 1] != endpoint)) {
        tries->tried[tries->tried_count++] = endpoint;
    }
}

enum lease_result attempt_start(struct exchange *exchange, struct endpoint *endpoint,
                                bool fresh_only)
{
    struct attempt *attempt = &exchange->attempt;
    struct worker *worker = exchange->worker;
    struct lease *lease = NULL;
    CHECK(attempt->state == ATTEMPT_NONE);
    attempt->endpoint = endpoint;
    attempt->request.fresh_only = fresh_only;
    attempt->started_us = loop_clock_us(&worker->loop.clock);
    attempt->reported = attempt->counted = false;
    enum lease_result result = pool_lease(worker->pool, endpoint, &attempt->request, &lease);
    switch (result) {
    case LEASE_READY:
        attempt_count(exchange, endpoint);
        attempt_leased(exchange, lease);
        break;
    case LEASE_PENDING:
        attempt_count(exchange, endpoint);
        attempt->state = ATTEMPT_LEASING;
        break;
    case LEASE_FULL:
    case LEASE_NO_FD: attempt_drop_tickets(exchange); break;
    }
    return result;
}

/* ---- reports ---- */

/* The time that the client takes to send its body does not count. */
uint64_t attempt_age_us(const struct exchange *exchange)
{
    const struct request_body *body = &exchange->body;
    uint64_t since_us = exchange->attempt.started_us;
    if (exchange->request.framing != FRAMING_NONE) {
        if (exchange_client_owes(exchange)) {
            return 0;
        }
        uint64_t given_us = (body->state == REQUEST_SENT ? body->sent_ms : body->moved_ms) * 1000;
        since_us = given_us > since_us ? given_us : since_us;
    }
    return loop_clock_us(&exchange->worker->loop.clock) - since_us;
}

static void attempt_set_slow(struct exchange *exchange, bool slow)
{
    struct slow_clients *clients = &exchange_policy_local(exchange)->slow_clients;
    if (slow != exchange->attempt.slow) {
        slow_clients_add(&clients->transfers[exchange_client_slot(exchange)], slow ? 1 : -1);
        exchange->attempt.slow = slow;
    }
}

static bool attempt_has_to_go(struct exchange *exchange, bool slow)
{
    const struct policy_caller caller = exchange_caller(exchange);
    struct slow_clients *clients = &exchange_policy_local(exchange)->slow_clients;
    attempt_set_slow(exchange, slow);
    bool goes = slow && policy_slow_transfer_goes(&caller, clients, exchange_client_slot(exchange));
    exchange->attempt.slow = slow && !goes;
    return goes;
}

bool attempt_judge_upload(struct exchange *exchange)
{
    struct attempt *attempt = &exchange->attempt;
    uint64_t took_us = loop_clock_us(&exchange->worker->loop.clock) - attempt->started_us;
    policy_yield(exchange->target.upstream, attempt->endpoint, &attempt->tickets);
    attempt->judge_at_ms = exchange_now_ms(exchange) + SLOW_CLIENT_AGAIN_MS;
    return attempt_has_to_go(exchange, slow_client_transfer(exchange->body.bytes, took_us));
}

bool attempt_judge_response(struct exchange *exchange)
{
    struct attempt *attempt = &exchange->attempt;
    const struct exchange_response *response = &exchange->response;
    const struct downstream_ops *downstream = exchange->downstream;
    uint32_t untaken_bytes = downstream->untaken != NULL ? downstream->untaken(exchange) : 0;
    uint64_t taken_bytes =
        response->payload_bytes > untaken_bytes ? response->payload_bytes - untaken_bytes : 0;
    uint64_t bytes = taken_bytes > attempt->judged_bytes ? taken_bytes - attempt->judged_bytes : 0;
    attempt->judged_bytes = taken_bytes;
    attempt->judge_at_ms = exchange_now_ms(exchange) + SLOW_CLIENT_AFTER_MS;
    return attempt_has_to_go(
        exchange, response->full && slow_client_transfer(bytes, SLOW_CLIENT_AFTER_MS * 1000));
}

void attempt_report_endpoint(struct exchange *exchange, enum outcome outcome, bool answered,
                             struct attempt_cause cause)
{
    struct attempt *attempt = &exchange->attempt;
    const struct policy_caller caller = exchange_caller(exchange);
    policy_report_endpoint(&caller, attempt->endpoint, &attempt->tickets, outcome);
    if (attempt->reported || (outcome == OUTCOME_IGNORED && !answered)) {
        return;
    }
    attempt->reported = true;
    if (outcome_failed(outcome)) {
        if (!attempt->counted) {
            traffic_unanswered(exchange->worker->pool, attempt->endpoint);
        }
        const struct endpoint_failure failure = {
            caller.by.strata, policy_endpoint_strata(&caller, attempt->endpoint),
            outcome == OUTCOME_UNREACHED, cause.word, cause.status};
        endpoint_failed(exchange->worker->pool, attempt->endpoint, &failure,
                        attempt_age_us(exchange));
    } else {
        endpoint_answered(exchange->worker->pool, attempt->endpoint, attempt_age_us(exchange));
    }
}

void attempt_report_upstream(struct exchange *exchange, enum outcome outcome)
{
    const struct policy_caller caller = exchange_caller(exchange);
    policy_report_upstream(&caller, &exchange->attempt.tickets, outcome);
}

void attempt_count_answer(struct exchange *exchange, unsigned status, uint64_t age_us)
{
    exchange->attempt.counted = true;
    traffic_answered(exchange->worker->pool, exchange->attempt.endpoint, status, age_us);
}

/* While the client still has to send bytes, the latency says nothing. */
static void attempt_report_early_answer(struct exchange *exchange)
{
    struct attempt *attempt = &exchange->attempt;
    const struct policy_caller caller = exchange_caller(exchange);
    policy_report_endpoint(&caller, attempt->endpoint, &attempt->tickets, OUTCOME_SUCCESS);
    policy_report_upstream(&caller, &attempt->tickets, OUTCOME_SUCCESS);
    attempt->reported = true;
    endpoint_answered_early(attempt->endpoint);
}

void attempt_report_answer(struct exchange *exchange, uint64_t age_us)
{
    if (__builtin_expect(exchange_client_owes(exchange), 0)) {
        attempt_report_early_answer(exchange);
        return;
    }
    struct attempt *attempt = &exchange->attempt;
    struct upstream *upstream = exchange->target.upstream;
    const struct policy_caller caller = exchange_caller(exchange);
    const struct upstream_settings *settings = caller.view->settings;
    struct policy_local *local = &policy_of(upstream)->locals[caller.by.worker];
    enum outcome outcome =
        policy_note_latency(local, &caller.by, age_us) ? OUTCOME_SLOW : OUTCOME_SUCCESS;
    policy_report_endpoint(&caller, attempt->endpoint, &attempt->tickets, outcome);
    policy_report_upstream(&caller, &attempt->tickets, outcome);
    if (__builtin_expect(settings->retry.hedge, 0)) {
        policy_note_most(local, age_us);
    }
    if (__builtin_expect(settings->limits.adaptive, 0)) {
        policy_adapt(upstream, &settings->limits, age_us, caller.by.now_ms);
    }
    if (!attempt->reported) {
        attempt->reported = true;
        endpoint_answered(exchange->worker->pool, attempt->endpoint, age_us);
    }
}

/* ---- the end ---- */

void attempt_end(struct exchange *exchange)
{
    struct attempt *attempt = &exchange->attempt;
    struct upstream_side *side = attempt_side(attempt);
    if (__builtin_expect(exchange->trace != NULL, 0) && attempt->state != ATTEMPT_NONE) {
        exchange_trace_attempt(exchange);
    }
    if (attempt->state == ATTEMPT_LEASING) {
        pool_lease_cancel(exchange->worker->pool, &attempt->request);
    }
    attempt_drop_tickets(exchange);
    if (__builtin_expect(attempt->judge_at_ms != 0, 0)) {
        attempt_set_slow(exchange, false);
        attempt->judge_at_ms = attempt->judged_bytes = 0;
    }
    if (__builtin_expect(attempt->state == ATTEMPT_LEASED, 1)) {
        side->ops->end(side);
    } else if (attempt->state == ATTEMPT_SHARES) {
        side->ops->end(side);
        attempt_speak_http1(exchange);
    }
    attempt->state = ATTEMPT_NONE;
}
