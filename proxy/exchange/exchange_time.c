/* What an exchange waits for, and until when. */
#include <stddef.h>

#include "proxy/exchange/exchange_parts.h"
#include "proxy/exchange/hedge.h"
#include "proxy/http/hop_fields.h"
#include "steady/deadline.h"

/* A client that resets in the same breath as its request leaves no further event: an exchange that lasts looks once. */
#define LOOK_AFTER_MS 250

void exchange_set_deadline(struct exchange *exchange, const struct upstream_settings *upstream,
                           const struct route_settings *route)
{
    uint64_t total_ms = upstream->timeouts.total_ms;
    if (route->deadline_ms != 0 && route->deadline_ms < total_ms) {
        total_ms = route->deadline_ms;
    }
    exchange->times.allowed_ms = total_ms;
    if (exchange->trusted && hop_asks(&exchange->request)) {
        uint64_t asked_ms = hop_wait_ms(&exchange->request);
        exchange->times.deadline_asked = asked_ms < total_ms;
        total_ms = exchange->times.deadline_asked ? asked_ms : total_ms;
        exchange->tries.attempts_before = (uint8_t)(hop_attempts_count(&exchange->request) - 1);
    }
    exchange->times.deadline_ms = deadline_after(exchange_now_ms(exchange), total_ms);
}

bool exchange_hopeless(const struct exchange *exchange)
{
    uint64_t now_ms = exchange_now_ms(exchange);
    uint64_t left_ms = deadline_left_ms(exchange->times.deadline_ms, now_ms);
    return left_ms == 0 ||
           left_ms * 1000 < policy_floor_us(exchange_policy_local(exchange), now_ms);
}

static void due_earlier(uint64_t *due_ms, enum exchange_reason *reason, uint64_t since_ms,
                        uint64_t wait_ms, enum exchange_reason other)
{
    uint64_t other_ms = deadline_after(since_ms, wait_ms);
    if (other_ms < *due_ms) {
        *due_ms = other_ms;
        *reason = other;
    }
}

/* What the exchange waits for next, and until when. */
static uint64_t exchange_due_ms(const struct exchange *exchange, enum exchange_reason *ret_reason)
{
    const struct upstream_settings *settings = exchange_settings(exchange);
    const struct timeout_settings *timeouts = &settings->timeouts;
    const struct attempt *attempt = &exchange->attempt;
    uint64_t due_ms = exchange->times.deadline_ms;
    *ret_reason = REASON_DEADLINE;
    if (!exchange->looked) {
        due_earlier(&due_ms, ret_reason, exchange->times.started_us / 1000, LOOK_AFTER_MS,
                    REASON_CLIENT_ABORT);
    }
    switch ((enum exchange_stage)exchange->stage) {
    case EXCHANGE_NEW:
    case EXCHANGE_LEASED:
    case EXCHANGE_FINISHED: break;
    case EXCHANGE_QUEUED:
        due_earlier(&due_ms, ret_reason, exchange->admission.queued_ms,
                    settings->limits.queue_wait_ms,
                    exchange->admission.state == ADMISSION_AT_SHARD ? REASON_SHARD_TIMEOUT
                    : exchange->admission.waiter.for_fd             ? REASON_NO_DESCRIPTORS
                                                                    : REASON_QUEUE_TIMEOUT);
        break;
    case EXCHANGE_CONNECTING:
        due_earlier(&due_ms, ret_reason, attempt->started_us / 1000, timeouts->per_try_ms,
                    REASON_TRY_TIMEOUT);
        break;
    case EXCHANGE_SENDING:
        if (exchange->body.continue_awaited) {
            due_earlier(&due_ms, ret_reason, exchange->body.moved_ms, timeouts->first_byte_ms,
                        REASON_FIRST_BYTE_TIMEOUT);
        } else if (exchange->body.full || exchange->body.state != REQUEST_ARRIVING) {
            due_earlier(&due_ms, ret_reason, exchange->body.moved_ms, timeouts->idle_ms,
                        REASON_IDLE_TIMEOUT);
        } else {
            due_earlier(&due_ms, ret_reason, exchange->body.moved_ms,
                        exchange->origin->listener->timeouts.body_ms, REASON_REQUEST_TIMEOUT);
        }
        break;
    case EXCHANGE_AWAITING: {
        /* the time the client took to send its body is not the attempt's */
        uint64_t since_ms = exchange->request.framing == FRAMING_NONE ? attempt->started_us / 1000
                                                                      : exchange->body.sent_ms;
        due_earlier(&due_ms, ret_reason, exchange->body.sent_ms, timeouts->first_byte_ms,
                    REASON_FIRST_BYTE_TIMEOUT);
        due_earlier(&due_ms, ret_reason, since_ms, timeouts->per_try_ms, REASON_TRY_TIMEOUT);
        if (__builtin_expect(settings->retry.hedge, 0)) {
            due_ms = deadline_earlier(due_ms, hedge_due_ms(exchange));
        }
        break;
    }
    case EXCHANGE_RESPONDING:
        if (exchange->hedge.role == HEDGE_BEATEN) {
            break; /* its twin looks at that */
        }
        if (!exchange->response.full) {
            due_earlier(&due_ms, ret_reason, exchange->response.moved_ms, timeouts->idle_ms,
                        REASON_IDLE_TIMEOUT);
        } else if (attempt_piped(attempt)) {
            due_earlier(&due_ms, ret_reason, exchange->response.moved_ms,
                        exchange->origin->listener->timeouts.send_ms, REASON_CLIENT_STALLED);
        }
        break;
    case EXCHANGE_BACKOFF: due_ms = deadline_earlier(due_ms, exchange->tries.retry_at_ms); break;
    case EXCHANGE_TUNNEL: {
        uint64_t moved_ms = exchange->body.moved_ms > exchange->response.moved_ms
                                ? exchange->body.moved_ms
                                : exchange->response.moved_ms;
        due_earlier(&due_ms, ret_reason, moved_ms, timeouts->tunnel_idle_ms, REASON_IDLE_TIMEOUT);
        break;
    }
    }
    return due_ms;
}

void exchange_rearm(struct exchange *exchange)
{
    enum exchange_reason reason;
    uint64_t due_ms = exchange_due_ms(exchange, &reason);
    wheel_arm(&exchange->worker->loop.wheel, &exchange->timer, due_ms);
}

void exchange_enter(struct exchange *exchange, enum exchange_stage stage)
{
    exchange->stage = (uint8_t)stage;
    if (stage != EXCHANGE_LEASED && stage != EXCHANGE_FINISHED) {
        exchange_rearm(exchange);
    }
}

void exchange_on_timer(struct wheel_timer *timer, uint64_t now_ms)
{
    struct exchange *exchange = container_of(timer, struct exchange, timer);
    enum exchange_reason reason;
    uint64_t due_ms = exchange_due_ms(exchange, &reason);
    if (!deadline_passed(due_ms, now_ms)) {
        wheel_arm(&exchange->worker->loop.wheel, timer, due_ms);
        return;
    }
    if (exchange->stage == EXCHANGE_AWAITING && hedge_due_ms(exchange) <= now_ms) {
        hedge_start(exchange);
        if (!exchange_is_over(exchange)) {
            exchange_rearm(exchange);
        }
        return;
    }
    if (exchange->stage == EXCHANGE_BACKOFF &&
        deadline_passed(exchange->tries.retry_at_ms, now_ms)) {
        exchange_resume(exchange);
        return;
    }
    if (!exchange->looked && reason == REASON_CLIENT_ABORT) {
        exchange->looked = true;
        if (exchange->downstream->gone(exchange)) {
            exchange_finish(exchange, REASON_CLIENT_ABORT);
        } else {
            exchange_rearm(exchange);
        }
        return;
    }
    if (exchange->stage == EXCHANGE_TUNNEL) {
        exchange->response.intact = false;
        exchange_finish(exchange, reason);
        return;
    }
    exchange_fail(exchange, reason, NULL);
}
