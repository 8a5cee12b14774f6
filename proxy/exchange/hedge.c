/* The shadow of an exchange. */
#include "proxy/exchange/hedge.h"

#include <stdio.h>

#include "proxy/exchange/exchange_parts.h"
#include "proxy/policy/policy.h"
#include "proxy/policy/retry.h"
#include "steady/deadline.h"

static const struct downstream_ops hedge_ops;

static struct policy_local *local_of(const struct exchange *exchange)
{
    return &policy_of(exchange->upstream)->locals[exchange->worker->env.index];
}

/* ---- whether and when ---- */

/* While a breaker of the upstream is on its guard there is trouble enough. A shard's places are counted by request. */
static bool hedge_allowed(const struct exchange *exchange)
{
    const struct upstream_view *view = exchange->upstream->views[exchange->worker->env.index];
    return view->settings->retry.hedge && !exchange->shadow && !exchange->hedged &&
           exchange->shard == NULL && exchange->request.framing == FRAMING_NONE &&
           !(exchange->request.facts & FACT_UPGRADE) && view->endpoint_count > 1 &&
           retry_idempotent(&view->settings->retry, &exchange->request) &&
           !policy_guards(exchange->upstream) && !policy_guarded(exchange->upstream);
}

uint64_t hedge_due_ms(const struct exchange *exchange)
{
    if (!hedge_allowed(exchange)) {
        return UINT64_MAX;
    }
    uint64_t most_us = policy_most_us(local_of(exchange));
    return most_us == 0 ? UINT64_MAX
                        : deadline_after(exchange->attempt.started_ms, most_us / 1000 + 1);
}

void hedge_start(struct exchange *exchange)
{
    exchange->hedged = true;
    if (!policy_take_hedge(local_of(exchange)) ||
        !exchange_start_shadow(exchange, &hedge_ops, &exchange->hedge)) {
        return;
    }
    exchange->attempts_count++;
    exchange_admit(exchange->hedge, false);
}

void hedge_cancel(struct exchange *exchange)
{
    struct exchange *shadow = exchange->hedge;
    if (shadow != NULL) {
        exchange->hedge = NULL;
        exchange_finish(shadow, REASON_CLIENT_ABORT);
    }
}

/* ---- what the shadow tells its client, the first exchange ---- */

static struct exchange *first_of(struct exchange *shadow)
{
    return shadow->owner;
}

/* It was faster. Another failure is no better than none. */
static enum sink hedge_send_head(struct exchange *shadow, const struct http_head *head,
                                 const struct payload *payload)
{
    struct exchange *first = first_of(shadow);
    if (head->status >= 500) {
        exchange_finish(shadow, REASON_CLIENT_ABORT);
        return SINK_BROKEN;
    }
    stat_add(&local_of(first)->hedges_won_count, 1);
    attempt_end(first);
    first->hedge_won = true;
    first->reused = shadow->reused;
    snprintf(first->endpoint_text, sizeof first->endpoint_text, "%s",
             endpoint_text(shadow->attempt.endpoint));
    return exchange_answer(first, head, payload);
}

static enum sink hedge_send_payload(struct exchange *shadow, const struct payload *payload)
{
    struct exchange *first = first_of(shadow);
    return first->downstream->send_payload(first, payload);
}

/* Only what its own attempt says comes before an answer. */
static void hedge_send_interim(struct exchange *shadow, const struct http_head *head)
{
    (void)shadow;
    (void)head;
}

static int hedge_splice_fd(struct exchange *shadow)
{
    struct exchange *first = first_of(shadow);
    return first->downstream->splice_fd(first);
}

/* There is no payload to read. */
static void hedge_read_on(struct exchange *shadow)
{
    (void)shadow;
}

static size_t hedge_proxy_header(struct exchange *shadow, char *space)
{
    struct exchange *first = first_of(shadow);
    return first->downstream->proxy_header(first, space);
}

static bool hedge_gone(struct exchange *shadow)
{
    struct exchange *first = first_of(shadow);
    return first->downstream->gone(first);
}

static void hedge_finished(struct exchange *shadow, bool intact)
{
    struct exchange *first = first_of(shadow);
    if (first->hedge != shadow) {
        return; /* not needed any more */
    }
    first->hedge = NULL;
    if (first->hedge_won) {
        first->response_payload_bytes = shadow->response_payload_bytes;
        first->intact = intact;
        exchange_finish(first, (enum exchange_reason)shadow->reason);
    }
}

/* It has no payload to take and asks for no tunnel. */
static const struct downstream_ops hedge_ops = {
    .send_head = hedge_send_head,
    .send_payload = hedge_send_payload,
    .send_interim = hedge_send_interim,
    .read_on = hedge_read_on,
    .splice_fd = hedge_splice_fd,
    .proxy_header = hedge_proxy_header,
    .gone = hedge_gone,
    .finished = hedge_finished,
};
