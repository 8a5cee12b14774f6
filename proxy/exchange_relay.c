/* Payload and heads on their way through an exchange, and the bytes of a tunnel. */
#include "proxy/exchange_parts.h"
#include "steady/check.h"
#include "steady/deadline.h"

/* ---- the request's payload ---- */

bool exchange_hold(struct exchange *exchange, const struct payload *payload)
{
    size_t bytes = payload_bytes(payload);
    exchange->held_last = payload->last;
    if (bytes == 0) {
        return true;
    }
    CHECK(exchange->held == NULL);
    exchange->held = buf_take(exchange->worker->bufs, bytes);
    if (exchange->held == NULL) {
        return false;
    }
    for (size_t i = 0; i < payload->count; i++) {
        CHECK(buf_append(exchange->held, payload->pieces[i].iov_base, payload->pieces[i].iov_len));
    }
    exchange->request_full = true;
    return true;
}

struct payload exchange_first_payload(struct exchange *exchange, struct iovec *piece)
{
    if (exchange->arrived != NULL) {
        return *exchange->arrived;
    }
    if (exchange->held == NULL) {
        return (struct payload){piece, 0, exchange->held_last, NULL};
    }
    *piece =
        (struct iovec){exchange->held->bytes + exchange->held->begin, buf_length(exchange->held)};
    return (struct payload){piece, 1, exchange->held_last, NULL};
}

void exchange_first_payload_taken(struct exchange *exchange, bool full)
{
    bool told_full = exchange->request_full;
    exchange->payload_gone = exchange->request_payload_bytes > 0;
    exchange->arrived = NULL;
    buf_give(exchange->worker->bufs, &exchange->held);
    exchange->request_full = full;
    if (!exchange->request_whole) {
        exchange_rearm(exchange);
    }
    if (told_full && !full && !exchange->request_whole) {
        exchange->downstream->read_on(exchange);
    }
}

enum sink exchange_request_payload(struct exchange *exchange, const struct payload *payload)
{
    exchange->request_payload_bytes += payload_bytes(payload);
    exchange->request_moved_ms = exchange_now_ms(exchange);
    exchange->request_whole = payload->last;
    if (exchange->continue_awaited) {
        exchange->continue_awaited = false;
        exchange_rearm(exchange);
    }
    if (exchange->attempt.lease == NULL) {
        if (!exchange_hold(exchange, payload)) {
            exchange_fail(exchange, REASON_NO_MEMORY, NULL);
            return SINK_BROKEN;
        }
        return SINK_FULL;
    }
    exchange->payload_gone = true;
    enum sink sink = attempt_send(exchange, payload);
    if (sink == SINK_FULL) {
        exchange->request_full = true;
        exchange_rearm(exchange);
    }
    return sink;
}

void exchange_on_request_stage(struct exchange *exchange)
{
    exchange_enter(exchange, EXCHANGE_SENDING);
}

void exchange_on_request_sent(struct exchange *exchange)
{
    exchange->request_done_ms = exchange_now_ms(exchange);
    if (exchange->stage == EXCHANGE_SENDING) {
        exchange_enter(exchange, EXCHANGE_AWAITING);
    }
}

void exchange_on_upstream_drained(struct exchange *exchange)
{
    exchange->request_moved_ms = exchange_now_ms(exchange);
    exchange->request_full = false;
    exchange_rearm(exchange);
    exchange->downstream->read_on(exchange);
}

/* ---- the response ---- */

void exchange_on_interim(struct exchange *exchange, const struct http_head *head)
{
    if (head->status == 100) {
        if (!exchange->continue_awaited) {
            return; /* not asked for, or the body is on its way already */
        }
        exchange->continue_awaited = false;
        exchange->request_moved_ms = exchange_now_ms(exchange);
        exchange_rearm(exchange);
    }
    exchange->downstream->send_interim(exchange, head);
}

enum sink exchange_on_response(struct exchange *exchange, const struct http_head *head,
                               const struct payload *payload)
{
    exchange->first_byte_us = exchange_age_us(exchange);
    histogram_record(&exchange->stats->first_byte_us, (uint64_t)exchange->first_byte_us);
    exchange->status = head->status;
    exchange->response_moved_ms = exchange_now_ms(exchange);
    exchange->response_payload_bytes = payload_bytes(payload);
    enum sink sink = exchange->downstream->send_head(exchange, head, payload);
    if (sink == SINK_BROKEN) {
        return sink;
    }
    if (payload->last) {
        exchange->intact = true;
        exchange_finish(exchange, REASON_COMPLETE);
        return SINK_BROKEN;
    }
    exchange->response_full = sink == SINK_FULL;
    exchange_enter(exchange, EXCHANGE_RESPONDING);
    return sink;
}

enum sink exchange_on_payload(struct exchange *exchange, const struct payload *payload)
{
    exchange->response_moved_ms = exchange_now_ms(exchange);
    exchange->response_payload_bytes += payload_bytes(payload);
    enum sink sink = exchange->downstream->send_payload(exchange, payload);
    if (sink == SINK_BROKEN) {
        return sink;
    }
    if (payload->last) {
        exchange->intact = true;
        exchange_finish(exchange, REASON_COMPLETE);
        return SINK_BROKEN;
    }
    exchange->response_full = sink == SINK_FULL;
    return sink;
}

void exchange_on_spliced(struct exchange *exchange, size_t bytes, bool blocked)
{
    struct worker_stats *stats = &exchange->worker->stats;
    exchange->response_moved_ms = exchange_now_ms(exchange);
    exchange->response_payload_bytes += bytes;
    if (exchange->response_full != blocked) {
        exchange->response_full = blocked;
        exchange_rearm(exchange);
    }
    stat_add(&stats->spliced_bytes, bytes);
    stat_add(&stats->client_bytes_out, bytes);
}

void exchange_client_drained(struct exchange *exchange)
{
    exchange->response_full = false;
    exchange->response_moved_ms = exchange_now_ms(exchange);
    exchange_rearm(exchange);
    attempt_read_on(exchange);
}

/* ---- tunnels ---- */

enum sink exchange_on_upgrade(struct exchange *exchange, const struct http_head *head)
{
    exchange->status = head->status;
    exchange->first_byte_us = exchange_age_us(exchange);
    exchange->response_moved_ms = exchange_now_ms(exchange);
    exchange->deadline_ms = deadline_after(exchange_now_ms(exchange),
                                           exchange_settings(exchange)->timeouts.tunnel_total_ms);
    exchange_enter(exchange, EXCHANGE_TUNNEL);
    enum sink sink = exchange->downstream->send_upgrade(exchange, head);
    if (sink != SINK_BROKEN) {
        exchange->response_full = sink == SINK_FULL;
        exchange->request_full = false;
        exchange->downstream->read_on(exchange);
    }
    return exchange->finished ? SINK_BROKEN : sink;
}

/* Both directions are over and nothing is left to send. */
static bool exchange_tunnel_over(struct exchange *exchange)
{
    if (!exchange->client_raw_ended || !exchange->attempt.raw_ended ||
        exchange->attempt.out != NULL) {
        return false;
    }
    exchange->intact = true;
    exchange_finish(exchange, REASON_UPGRADED);
    return true;
}

enum sink exchange_client_raw(struct exchange *exchange, const struct iovec *pieces, size_t count)
{
    const struct payload payload = {pieces, count, false, NULL};
    exchange->request_payload_bytes += payload_bytes(&payload);
    exchange->request_moved_ms = exchange_now_ms(exchange);
    enum sink sink = attempt_send_raw(exchange, pieces, count);
    exchange->request_full = sink == SINK_FULL;
    return sink;
}

void exchange_client_raw_end(struct exchange *exchange)
{
    exchange->client_raw_ended = true;
    attempt_end_raw(exchange);
    if (!exchange->finished) {
        exchange_tunnel_over(exchange);
    }
}

enum sink exchange_on_raw(struct exchange *exchange, const struct iovec *pieces, size_t count)
{
    const struct payload payload = {pieces, count, false, NULL};
    exchange->response_payload_bytes += payload_bytes(&payload);
    exchange->response_moved_ms = exchange_now_ms(exchange);
    enum sink sink = exchange->downstream->send_raw(exchange, pieces, count);
    if (sink != SINK_BROKEN) {
        exchange->response_full = sink == SINK_FULL;
    }
    return sink;
}

void exchange_on_raw_end(struct exchange *exchange)
{
    if (!exchange_tunnel_over(exchange)) {
        exchange->downstream->end_raw(exchange);
    }
}

void exchange_on_raw_flushed(struct exchange *exchange)
{
    exchange_tunnel_over(exchange);
}
