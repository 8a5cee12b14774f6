/* What is tried again, and when: the free redial of a request that met a dead connection, and retries. */
#include "breaker/backoff.h"
#include "proxy/exchange/exchange_parts.h"
#include "proxy/http/proxy_status.h"
#include "proxy/policy/retry.h"
#include "proxy/policy/shards.h"
#include "steady/deadline.h"

/* Reasons that speak against the endpoint of an attempt, rather than against the client or this process, and what of retry.on
   names them. */
static const struct {
    bool fault;
    unsigned condition;
    bool lasting; /* the same endpoint would only say it again */
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

/* ---- what an attempt says of its endpoint ---- */

/* Cut off by the deadline. It had what it may have by itself, or half of it: then nobody else is to blame. A client that was in
   more of a hurry says nothing but that it was slow, if it was. */
static enum outcome exchange_cut_outcome(const struct exchange *exchange)
{
    const struct upstream_settings *settings = exchange_settings(exchange);
    uint64_t waited_ms = attempt_age_us(exchange) / 1000;
    uint64_t patience_ms =
        deadline_earlier(exchange->allowed_ms, deadline_earlier(settings->timeouts.first_byte_ms,
                                                                settings->timeouts.per_try_ms));
    if (waited_ms * 2 >= patience_ms) {
        return OUTCOME_FAILURE;
    }
    return waited_ms >= settings->breaker.slow_after_ms ? OUTCOME_SLOW : OUTCOME_IGNORED;
}

/* ---- the decision ---- */

struct failure {
    unsigned condition;
    enum outcome outcome;
    bool other_hop;
    uint64_t retry_after_ms;
};

static bool exchange_has_other_endpoint(const struct exchange *exchange)
{
    const struct upstream_view *view = exchange->upstream->views[exchange->worker->env.index];
    return view->endpoint_count > exchange->tried_count;
}

/* After the pure rules: the breaker, the time, the budget, which counts what it gives. */
static enum retry_verdict exchange_ask_retry(struct exchange *exchange,
                                             const struct failure *failure)
{
    const struct policy_caller caller = exchange_caller(exchange);
    const struct retry_settings *settings = &caller.view->settings->retry;
    struct upstream_policy *policy = policy_of(exchange->upstream);
    const struct backoff_plan plan = {
        .retry = exchange->retries_count + 1,
        .retry_after_ms = failure->retry_after_ms,
        .attempt_ms = policy_floor_us(&policy->locals[caller.worker], caller.now_ms) / 1000,
        .deadline_ms = exchange->deadline_ms,
    };
    uint64_t wait_ms = 0;
    if (breaker_refuses(policy->breaker, &caller.view->settings->breaker, caller.now_ms)) {
        return RETRY_BREAKER_VERDICT;
    }
    if (backoff_wait(settings, &plan, caller.now_ms, caller.rng, &wait_ms) == BACKOFF_TOO_LATE) {
        return RETRY_TOO_LATE_VERDICT;
    }
    if (exchange->shard != NULL &&
        retry_budget_take(exchange->shard->budget, settings, caller.worker, caller.now_ms) !=
            RETRY_BUDGET_TAKEN) {
        return RETRY_SHARD_BUDGET_VERDICT;
    }
    switch (retry_budget_take(policy->budget, settings, caller.worker, caller.now_ms)) {
    case RETRY_BUDGET_SPENT: return RETRY_BUDGET_VERDICT;
    case RETRY_BUDGET_MINUTE_SPENT: return RETRY_MINUTE_VERDICT;
    case RETRY_BUDGET_TAKEN: break;
    }
    /* another endpoint need not recover first */
    bool at_once =
        failure->condition == RETRY_CONNECT_FAILURE && exchange_has_other_endpoint(exchange);
    exchange->retry_at_ms = deadline_after(caller.now_ms, at_once ? 0 : wait_ms);
    return RETRY_MADE_VERDICT;
}

/* Told to the breakers once: a failure that is made good at another endpoint says nothing of the upstream. */
static bool exchange_retry(struct exchange *exchange, const struct failure *failure)
{
    const struct retry_settings *settings = &exchange_settings(exchange)->retry;
    const struct attempt *attempt = &exchange->attempt;
    const struct retry_case retry_case = {
        .condition = failure->condition,
        .other_hop = failure->other_hop,
        .untouched = !attempt->touched,
        .body_at_hand = !exchange->payload_gone,
        .idempotent = retry_idempotent(settings, &exchange->request),
        .retries_count = exchange->retries_count,
    };
    bool elsewhere = exchange_has_other_endpoint(exchange);
    attempt_report_endpoint(exchange, failure->outcome, failure->other_hop);
    if (!elsewhere) {
        attempt_report_upstream(exchange, failure->outcome);
    }
    if (failure->condition == 0 || exchange->shadow) {
        attempt_report_upstream(exchange, failure->outcome);
        return false;
    }
    enum retry_verdict verdict = retry_judge(settings, &retry_case);
    if (verdict == RETRY_MADE_VERDICT) {
        verdict = exchange_ask_retry(exchange, failure);
    }
    bool made = verdict == RETRY_MADE_VERDICT;
    attempt_report_upstream(exchange, made ? OUTCOME_IGNORED : failure->outcome);
    struct policy_local *local =
        &policy_of(exchange->upstream)->locals[exchange->worker->env.index];
    stat_add(&local->retries_by_verdict[verdict], 1);
    if (made && exchange->shard != NULL) {
        shard_count(&exchange->shard->retries_count);
    }
    return made;
}

bool exchange_retries(struct exchange *exchange, enum exchange_reason reason)
{
    if (!failures[reason].fault || !exchange->attempt.begun) {
        return false;
    }
    bool vain = failures[reason].lasting && !exchange_has_other_endpoint(exchange);
    const struct failure failure = {
        .condition = exchange->stage == EXCHANGE_CONNECTING && reason == REASON_TRY_TIMEOUT
                         ? RETRY_CONNECT_FAILURE
                     : vain ? 0
                            : failures[reason].condition,
        .outcome = reason == REASON_DEADLINE ? exchange_cut_outcome(exchange) : OUTCOME_FAILURE,
    };
    if (!exchange_retry(exchange, &failure)) {
        return false;
    }
    exchange->last_reason = (uint8_t)reason;
    exchange_back_off(exchange);
    return true;
}

bool exchange_retries_response(struct exchange *exchange, const struct http_head *head)
{
    bool other_hop = head_has_error(head);
    const struct failure failure = {
        .condition = retry_condition_of(head->status),
        .outcome = other_hop ? OUTCOME_IGNORED : OUTCOME_FAILURE,
        .other_hop = other_hop,
        .retry_after_ms = retry_after_ms(head, worker_wall_ms(exchange->worker)),
    };
    exchange->last_reason = REASON_COMPLETE;
    return exchange_retry(exchange, &failure);
}

/* ---- the wait ---- */

/* A place that is not used while waiting is another's. */
void exchange_back_off(struct exchange *exchange)
{
    struct pool_worker *pool = exchange->worker->pool;
    exchange->retries_count++;
    exchange_dequeue(exchange);
    attempt_end(exchange);
    exchange_rewind(exchange);
    if (deadline_passed(exchange->retry_at_ms, exchange_now_ms(exchange))) {
        exchange_try(exchange, true);
        return;
    }
    upstream_keep(pool, exchange->upstream);
    exchange->upstream_kept = true;
    exchange->upstream_admitted = false;
    upstream_leave(pool, exchange->upstream);
    if (exchange->shard != NULL) {
        exchange_leave_shard(exchange);
    }
    exchange_enter(exchange, EXCHANGE_BACKOFF);
}

void exchange_resume(struct exchange *exchange)
{
    struct pool_worker *pool = exchange->worker->pool;
    struct upstream *upstream = exchange->upstream;
    exchange->upstream_kept = false;
    exchange_pass(exchange);
    upstream_let_go(pool, upstream);
}

/* ---- the free redial ---- */

/* Safe to repeat: nothing of it reached the upstream, or it changes nothing to do it twice; and all of it is still at hand
   (RFC 9110 9.2.2, RFC 9112 9.3.1). */
static bool exchange_may_redial(const struct exchange *exchange)
{
    const struct attempt *attempt = &exchange->attempt;
    if (exchange->redialled || !attempt->lease->facts.reused || attempt->answered) {
        return false;
    }
    return !exchange->payload_gone &&
           (!attempt->touched ||
            retry_idempotent(&exchange_settings(exchange)->retry, &exchange->request));
}

static bool exchange_redial_left(struct exchange *exchange)
{
    if (upstream_may_redial(exchange->worker->pool, exchange->upstream)) {
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
    exchange->redialled = true;
    stat_add(&exchange->worker->stats.redials, 1);
    /* a connection that had died before says nothing of the endpoint: the tickets go on */
    struct policy_tickets tickets = attempt->tickets;
    attempt->tickets = (struct policy_tickets){{0}, {0}};
    attempt_end(exchange);
    attempt->tickets = tickets;
    exchange_rewind(exchange);
    switch (attempt_start(exchange, endpoint, true)) {
    case LEASE_READY: break;
    case LEASE_PENDING: exchange_enter(exchange, EXCHANGE_CONNECTING); break;
    case LEASE_NO_FD: exchange_wait(exchange, true, true); break;
    case LEASE_FULL: exchange_wait(exchange, false, true); break;
    }
}
