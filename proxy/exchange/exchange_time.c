/* Deadlines and timeouts of an exchange: what it waits for, and until when. */
#include <stddef.h>

#include "proxy/edge/served_file.h"
#include "proxy/exchange/exchange_parts.h"
#include "proxy/exchange/hedge.h"
#include "proxy/http/hop_fields.h"
#include "steady/deadline.h"

/* If a client resets right after its request, no further event comes. So an exchange that lasts this long checks once. */
#define LOOK_AFTER_MS 250
/* An origin that has not sent 100 after this time may never send it, while the client may be waiting for it (RFC 9110
   10.1.1). */
#define CONTINUE_AFTER_MS 1000

/* Obeys the client's own deadline, which only shortens. That of a gRPC call belongs to the protocol and is obeyed for every
   client; other fields, for those of trusted_peers. Returns the time up to the response's head. */
static uint64_t exchange_obey(struct exchange *exchange, uint64_t total_ms)
{
    uint64_t grpc_ms = hop_grpc_wait_ms(&exchange->request), asked_ms = grpc_ms;
    if (exchange->trusted) {
        asked_ms = hop_wait_ms(&exchange->request);
        exchange->tries.attempts_before = (uint8_t)(hop_attempts_count(&exchange->request) - 1);
    }
    /* that of a gRPC call holds up to its last byte */
    exchange->times.end_ms = deadline_earlier(exchange->times.end_ms,
                                              deadline_after(exchange_now_ms(exchange), grpc_ms));
    exchange->times.deadline_asked = asked_ms < total_ms;
    return exchange->times.deadline_asked ? asked_ms : total_ms;
}

void exchange_set_deadline(struct exchange *exchange, const struct upstream_settings *upstream,
                           const struct route_settings *route)
{
    uint64_t now_ms = exchange_now_ms(exchange);
    const struct timeout_settings *timeouts =
        exchange->edge.timeouts != NULL ? exchange->edge.timeouts : &upstream->timeouts;
    uint64_t total_ms = route->deadline_ms != 0 ? route->deadline_ms : timeouts->total_ms;
    exchange->times.allowed_ms = total_ms;
    exchange->times.end_ms = deadline_after(now_ms, timeouts->stream_ms);
    if (hop_asks(&exchange->request) && (exchange->trusted || exchange_is_call(exchange))) {
        total_ms = exchange_obey(exchange, total_ms);
    }
    exchange->times.deadline_ms =
        deadline_earlier(exchange->times.end_ms, deadline_after(now_ms, total_ms));
}

void exchange_excuse_upload(struct exchange *exchange)
{
    uint64_t owed_ms = exchange_now_ms(exchange) - exchange->body.moved_ms;
    exchange->times.deadline_ms = deadline_earlier(
        exchange->times.end_ms, deadline_after(exchange->times.deadline_ms, owed_ms));
}

bool exchange_hopeless(const struct exchange *exchange)
{
    uint64_t now_ms = exchange_now_ms(exchange);
    uint64_t left_ms = deadline_left_ms(exchange->times.deadline_ms, now_ms);
    return left_ms == 0 ||
           left_ms * 1000 < policy_floor_us(exchange_policy_local(exchange), now_ms);
}

enum due_act {
    DUE_FAIL,     /* what was expected has not come: the exchange ends with the reason */
    DUE_LOOK,     /* check whether the client is still there */
    DUE_CONTINUE, /* tell the client to send its payload, in place of an origin that does not */
    DUE_JUDGE, /* the client has owed bytes, or taken none, for a while: others may need its places */
    DUE_TAKEN, /* the client has taken nothing, as far as its socket tells */
    DUE_HEDGE,
    DUE_RETRY,
};

/* When something is due, and what to do if nothing has come by then. */
struct due {
    uint64_t at_ms;
    enum due_act act;
    enum exchange_reason reason; /* of DUE_FAIL */
};

static void due_earlier(struct due *due, uint64_t since_ms, uint64_t wait_ms,
                        enum exchange_reason reason)
{
    uint64_t at_ms = deadline_after(since_ms, wait_ms);
    if (at_ms < due->at_ms) {
        *due = (struct due){at_ms, DUE_FAIL, reason};
    }
}

static void due_act_earlier(struct due *due, uint64_t at_ms, enum due_act act)
{
    if (at_ms < due->at_ms) {
        *due = (struct due){at_ms, act, REASON_COMPLETE};
    }
}

static void due_queued(const struct exchange *exchange, struct due *due)
{
    const struct exchange_admission *admission = &exchange->admission;
    due_earlier(due, admission->queued_ms, exchange_settings(exchange)->limits.queue_wait_ms,
                admission->state == ADMISSION_AT_SHARD        ? REASON_SHARD_TIMEOUT
                : admission->waiter.wants == QUEUE_DESCRIPTOR ? REASON_NO_DESCRIPTORS
                                                              : REASON_QUEUE_TIMEOUT);
}

/* The client's next bytes. */
static void due_client(const struct exchange *exchange, struct due *due)
{
    due_earlier(due, exchange->body.moved_ms, exchange->origin->listener->timeouts.body_ms,
                REASON_REQUEST_TIMEOUT);
}

/* The origin may say 100 within its second, but within half of the time that is left: before the deadline is over the
   client is told to go on, and what it owes from then on is its own time. */
static uint64_t due_continue_ms(const struct exchange *exchange)
{
    uint64_t since_ms = exchange->body.moved_ms;
    uint64_t half_ms = deadline_left_ms(exchange->times.deadline_ms, since_ms) / 2;
    return since_ms + (half_ms < CONTINUE_AFTER_MS ? half_ms : CONTINUE_AFTER_MS);
}

/* When a byte last moved, in either direction: a response that began early may wait for the rest of the upload. */
static uint64_t exchange_moved_ms(const struct exchange *exchange)
{
    return exchange->body.moved_ms > exchange->response.moved_ms ? exchange->body.moved_ms
                                                                 : exchange->response.moved_ms;
}

/* Both sides of a gRPC stream may be silent: neither owes the next byte. */
static void due_call(const struct exchange *exchange, struct due *due)
{
    due_earlier(due, exchange_moved_ms(exchange), exchange_timeouts(exchange)->grpc_idle_ms,
                REASON_IDLE_TIMEOUT);
}

static void due_sending(const struct exchange *exchange, struct due *due)
{
    const struct timeout_settings *timeouts = exchange_timeouts(exchange);
    const struct request_body *body = &exchange->body;
    if (body->continue_awaited) {
        due_act_earlier(due, due_continue_ms(exchange), DUE_CONTINUE);
    } else if (body->full || body->state != REQUEST_ARRIVING) {
        due_earlier(due, body->moved_ms, timeouts->idle_ms, REASON_IDLE_TIMEOUT);
    } else {
        if (exchange_is_call(exchange)) {
            due_call(exchange, due);
        } else {
            due_client(exchange, due);
        }
        due_act_earlier(due,
                        exchange->attempt.judge_at_ms != 0
                            ? exchange->attempt.judge_at_ms
                            : exchange->attempt.started_us / 1000 + SLOW_CLIENT_AFTER_MS,
                        DUE_JUDGE);
    }
}

/* The time that the client takes to send its body does not count for the attempt. */
static void due_awaiting(const struct exchange *exchange, struct due *due)
{
    const struct upstream_settings *settings = exchange_settings(exchange);
    uint64_t sent_ms = exchange->body.sent_ms;
    uint64_t since_ms =
        exchange->request.framing == FRAMING_NONE ? exchange->attempt.started_us / 1000 : sent_ms;
    due_earlier(due, sent_ms, exchange_timeouts(exchange)->first_byte_ms,
                REASON_FIRST_BYTE_TIMEOUT);
    due_earlier(due, since_ms, exchange_timeouts(exchange)->per_try_ms, REASON_TRY_TIMEOUT);
    if (__builtin_expect(settings->retry.hedge, 0)) {
        due_act_earlier(due, hedge_due_ms(exchange), DUE_HEDGE);
    }
}

/* The client is to take some of what its socket holds. */
static void due_taken(const struct exchange *exchange, struct due *due)
{
    const struct exchange_response *response = &exchange->response;
    uint64_t send_ms = exchange->origin->listener->timeouts.send_ms;
    due_act_earlier(
        due,
        deadline_after(response->moved_ms, response->untaken_mark == 0 ? send_ms / 2 : send_ms),
        DUE_TAKEN);
}

/* When the response began. */
static uint64_t exchange_answered_ms(const struct exchange *exchange)
{
    const struct exchange_times *times = &exchange->times;
    uint64_t first_byte_us = times->first_byte_us > 0 ? (uint64_t)times->first_byte_us : 0;
    return (times->started_us + first_byte_us) / 1000;
}

/* For a beaten exchange its twin watches the response. A client that is slow to take what waits in its buffer has a
   timer of its own. */
static void due_responding(const struct exchange *exchange, struct due *due)
{
    const struct exchange_response *response = &exchange->response;
    if (exchange->hedge.role == HEDGE_BEATEN) {
        return;
    }
    if (exchange_is_call(exchange) && !response->full) {
        due_call(exchange, due);
    } else if (!response->full) {
        due_earlier(due, exchange_moved_ms(exchange), exchange_timeouts(exchange)->idle_ms,
                    REASON_IDLE_TIMEOUT);
    } else if ((response->paused && !exchange->downstream->watches) ||
               attempt_piped(&exchange->attempt)) {
        due_taken(exchange, due);
    }
    bool waits = response->full || __builtin_expect(exchange->attempt.slow, 0);
    if (waits && exchange->admission.state == ADMISSION_ADMITTED) {
        due_act_earlier(due,
                        exchange->attempt.judge_at_ms != 0
                            ? exchange->attempt.judge_at_ms
                            : exchange_answered_ms(exchange) + SLOW_CLIENT_AFTER_MS,
                        DUE_JUDGE);
    }
}

static void due_tunnel(const struct exchange *exchange, struct due *due)
{
    due_earlier(due, exchange_moved_ms(exchange), exchange_timeouts(exchange)->tunnel_idle_ms,
                REASON_IDLE_TIMEOUT);
}

/* The disk, or a client without a timer of its own. */
static void due_serving(const struct exchange *exchange, struct due *due)
{
    const struct exchange_response *response = &exchange->response;
    if (!response->full) {
        due_earlier(due, response->moved_ms, exchange->edge.route->files.timeout_ms,
                    REASON_DISK_TIMEOUT);
    } else {
        if (response->paused && !exchange->downstream->watches) {
            due_taken(exchange, due);
        }
        due_act_earlier(due, exchange->edge.file->pace.judged_ms + SLOW_CLIENT_AFTER_MS, DUE_JUDGE);
    }
}

/* What the exchange waits for next, and until when. Inline, because most callers use the time alone. */
__attribute__((always_inline)) static inline struct due exchange_due_ms(
    const struct exchange *exchange)
{
    bool to_head = exchange->response.status == 0 && !exchange_client_owes(exchange);
    struct due due = {to_head ? exchange->times.deadline_ms : exchange->times.end_ms, DUE_FAIL,
                      REASON_DEADLINE};
    if (!exchange->looked) {
        due_act_earlier(&due, exchange->times.started_us / 1000 + LOOK_AFTER_MS, DUE_LOOK);
    }
    switch ((enum exchange_stage)exchange->stage) {
    case EXCHANGE_AWAITING_BODY: due_client(exchange, &due); break;
    case EXCHANGE_QUEUED: due_queued(exchange, &due); break;
    case EXCHANGE_CONNECTING:
        due_earlier(&due, exchange->attempt.started_us / 1000,
                    exchange_timeouts(exchange)->per_try_ms, REASON_TRY_TIMEOUT);
        break;
    case EXCHANGE_SENDING: due_sending(exchange, &due); break;
    case EXCHANGE_AWAITING: due_awaiting(exchange, &due); break;
    case EXCHANGE_RESPONDING: due_responding(exchange, &due); break;
    case EXCHANGE_TUNNEL: due_tunnel(exchange, &due); break;
    case EXCHANGE_BACKOFF: due_act_earlier(&due, exchange->tries.retry_at_ms, DUE_RETRY); break;
    case EXCHANGE_SERVING: due_serving(exchange, &due); break;
    case EXCHANGE_NEW:
    case EXCHANGE_ASKING:
    case EXCHANGE_LEASED:
    case EXCHANGE_FINISHED: break;
    }
    return due;
}

void exchange_rearm(struct exchange *exchange)
{
    wheel_arm(&exchange->worker->loop.wheel, &exchange->timer, exchange_due_ms(exchange).at_ms);
}

void exchange_enter(struct exchange *exchange, enum exchange_stage stage)
{
    exchange->stage = (uint8_t)stage;
    if (stage != EXCHANGE_LEASED && stage != EXCHANGE_FINISHED) {
        exchange_rearm(exchange);
    }
}

/* Finds a client that is gone without an event. */
static void exchange_look(struct exchange *exchange)
{
    exchange->looked = true;
    if (exchange->downstream->gone(exchange)) {
        exchange_finish(exchange, REASON_CLIENT_ABORT);
    }
}

static void exchange_judge_client(struct exchange *exchange)
{
    struct worker_stats *stats = &exchange->worker->stats;
    if (exchange->stage == EXCHANGE_RESPONDING || exchange->stage == EXCHANGE_SERVING) {
        bool goes = exchange->stage == EXCHANGE_SERVING ? exchange_judge_serving(exchange)
                                                        : attempt_judge_response(exchange);
        if (goes) {
            stat_add(&stats->slow_responses_ended, 1);
            exchange_fail(exchange, REASON_CLIENT_STALLED, "others wait");
        }
    } else if (attempt_judge_upload(exchange)) {
        stat_add(&stats->slow_uploads_ended, 1);
        exchange_fail(exchange, REASON_REQUEST_TIMEOUT, "others wait");
    }
}

/* The client's socket may have a buffer so large that it takes nothing for long, although a slow client takes what is in it: it is
   looked at after half of timeouts.send, and again at its end. */
static void exchange_look_taken(struct exchange *exchange)
{
    struct exchange_response *response = &exchange->response;
    uint32_t before = response->untaken_mark, now = exchange->downstream->untaken(exchange) + 1;
    if (before != 0 && now >= before) {
        exchange_fail(exchange, REASON_CLIENT_STALLED, NULL);
        return;
    }
    if (before != 0) {
        response->moved_ms =
            exchange_now_ms(exchange) - exchange->origin->listener->timeouts.send_ms / 2;
    }
    response->untaken_mark = now;
}

static void exchange_act(struct exchange *exchange, const struct due *due)
{
    switch (due->act) {
    case DUE_LOOK: exchange_look(exchange); break;
    case DUE_CONTINUE: exchange_say_continue(exchange); break;
    case DUE_JUDGE: exchange_judge_client(exchange); break;
    case DUE_TAKEN: exchange_look_taken(exchange); break;
    case DUE_HEDGE: hedge_start(exchange); break;
    case DUE_RETRY: exchange_resume(exchange); return;
    case DUE_FAIL:
        if (exchange->stage == EXCHANGE_TUNNEL) {
            exchange_finish(exchange, due->reason);
        } else {
            exchange_fail(exchange, due->reason, NULL);
        }
        return;
    }
    if (!exchange_is_over(exchange)) {
        exchange_rearm(exchange);
    }
}

void exchange_on_timer(struct wheel_timer *timer, uint64_t now_ms)
{
    struct exchange *exchange = container_of(timer, struct exchange, timer);
    const struct due due = exchange_due_ms(exchange);
    if (deadline_passed(due.at_ms, now_ms)) {
        exchange_act(exchange, &due);
    } else {
        wheel_arm(&exchange->worker->loop.wheel, timer, due.at_ms);
    }
}
