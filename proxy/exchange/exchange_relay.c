/* Payload and heads on their way through an exchange, and the bytes of a tunnel. */
#include "proxy/exchange/exchange_parts.h"
#include "proxy/exchange/hedge.h"
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
    if (!iov_keep(exchange->worker->bufs, &exchange->held, payload->iov, payload->count, 0)) {
        return false;
    }
    exchange->request_full = true;
    return true;
}

/* ---- what was sent is kept to be sent again ---- */

/* What one request may keep. */
#define REPLAY_BYTES (64u * 1024)

void exchange_drop_replay(struct exchange *exchange)
{
    struct worker *worker = exchange->worker;
    buf_give(worker->bufs, &exchange->replay);
    if (exchange->replay_count > 0) {
        bound_give(&worker->env.bounds->replay_bytes, exchange->replay_count);
        exchange->replay_count = 0;
    }
}

/* Counts what is kept, `bytes` of it in all; false: that is too much. */
static bool exchange_count_replay(struct exchange *exchange, uint64_t bytes)
{
    if (bytes > REPLAY_BYTES ||
        (bytes > exchange->replay_count && !bound_take(&exchange->worker->env.bounds->replay_bytes,
                                                       bytes - exchange->replay_count))) {
        return false;
    }
    exchange->replay_count = bytes > exchange->replay_count ? bytes : exchange->replay_count;
    return true;
}

/* Worth keeping: a retry is possible and would be allowed. */
static bool exchange_replays(const struct exchange *exchange)
{
    const struct retry_settings *retry = &exchange_settings(exchange)->retry;
    return exchange->status == 0 && !exchange->payload_gone && retry->attempts_count > 1 &&
           retry_idempotent(retry, &exchange->request);
}

/* Payload that has been passed on. */
static void exchange_record(struct exchange *exchange, const struct payload *payload)
{
    size_t bytes = payload_bytes(payload);
    size_t kept = exchange->replay != NULL ? buf_length(exchange->replay) : 0;
    if (bytes == 0 || exchange->payload_gone) {
        return;
    }
    if (payload->trailers != NULL || !exchange_replays(exchange) ||
        !exchange_count_replay(exchange, kept + bytes) ||
        !iov_keep(exchange->worker->bufs, &exchange->replay, payload->iov, payload->count, 0)) {
        exchange->payload_gone = true;
        exchange_drop_replay(exchange);
    }
}

/* The same for what was held: it moves. */
static void exchange_record_held(struct exchange *exchange)
{
    if (exchange->held == NULL) {
        return;
    }
    if (exchange_replays(exchange) && exchange_count_replay(exchange, buf_length(exchange->held))) {
        exchange->replay = exchange->held;
        exchange->held = NULL;
        return;
    }
    exchange->payload_gone = true;
    buf_give(exchange->worker->bufs, &exchange->held);
    exchange_drop_replay(exchange);
}

void exchange_rewind(struct exchange *exchange)
{
    struct buf *held = exchange->held;
    if (exchange->replay == NULL) {
        return;
    }
    exchange->held = exchange->replay;
    exchange->replay = NULL;
    exchange->held_last = exchange->request_whole;
    if (held == NULL) {
        return;
    }
    struct iovec piece = {held->bytes + held->begin, buf_length(held)};
    exchange->payload_gone = !iov_keep(exchange->worker->bufs, &exchange->held, &piece, 1, 0);
    buf_give(exchange->worker->bufs, &held);
}

/* ---- on its way ---- */

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
    if (exchange->request_payload_bytes > 0) {
        if (exchange->arrived != NULL) {
            exchange_record(exchange, exchange->arrived);
        }
        exchange_record_held(exchange);
    }
    exchange->arrived = NULL;
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
    exchange_record(exchange, payload);
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

enum sink exchange_answer(struct exchange *exchange, const struct http_head *head,
                          const struct payload *payload)
{
    if (__builtin_expect(!exchange->shadow, 1)) {
        exchange->first_byte_us = exchange_age_us(exchange);
        histogram_record(&exchange->stats->first_byte_us, (uint64_t)exchange->first_byte_us);
    }
    exchange->status = head->status;
    exchange->response_moved_ms = exchange_now_ms(exchange);
    exchange->response_payload_bytes = payload_bytes(payload);
    enum sink sink = exchange->downstream->send_head(exchange, head, payload);
    if (sink != SINK_BROKEN && !payload->last) {
        exchange->response_full = sink == SINK_FULL;
        exchange_enter(exchange, EXCHANGE_RESPONDING);
    }
    return sink;
}

enum sink exchange_on_response(struct exchange *exchange, const struct http_head *head,
                               const struct payload *payload)
{
    hedge_cancel(exchange);
    enum sink sink = exchange_answer(exchange, head, payload);
    if (sink != SINK_BROKEN && payload->last) {
        exchange->intact = true;
        exchange_finish(exchange, REASON_COMPLETE);
        return SINK_BROKEN;
    }
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
    if (__builtin_expect(exchange->hedge_won, 0)) {
        exchange_client_drained(exchange->hedge);
        return;
    }
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

enum sink exchange_client_raw(struct exchange *exchange, const struct iovec *iov, size_t count)
{
    const struct payload payload = {iov, count, false, NULL};
    exchange->request_payload_bytes += payload_bytes(&payload);
    exchange->request_moved_ms = exchange_now_ms(exchange);
    enum sink sink = attempt_send_raw(exchange, iov, count);
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

enum sink exchange_on_raw(struct exchange *exchange, const struct iovec *iov, size_t count)
{
    const struct payload payload = {iov, count, false, NULL};
    exchange->response_payload_bytes += payload_bytes(&payload);
    exchange->response_moved_ms = exchange_now_ms(exchange);
    enum sink sink = exchange->downstream->send_raw(exchange, iov, count);
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
