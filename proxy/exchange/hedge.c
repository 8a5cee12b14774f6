/* The twin of an exchange. */
#include "proxy/exchange/hedge.h"

#include <stdio.h>

#include "proxy/exchange/exchange_parts.h"
#include "proxy/exchange/exchange_trace.h"
#include "proxy/policy/policy.h"
#include "proxy/policy/retry.h"
#include "steady/deadline.h"

static const struct downstream_ops hedge_ops;

static void hedge_enter(struct exchange *exchange, enum hedge_role role, struct exchange *twin)
{
    exchange->hedge = (struct exchange_hedge){twin, (uint8_t)role};
}

/* ---- whether and when ---- */

/* While a breaker of the upstream is guarded, nothing is hedged. A shard counts its places by request, so routes with
   shards are not hedged. */
static bool hedge_allowed(const struct exchange *exchange)
{
    const struct upstream_view *view = exchange_view(exchange);
    return view->settings->retry.hedge && exchange->worker->pressure < PRESSURE_NO_RETRIES &&
           exchange->hedge.role == HEDGE_ALONE && exchange->admission.shard == NULL &&
           exchange->request.framing == FRAMING_NONE && !(exchange->request.facts & FACT_UPGRADE) &&
           view->endpoint_count > 1 &&
           retry_idempotent(&view->settings->retry, &exchange->request) &&
           !policy_guards(exchange->target.upstream) && !policy_guarded(exchange->target.upstream);
}

uint64_t hedge_due_ms(const struct exchange *exchange)
{
    if (!hedge_allowed(exchange)) {
        return UINT64_MAX;
    }
    uint64_t most_us = policy_most_us(exchange_policy_local(exchange));
    return most_us == 0 ? UINT64_MAX
                        : deadline_after(exchange->attempt.started_us / 1000, most_us / 1000 + 1);
}

void hedge_start(struct exchange *exchange)
{
    struct exchange *twin;
    if (!policy_take_hedge(exchange_policy_local(exchange)) ||
        !exchange_start_twin(exchange, &hedge_ops, &twin)) {
        hedge_enter(exchange, HEDGE_SPENT, NULL);
        return;
    }
    hedge_enter(exchange, HEDGE_RACING, twin);
    hedge_enter(twin, HEDGE_TWIN, NULL);
    exchange_trace_share(twin, exchange);
    exchange->tries.attempts_count++;
    exchange_admit(twin, false);
    exchange_go_on(twin);
}

void hedge_cancel(struct exchange *exchange)
{
    struct exchange *twin = exchange->hedge.twin;
    if (twin != NULL) {
        hedge_enter(exchange, HEDGE_SPENT, NULL);
        exchange_finish(twin, REASON_CLIENT_ABORT);
    }
}

struct exchange *hedge_who_answers(struct exchange *exchange)
{
    return exchange->hedge.role == HEDGE_BEATEN ? exchange->hedge.twin : exchange;
}

/* ---- how a twin answers its client, the first exchange ---- */

static struct exchange *first_of(struct exchange *twin)
{
    return twin->owner;
}

/* The twin was faster: the attempt of the first exchange, and its planned retry, are over. */
static void hedge_beat(struct exchange *first, struct exchange *twin)
{
    hedge_enter(first, HEDGE_BEATEN, twin);
    stat_add(&exchange_policy_local(first)->hedges_won_count, 1);
    attempt_end(first);
    exchange_dequeue(first);
    admission_enter(first, ADMISSION_APART);
    first->reused = twin->reused;
    snprintf(first->endpoint_text, sizeof first->endpoint_text, "%s",
             endpoint_text(twin->attempt.endpoint));
}

/* A 5xx response of the twin is not an answer. */
static enum sink hedge_send_head(struct exchange *twin, const struct http_head *head,
                                 const struct payload *payload)
{
    struct exchange *first = first_of(twin);
    if (head->status >= 500) {
        exchange_finish(twin, REASON_CLIENT_ABORT);
        return SINK_BROKEN;
    }
    hedge_beat(first, twin);
    return exchange_answer(first, head, payload);
}

static enum sink hedge_send_payload(struct exchange *twin, const struct payload *payload)
{
    struct exchange *first = first_of(twin);
    return first->downstream->send_payload(first, payload);
}

/* Before the final response only the exchange's own attempt may send interim responses. */
static enum sink hedge_send_interim(struct exchange *twin, const struct http_head *head)
{
    (void)twin;
    (void)head;
    return SINK_OPEN;
}

static size_t hedge_room(struct exchange *twin)
{
    struct exchange *first = first_of(twin);
    return first->downstream->room(first);
}

static int hedge_splice_fd(struct exchange *twin)
{
    struct exchange *first = first_of(twin);
    return first->downstream->splice_fd(first);
}

static uint32_t hedge_untaken(struct exchange *twin)
{
    struct exchange *first = first_of(twin);
    return first->downstream->untaken(first);
}

/* There is no payload to read. */
static void hedge_read_on(struct exchange *twin)
{
    (void)twin;
}

static size_t hedge_proxy_header(struct exchange *twin, char *space)
{
    struct exchange *first = first_of(twin);
    return first->downstream->proxy_header(first, space);
}

static bool hedge_gone(struct exchange *twin)
{
    struct exchange *first = first_of(twin);
    return first->downstream->gone(first);
}

static void hedge_finished(struct exchange *twin, bool intact)
{
    struct exchange *first = first_of(twin);
    bool answered = first->hedge.role == HEDGE_BEATEN;
    if (first->hedge.twin != twin) {
        return; /* no longer needed */
    }
    hedge_enter(first, HEDGE_SPENT, NULL);
    if (answered) {
        first->response.payload_bytes = twin->response.payload_bytes;
        first->response.intact = intact;
        exchange_finish(first, (enum exchange_reason)twin->reason);
    }
}

/* A twin has no payload to take and asks for no tunnel. */
static const struct downstream_ops hedge_ops = {
    .send_head = hedge_send_head,
    .send_payload = hedge_send_payload,
    .send_interim = hedge_send_interim,
    .room = hedge_room,
    .read_on = hedge_read_on,
    .splice_fd = hedge_splice_fd,
    .untaken = hedge_untaken,
    .proxy_header = hedge_proxy_header,
    .gone = hedge_gone,
    .finished = hedge_finished,
};
