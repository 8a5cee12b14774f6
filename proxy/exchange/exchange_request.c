/* Sending the request: from the client's side to the upstream side, with what is held in between. */
#include "proxy/exchange/exchange_mirror.h"
#include "proxy/exchange/exchange_parts.h"
#include "proxy/exchange/field_trust.h"
#include "proxy/policy/retry.h"

/* Whether sent payload is kept: a retry is possible and would be allowed, or the endpoint may refuse the request. */
static bool exchange_replays(const struct exchange *exchange)
{
    const struct retry_settings *retry = &exchange_settings(exchange)->retry;
    if (exchange->response.status != 0 || exchange->body.lost) {
        return false;
    }
    return exchange->attempt.upstream.side.ops->refuses ||
           (retry->attempts_count > 1 &&
            (retry_idempotent(retry, &exchange->request) || exchange_repeats_call(exchange)));
}

static void exchange_request_sent(struct exchange *exchange)
{
    if (__builtin_expect(exchange->edge.mirror != NULL, 0)) {
        exchange_mirror_send(exchange);
    }
    exchange->body.state = REQUEST_SENT;
    exchange->body.sent_ms = exchange_now_ms(exchange);
    if (exchange->stage <= EXCHANGE_SENDING) {
        exchange_enter(exchange, EXCHANGE_AWAITING);
    }
}

/* The upstream side has taken the payload. What is stored goes before more is read. */
static void exchange_payload_passed(struct exchange *exchange, const struct payload *arrived,
                                    bool full)
{
    struct request_body *body = &exchange->body;
    bool was_full = body->full;
    if (body->bytes > 0 || (arrived != NULL && arrived->trailers != NULL)) {
        request_body_passed(body, exchange->worker, arrived, exchange_replays(exchange));
    }
    body->moved_ms = exchange_now_ms(exchange);
    body->full = full || request_body_waits(body);
    if (was_full && !body->full && body->state == REQUEST_ARRIVING) {
        exchange->downstream->read_on(exchange);
    }
}

/* The connection was dead and took nothing: the payload waits for the next one. */
static void exchange_payload_kept(struct exchange *exchange, const struct payload *arrived)
{
    if (arrived != NULL && !request_body_hold(&exchange->body, exchange->worker, arrived)) {
        exchange_fail(exchange, REASON_NO_MEMORY, NULL);
        return;
    }
    exchange_enter(exchange, EXCHANGE_SENDING);
}

/* Sends what is stored, buffer by buffer, as long as the endpoint takes it. */
static void exchange_feed(struct exchange *exchange)
{
    struct upstream_side *side = attempt_side(&exchange->attempt);
    enum sink sink = SINK_OPEN;
    while (sink == SINK_OPEN && !side->broken && request_body_waits(&exchange->body)) {
        struct iovec piece;
        const struct payload payload = request_body_held(&exchange->body, &piece);
        if (__builtin_expect(exchange->edge.mirror != NULL, 0)) {
            exchange_mirror_take(exchange, &payload, false);
        }
        sink = side->ops->send_payload(side, &payload);
        if (sink == SINK_BROKEN) {
            return;
        }
        exchange_payload_passed(exchange, NULL, sink == SINK_FULL);
        if (payload.last && sink == SINK_OPEN) {
            exchange_request_sent(exchange);
        }
    }
}

void exchange_send(struct exchange *exchange, const struct payload *arrived)
{
    struct upstream_side *side = attempt_side(&exchange->attempt);
    struct iovec piece;
    const struct payload payload =
        arrived != NULL ? *arrived : request_body_held(&exchange->body, &piece);
    struct added_fields added;
    if (__builtin_expect(!forward_add_fields(exchange,
                                             exchange->worker->write_scratch + WORKER_HEAD_BYTES,
                                             WORKER_COMPOSE_BYTES, &added),
                         0)) {
        exchange_fail(exchange, REASON_HEAD_TOO_LARGE, NULL);
        return;
    }
    if (__builtin_expect(exchange->edge.mirror != NULL, 0)) {
        exchange_mirror_take(exchange, &payload, true);
    }
    enum sink sink = side->ops->send_head(side, &exchange->request, &added, &payload);
    if (__builtin_expect(sink == SINK_BROKEN, 0)) {
        return;
    }
    if (__builtin_expect(side->broken, 0)) {
        exchange_payload_kept(exchange, arrived);
        return;
    }
    exchange_payload_passed(exchange, arrived, sink == SINK_FULL);
    if (payload.last && sink == SINK_OPEN) {
        exchange_request_sent(exchange);
    } else {
        exchange_enter(exchange, EXCHANGE_SENDING);
        if (sink == SINK_OPEN) {
            exchange_feed(exchange);
        }
    }
}

void exchange_send_or_hold(struct exchange *exchange, const struct payload *payload)
{
    if (__builtin_expect(exchange->stage == EXCHANGE_LEASED, 1)) {
        exchange_send(exchange, payload);
    } else if (exchange->stage == EXCHANGE_AWAITING_BODY && payload_bytes(payload) > 0) {
        (void)exchange_buffer(exchange, payload);
    } else if (!exchange_is_over(exchange) &&
               !request_body_hold(&exchange->body, exchange->worker, payload)) {
        exchange_fail(exchange, REASON_NO_MEMORY, NULL);
    }
}

void exchange_read_body(struct exchange *exchange)
{
    struct worker *worker = exchange->worker;
    struct buf *came = exchange->body.held;
    exchange->body.held = NULL;
    exchange->body.full = false;
    if (came != NULL) {
        const struct iovec piece = {came->bytes + came->begin, buf_length(came)};
        const struct payload payload = {&piece, 1, false, NULL};
        exchange_send_or_hold(exchange, &payload);
        buf_give(worker->bufs, &came);
    }
    if (!exchange_is_over(exchange) && !exchange->body.full) {
        exchange->downstream->read_on(exchange);
    }
}

void exchange_go_on(struct exchange *exchange)
{
    if (exchange->stage == EXCHANGE_LEASED) {
        exchange_send(exchange, NULL);
    }
}

/* ---- from the client's side ---- */

/* The first bytes of a body are here: the exchange asks for its places now. */
static enum sink exchange_body_begins(struct exchange *exchange, const struct payload *payload)
{
    if (exchange_buffers(exchange)) {
        return exchange_buffer(exchange, payload);
    }
    exchange_pass(exchange);
    exchange_send_or_hold(exchange, payload);
    return exchange_is_over(exchange) ? SINK_BROKEN : exchange->body.full ? SINK_FULL : SINK_OPEN;
}

size_t exchange_request_room(const struct exchange *exchange)
{
    if (exchange->body.full) {
        return 0;
    }
    return __builtin_expect(worker_has_ample_buffers(exchange->worker), 1) ? WORKER_READ_BYTES
                                                                           : WORKER_TIGHT_BYTES;
}

enum sink exchange_request_payload(struct exchange *exchange, const struct payload *payload)
{
    struct request_body *body = &exchange->body;
    struct upstream_side *side = attempt_side(&exchange->attempt);
    if (exchange_client_owes(exchange)) {
        exchange_excuse_upload(exchange);
    }
    body->bytes += payload_bytes(payload);
    if (__builtin_expect(payload->trailers != NULL, 0)) {
        field_trust_trailers(exchange, payload->trailers);
    }
    body->moved_ms = exchange_now_ms(exchange);
    body->state = payload->last ? REQUEST_WHOLE : REQUEST_ARRIVING;
    if (payload->last && exchange->tries.attempts_count > 0) {
        attempt_earn(exchange);
    }
    if (body->continue_awaited) {
        body->continue_awaited = false;
        exchange_rearm(exchange);
    }
    if (exchange->stage == EXCHANGE_AWAITING_BODY) {
        return exchange_body_begins(exchange, payload);
    }
    if (side->lease == NULL) {
        if (!request_body_hold(body, exchange->worker, payload)) {
            exchange_fail(exchange, REASON_NO_MEMORY, NULL);
            return SINK_BROKEN;
        }
        body->full = true;
        return SINK_FULL;
    }
    if (__builtin_expect(exchange->edge.mirror != NULL, 0)) {
        exchange_mirror_take(exchange, payload, false);
    }
    request_body_passed(body, exchange->worker, payload, exchange_replays(exchange));
    enum sink sink = side->broken ? SINK_FULL : side->ops->send_payload(side, payload);
    if (sink == SINK_FULL) {
        body->full = true;
        exchange_rearm(exchange);
    } else if (sink == SINK_OPEN && payload->last) {
        exchange_request_sent(exchange);
    }
    return sink;
}

enum sink exchange_client_raw(struct exchange *exchange, const struct iovec *iov, size_t count)
{
    struct upstream_side *side = attempt_side(&exchange->attempt);
    exchange->body.bytes += iov_bytes(iov, count);
    exchange->body.moved_ms = exchange_now_ms(exchange);
    enum sink sink = side->ops->send_raw(side, iov, count);
    exchange->body.full = sink == SINK_FULL;
    return sink;
}

/* ---- from the upstream side ---- */

void exchange_on_request_moved(void *owner)
{
    struct exchange *exchange = owner;
    exchange->body.moved_ms = exchange_now_ms(exchange);
}

void exchange_on_request_drained(void *owner)
{
    struct exchange *exchange = owner;
    exchange->body.moved_ms = exchange_now_ms(exchange);
    if (request_body_waits(&exchange->body)) {
        exchange_feed(exchange);
    } else {
        exchange->body.full = false;
        exchange->downstream->read_on(exchange);
    }
    if (!exchange_is_over(exchange)) {
        exchange_rearm(exchange);
    }
}

void exchange_on_request_sent(void *owner)
{
    exchange_request_sent(owner);
}
