/* Retries, and the free redial of a request that met a dead connection. */
#include "breaker/backoff.h"
#include "proxy/exchange/exchange_parts.h"
#include "proxy/exchange/exchange_trace.h"
#include "proxy/http/grpc_words.h"
#include "proxy/http/proxy_status.h"
#include "proxy/policy/retry.h"
#include "proxy/policy/shards.h"
#include "steady/deadline.h"

/* Reasons that are evidence against the endpoint of an attempt rather than against the client or this process, and the
   words of retry.on for them. */
static const struct {
    bool fault;
    unsigned condition;
    bool lasting; /* the same endpoint would fail again */
} failures[REASON_COUNT] = {
    [REASON_CONNECT_REFUSED] = {true, RETRY_CONNECT_FAILURE},
    [REASON_CONNECT_TIMEOUT] = {true, RETRY_CONNECT_FAILURE},
    [REASON_CONNECT_FAILED] = {true, RETRY_CONNECT_FAILURE},
    [REASON_UPSTREAM_TLS_CERTIFICATE] = {true, RETRY_CONNECT_FAILURE, true},
    [REASON_UPSTREAM_TLS_PROTOCOL] = {true, RETRY_CONNECT_FAILURE, true},
    [REASON_UPSTREAM_TLS_ALERT] = {true, RETRY_CONNECT_FAILURE, true},
    [REASON_UPSTREAM_TLS_TIMEOUT] = {true, RETRY_CONNECT_FAILURE},
    [REASON_UPSTREAM_TLS_BROKEN] = {true, RETRY_CONNECT_FAILURE},
    [REASON_UPSTREAM_RESET] = {true, RETRY_RESET},
    [REASON_UPSTREAM_INVALID] = {true, RETRY_502},
    [REASON_UPSTREAM_INCOMPLETE] = {true, RETRY_502},
    [REASON_UPSTREAM_HEAD_TOO_LARGE] = {true, 0},
    [REASON_FIRST_BYTE_TIMEOUT] = {true, RETRY_504},
    [REASON_TRY_TIMEOUT] = {true, RETRY_504},
    [REASON_IDLE_TIMEOUT] = {true, 0},
    [REASON_DEADLINE] = {true, 0},
};

/* ---- the result of an attempt for its endpoint ---- */

/* The attempt was cut off by the deadline. If it had at least half of the time that the configuration allows, this is a
   failure of the endpoint. If the client was in more of a hurry, the only evidence is that the call was slow, if it
   was. */
static enum outcome exchange_cut_outcome(const struct exchange *exchange)
{
    const struct policy_caller caller = exchange_caller(exchange);
    const struct timeout_settings *timeouts = exchange_timeouts(exchange);
    uint64_t waited_us = attempt_age_us(exchange);
    uint64_t patience_ms =
        deadline_earlier(exchange->times.allowed_ms,
                         deadline_earlier(timeouts->first_byte_ms, timeouts->per_try_ms));
    if (waited_us / 1000 * 2 >= patience_ms) {
        return OUTCOME_FAILURE;
    }
    return policy_is_slow(&caller, waited_us) ? OUTCOME_SLOW : OUTCOME_IGNORED;
}

/* The request has no part in a failed dial. */
static enum outcome exchange_failed_outcome(const struct exchange *exchange,
                                            enum exchange_reason reason)
{
    if (reason == REASON_DEADLINE) {
        return exchange_client_owes(exchange) ? OUTCOME_IGNORED : exchange_cut_outcome(exchange);
    }
    if (exchange_client_silent(exchange)) {
        return OUTCOME_IGNORED;
    }
    return failures[reason].condition == RETRY_CONNECT_FAILURE ? OUTCOME_UNREACHED
                                                               : OUTCOME_FAILURE;
}

/* ---- the decision ---- */

struct failure {
    unsigned condition;
    enum outcome outcome;
    struct attempt_cause cause;
    bool other_hop;
    bool pushback;   /* the server asks for no retry */
    bool repeatable; /* retry.on says that this failure had no effect, whatever the method */
    uint64_t retry_after_ms;
};

static bool exchange_has_other_endpoint(const struct exchange *exchange)
{
    return exchange_view(exchange)->endpoint_count > exchange->tries.tried_count;
}

/* After the pure rules, asks the breaker, the time and, last, the budget, because what it grants counts as made. */
static enum retry_verdict exchange_ask_retry(struct exchange *exchange,
                                             const struct failure *failure)
{
    const struct policy_caller caller = exchange_caller(exchange);
    const struct retry_settings *settings = &caller.view->settings->retry;
    struct upstream_policy *policy = policy_of(exchange->target.upstream);
    const struct backoff_plan plan = {
        .retry = exchange->tries.retries_count + 1,
        .retry_after_ms = failure->retry_after_ms,
        .attempt_ms = policy_floor_us(&policy->locals[caller.by.worker], caller.by.now_ms) / 1000,
        .deadline_ms = exchange->times.deadline_ms,
    };
    uint64_t wait_ms = 0;
    if (exchange->worker->pressure >= PRESSURE_NO_RETRIES) {
        return RETRY_MEMORY_VERDICT;
    }
    if (breaker_refuses(policy->breaker, caller.by.settings, caller.by.now_ms)) {
        return RETRY_BREAKER_VERDICT;
    }
    if (backoff_wait(settings, &plan, caller.by.now_ms, caller.by.rng, &wait_ms) ==
        BACKOFF_TOO_LATE) {
        return RETRY_TOO_LATE_VERDICT;
    }
    if (exchange->admission.shard != NULL &&
        retry_budget_take(exchange->admission.shard->budget, settings, caller.by.worker,
                          caller.by.now_ms) != RETRY_BUDGET_TAKEN) {
        return RETRY_SHARD_BUDGET_VERDICT;
    }
    switch (retry_budget_take(policy->budget, settings, caller.by.worker, caller.by.now_ms)) {
    case RETRY_BUDGET_SPENT: return RETRY_BUDGET_VERDICT;
    case RETRY_BUDGET_MINUTE_SPENT: return RETRY_MINUTE_VERDICT;
    case RETRY_BUDGET_TAKEN: break;
    }
    /* another endpoint does not need time to recover */
    bool at_once =
        failure->condition == RETRY_CONNECT_FAILURE && exchange_has_other_endpoint(exchange);
    exchange->tries.retry_at_ms = deadline_after(caller.by.now_ms, at_once ? 0 : wait_ms);
    return RETRY_MADE_VERDICT;
}

/* The breakers are told once. A failure that is made good at another endpoint says nothing about the upstream. */
static bool exchange_retry(struct exchange *exchange, const struct failure *failure)
{
    const struct retry_settings *settings = &exchange_settings(exchange)->retry;
    const struct upstream_side *side = &exchange->attempt.upstream.side;
    const struct retry_case retry_case = {
        .condition = failure->condition,
        .other_hop = failure->other_hop,
        .pushback = failure->pushback,
        .untouched = !side->touched,
        .body_at_hand = !exchange->body.lost,
        .idempotent = failure->repeatable || retry_idempotent(settings, &exchange->request),
        .retries_count = exchange->tries.retries_count,
    };
    bool elsewhere = exchange_has_other_endpoint(exchange);
    if (exchange->trace != NULL) {
        exchange_trace_failed(exchange, failure->cause.word, failure->cause.status);
    }
    attempt_report_endpoint(exchange, failure->outcome, failure->other_hop, failure->cause);
    if (!elsewhere) {
        attempt_report_upstream(exchange, failure->outcome);
    }
    if (failure->condition == 0 || exchange_is_twin(exchange)) {
        attempt_report_upstream(exchange, failure->outcome);
        return false;
    }
    enum retry_verdict verdict = retry_judge(settings, &retry_case);
    if (verdict == RETRY_MADE_VERDICT) {
        verdict = exchange_ask_retry(exchange, failure);
    }
    bool made = verdict == RETRY_MADE_VERDICT;
    attempt_report_upstream(exchange, made ? OUTCOME_IGNORED : failure->outcome);
    stat_add(&exchange_policy_local(exchange)->retries_by_verdict[verdict], 1);
    if (made && exchange->admission.shard != NULL) {
        shard_count(&exchange->admission.shard->retries_count);
    }
    return made;
}

bool exchange_retries(struct exchange *exchange, enum exchange_reason reason)
{
    if (!failures[reason].fault || exchange->attempt.state == ATTEMPT_NONE) {
        return false;
    }
    bool vain = failures[reason].lasting && !exchange_has_other_endpoint(exchange);
    const struct failure failure = {
        .condition = exchange->stage == EXCHANGE_CONNECTING && reason == REASON_TRY_TIMEOUT
                         ? RETRY_CONNECT_FAILURE
                     : vain ? 0
                            : failures[reason].condition,
        .outcome = exchange_failed_outcome(exchange, reason),
        .cause = {.word = reason_rows[reason].name},
    };
    if (!exchange_retry(exchange, &failure)) {
        return false;
    }
    exchange->tries.last_reason = (uint8_t)reason;
    exchange_back_off(exchange);
    return true;
}

bool exchange_retries_response(struct exchange *exchange, const struct http_head *head)
{
    bool other_hop = head_has_error(head);
    const struct failure failure = {
        .condition = retry_condition_of(head->status),
        .outcome =
            other_hop || exchange_client_silent(exchange) ? OUTCOME_IGNORED : OUTCOME_FAILURE,
        .cause = {"status", head->status},
        .other_hop = other_hop,
        .retry_after_ms = retry_after_ms(head, worker_wall_ms(exchange->worker)),
    };
    exchange->tries.last_reason = REASON_COMPLETE;
    return exchange_retry(exchange, &failure);
}

/* ---- gRPC ---- */

/* As with the statuses of HTTP: what says that the endpoint cannot serve is a failure (UNAVAILABLE as 503, DEADLINE_EXCEEDED as
   504). What an application answers is none, whatever it is (INTERNAL and UNKNOWN as 500, RESOURCE_EXHAUSTED as 429). */
bool exchange_blames(enum grpc_status status)
{
    return status == GRPC_UNAVAILABLE || status == GRPC_DEADLINE_EXCEEDED;
}

static enum outcome exchange_call_outcome(const struct exchange *exchange, enum grpc_status status)
{
    if (!exchange_blames(status)) {
        return OUTCOME_SUCCESS;
    }
    if (exchange_client_silent(exchange)) {
        return OUTCOME_IGNORED;
    }
    return status == GRPC_DEADLINE_EXCEEDED ? exchange_cut_outcome(exchange) : OUTCOME_FAILURE;
}

bool exchange_retries_call(struct exchange *exchange, const struct http_head *head,
                           enum grpc_status status)
{
    bool other_hop = head_has_error(head);
    struct failure failure = {
        .condition = retry_condition_of_call(status),
        .outcome = other_hop ? OUTCOME_IGNORED : exchange_call_outcome(exchange, status),
        .cause = {.word = grpc_status_name(status)},
        .other_hop = other_hop,
        .repeatable = true,
    };
    failure.pushback = grpc_pushback_find(head, &failure.retry_after_ms) == GRPC_PUSHBACK_STOP;
    exchange->tries.last_reason = REASON_COMPLETE;
    return exchange_retry(exchange, &failure);
}

/* ---- the wait ---- */

/* During the wait another exchange can use the place. */
void exchange_back_off(struct exchange *exchange)
{
    exchange->tries.retries_count++;
    if (exchange_is_call(exchange)) {
        exchange_repeat_call(exchange);
    }
    exchange_dequeue(exchange);
    attempt_end(exchange);
    request_body_rewind(&exchange->body, exchange->worker);
    if (deadline_passed(exchange->tries.retry_at_ms, exchange_now_ms(exchange))) {
        exchange_try(exchange, true);
        exchange_go_on(exchange);
        return;
    }
    admission_enter(exchange, ADMISSION_APART);
    exchange_enter(exchange, EXCHANGE_BACKOFF);
}

void exchange_resume(struct exchange *exchange)
{
    exchange_pass(exchange);
    exchange_go_on(exchange);
}

/* ---- the free redial ---- */

/* Whether the request is safe to repeat: nothing of it reached the upstream, or it is idempotent; and all of it is
   still available (RFC 9110 9.2.2, RFC 9112 9.3.1). */
static bool exchange_may_redial(const struct exchange *exchange)
{
    const struct upstream_side *side = &exchange->attempt.upstream.side;
    if (exchange->tries.redial != REDIAL_LEFT || !side->lease->facts.reused || side->answered) {
        return false;
    }
    return !exchange->body.lost &&
           (!side->touched ||
            retry_idempotent(&exchange_settings(exchange)->retry, &exchange->request));
}

static bool exchange_redial_left(struct exchange *exchange)
{
    if (upstream_may_redial(exchange->worker->pool, exchange->target.upstream)) {
        return true;
    }
    stat_add(&exchange->worker->stats.redials_refused, 1);
    return false;
}

void exchange_on_dead_connection(struct exchange *exchange)
{
    struct attempt *attempt = &exchange->attempt;
    if (!exchange_may_redial(exchange) || !exchange_redial_left(exchange)) {
        exchange_fail(exchange, REASON_UPSTREAM_RESET, NULL);
        return;
    }
    struct endpoint *endpoint = attempt->endpoint;
    exchange->tries.redial = REDIAL_FRESH;
    stat_add(&exchange->worker->stats.redials, 1);
    /* a connection that was already dead says nothing about the endpoint, so the tickets are kept */
    struct policy_tickets tickets = attempt->tickets;
    attempt->tickets = (struct policy_tickets){{0}, {0}};
    if (exchange->trace != NULL) {
        exchange_trace_failed(exchange, "dead_connection", 0);
    }
    attempt_end(exchange);
    attempt->tickets = tickets;
    request_body_rewind(&exchange->body, exchange->worker);
    exchange_take_result(exchange, attempt_start(exchange, endpoint, true), true);
    exchange_go_on(exchange);
}

void exchange_on_unsent(struct exchange *exchange, uint64_t event, const char *detail)
{
    struct worker *worker = exchange->worker;
    if (exchange->tries.unsent_count == EXCHANGE_UNSENT_MOST || exchange->body.lost) {
        exchange_fail(exchange, REASON_UPSTREAM_RESET, detail);
        return;
    }
    if (!upstream_may_redial_after(worker->pool, exchange->target.upstream, event)) {
        stat_add(&worker->stats.redials_refused, 1);
        exchange_fail(exchange, REASON_UPSTREAM_RESET, detail);
        return;
    }
    exchange->tries.redial = REDIAL_ANY;
    exchange->tries.unsent_count++;
    stat_add(&worker->stats.redials, 1);
    if (exchange->trace != NULL) {
        exchange_trace_failed(exchange, "unprocessed", 0);
    }
    attempt_end(exchange);
    request_body_rewind(&exchange->body, worker);
    exchange_try(exchange, true);
    exchange_go_on(exchange);
}
