/* Passing the response on, tunnels, and the other events of the upstream side. */
#include "proxy/edge/edge_fields.h"
#include "proxy/exchange/exchange_compress.h"
#include "proxy/exchange/exchange_parts.h"
#include "proxy/exchange/exchange_placement.h"
#include "proxy/exchange/hedge.h"
#include "proxy/exchange/upgrade.h"
#include "proxy/policy/retry.h"
#include "steady/deadline.h"

/* ---- the response ---- */

void exchange_pause(struct exchange *exchange)
{
    exchange->response.full = exchange->response.paused = true;
    exchange->response.untaken_mark = 0;
    stat_add(&exchange->worker->stats.responses_paused, 1);
    exchange_rearm(exchange);
}

static size_t exchange_room(void *owner)
{
    struct exchange *exchange = owner;
    if (exchange->response.full) {
        return 0;
    }
    size_t room = exchange->downstream->room(exchange);
    if (__builtin_expect(room == 0, 0)) {
        exchange_pause(exchange);
    }
    return room;
}

static int exchange_splice_fd(void *owner)
{
    struct exchange *exchange = owner;
    return exchange->downstream->splice_fd(exchange);
}

static void exchange_on_interim(void *owner, const struct http_head *head)
{
    struct exchange *exchange = owner;
    if (head->status == 100) {
        if (!exchange->body.continue_awaited) {
            return; /* not asked for, or the body is already being sent */
        }
        exchange->body.continue_awaited = false;
        exchange->body.moved_ms = exchange_now_ms(exchange);
        exchange_rearm(exchange);
    }
    if (exchange->downstream->send_interim(exchange, head) == SINK_FULL) {
        exchange->response.full = true;
    }
}

void exchange_say_continue(struct exchange *exchange)
{
    static const struct http_head head = {.base = "", .status = 100};
    exchange_on_interim(exchange, &head);
}

static bool exchange_on_final(void *owner, const struct http_head *head)
{
    struct exchange *exchange = owner;
    uint64_t age_us = attempt_age_us(exchange);
    attempt_count_answer(exchange, head->status, age_us);
    if (__builtin_expect(retry_condition_of(head->status) != 0, 0)) {
        return !exchange_retries_response(exchange, head);
    }
    attempt_report_answer(exchange, age_us);
    return true;
}

static void exchange_on_response_dropped(void *owner)
{
    exchange_back_off(owner);
}

/* Sends the head as the route's fields and compression make it, and with the cookie of a sticky route. */
__attribute__((noinline)) static enum sink exchange_send_edited(struct exchange *exchange,
                                                                const struct http_head *head,
                                                                const struct payload *payload)
{
    struct worker *worker = exchange->worker;
    char cookie[EXCHANGE_COOKIE_BYTES];
    const struct edge_extra extra = {"Set-Cookie", cookie, exchange_sticky_cookie(exchange, cookie),
                                     true};
    struct http_head edited, coded;
    struct buf *space, *coded_space;
    const struct http_head *sent = exchange_edge_response(exchange, head, &extra, &edited, &space);
    sent = exchange_compress(exchange, sent, payload, &coded, &coded_space);
    enum sink sink = exchange->downstream->send_head(exchange, sent, payload);
    buf_give(worker->bufs, &coded_space);
    buf_give(worker->bufs, &space);
    return sink;
}

/* Passes the head on; the stage is its caller's. */
static inline enum sink exchange_pass_head(struct exchange *exchange, const struct http_head *head,
                                           const struct payload *payload)
{
    struct exchange_response *response = &exchange->response;
    if (__builtin_expect(exchange->body.store != NULL, 0)) {
        request_body_forget(&exchange->body, exchange->worker);
    }
    if (__builtin_expect(!exchange_is_inner(exchange), 1)) {
        exchange->times.first_byte_us = exchange_age_us(exchange);
        histogram_record(&exchange->target.stats->first_byte_us,
                         (uint64_t)exchange->times.first_byte_us);
    }
    response->status = head->status;
    response->moved_ms = exchange_now_ms(exchange);
    response->payload_bytes = payload_bytes(payload);
    /* the first exchange edits what its twin brings; nobody gets what a side request brings */
    return exchange->edge.held == NULL || exchange_is_inner(exchange)
               ? exchange->downstream->send_head(exchange, head, payload)
               : exchange_send_edited(exchange, head, payload);
}

enum sink exchange_answer(struct exchange *exchange, const struct http_head *head,
                          const struct payload *payload)
{
    enum sink sink = exchange_pass_head(exchange, head, payload);
    if (sink != SINK_BROKEN && !payload->last) {
        exchange->response.full = sink == SINK_FULL;
        exchange_enter(exchange, EXCHANGE_RESPONDING);
    }
    return sink;
}

enum sink exchange_answer_served(struct exchange *exchange, const struct http_head *head,
                                 const struct payload *payload)
{
    return exchange_pass_head(exchange, head, payload);
}

static enum sink exchange_completed(struct exchange *exchange)
{
    exchange->response.intact = true;
    exchange_finish(exchange, REASON_COMPLETE);
    return SINK_BROKEN;
}

static enum sink exchange_on_response(void *owner, const struct http_head *head,
                                      const struct payload *payload)
{
    struct exchange *exchange = owner;
    hedge_cancel(exchange);
    if (__builtin_expect(exchange->edge.held != NULL, 0) && head->status >= 400 &&
        !exchange_is_inner(exchange) && exchange_intercepts(exchange, head)) {
        return SINK_BROKEN;
    }
    enum sink sink = exchange_answer(exchange, head, payload);
    return sink != SINK_BROKEN && payload->last ? exchange_completed(exchange) : sink;
}

static enum sink exchange_on_payload(void *owner, const struct payload *payload)
{
    struct exchange *exchange = owner;
    struct exchange_response *response = &exchange->response;
    response->moved_ms = exchange_now_ms(exchange);
    response->payload_bytes += payload_bytes(payload);
    enum sink sink = exchange->downstream->send_payload(exchange, payload);
    if (sink == SINK_BROKEN) {
        return sink;
    }
    if (payload->last) {
        return exchange_completed(exchange);
    }
    response->full = sink == SINK_FULL;
    return sink;
}

static void exchange_on_spliced(void *owner, size_t bytes, bool blocked)
{
    struct exchange *exchange = owner;
    struct exchange_response *response = &exchange->response;
    struct worker_stats *stats = &exchange->worker->stats;
    response->moved_ms = exchange_now_ms(exchange);
    response->payload_bytes += bytes;
    response->untaken_mark = 0;
    if (response->full != blocked) {
        response->full = blocked;
        exchange_rearm(exchange);
    }
    stat_add(&stats->spliced_bytes, bytes);
    stat_add(&stats->client_bytes_out, bytes);
}

void exchange_client_drained(struct exchange *exchange)
{
    if (exchange->stage == EXCHANGE_SERVING) {
        exchange_serve_on(exchange);
        return;
    }
    struct exchange *answers = hedge_who_answers(exchange);
    struct upstream_side *side = attempt_side(&answers->attempt);
    exchange->response.full = answers->response.full = false;
    exchange->response.paused = answers->response.paused = false;
    exchange->response.moved_ms = answers->response.moved_ms = exchange_now_ms(exchange);
    exchange_rearm(exchange);
    if (answers != exchange) {
        exchange_rearm(answers);
    }
    side->ops->read_on(side);
}

void exchange_client_writable(struct exchange *exchange)
{
    if (hedge_who_answers(exchange)->response.full) {
        exchange_client_drained(exchange);
    }
}

/* ---- tunnels ---- */

static enum sink exchange_on_upgrade(void *owner, const struct http_head *head)
{
    struct exchange *exchange = owner;
    if (!upgrade_agreed(exchange, head)) {
        exchange_fail(exchange, REASON_UPGRADE_FAILED, NULL);
        return SINK_BROKEN;
    }
    uint64_t age_us = attempt_age_us(exchange);
    attempt_count_answer(exchange, head->status, age_us);
    attempt_report_answer(exchange, age_us);
    exchange->response.status = head->status;
    exchange->times.first_byte_us = exchange_age_us(exchange);
    exchange->response.moved_ms = exchange_now_ms(exchange);
    exchange->times.end_ms =
        deadline_after(exchange_now_ms(exchange), exchange_timeouts(exchange)->tunnel_total_ms);
    exchange_enter(exchange, EXCHANGE_TUNNEL);
    enum sink sink = exchange->downstream->send_upgrade(exchange, head);
    if (sink != SINK_BROKEN) {
        exchange->response.full = sink == SINK_FULL;
        exchange->body.full = false;
        exchange->downstream->read_on(exchange);
    }
    return sink;
}

/* Ends a tunnel if both directions are over and everything is sent. The client's is over, too, when the endpoint takes
   nothing more: nobody would read the client's end. */
static bool exchange_tunnel_over(struct exchange *exchange)
{
    const struct upstream_side *side = attempt_side(&exchange->attempt);
    bool sends = !exchange->client_raw_ended && !side->broken;
    if (sends || !side->ops->raw_over(side)) {
        return false;
    }
    exchange->response.intact = true;
    exchange_finish(exchange, REASON_UPGRADED);
    return true;
}

void exchange_client_raw_end(struct exchange *exchange)
{
    struct upstream_side *side = attempt_side(&exchange->attempt);
    exchange->client_raw_ended = true;
    side->ops->end_raw(side);
    exchange_tunnel_over(exchange);
}

static enum sink exchange_on_raw(void *owner, const struct iovec *iov, size_t count)
{
    struct exchange *exchange = owner;
    exchange->response.payload_bytes += iov_bytes(iov, count);
    exchange->response.moved_ms = exchange_now_ms(exchange);
    enum sink sink = exchange->downstream->send_raw(exchange, iov, count);
    if (sink != SINK_BROKEN) {
        exchange->response.full = sink == SINK_FULL;
    }
    return sink;
}

static void exchange_on_raw_end(void *owner)
{
    struct exchange *exchange = owner;
    if (!exchange_tunnel_over(exchange)) {
        exchange->downstream->end_raw(exchange);
    }
}

static void exchange_on_raw_flushed(void *owner)
{
    exchange_tunnel_over(owner);
}

/* ---- the end of the response ---- */

static void exchange_on_dead(void *owner)
{
    exchange_on_dead_connection(owner);
}

static void exchange_on_refused(void *owner, uint64_t event, const char *detail)
{
    exchange_on_unsent(owner, event, detail);
}

static void exchange_on_failed(void *owner, enum exchange_reason reason, const char *detail)
{
    exchange_fail(owner, reason, detail);
}

static size_t exchange_proxy_header(void *owner, char *space)
{
    struct exchange *exchange = owner;
    return exchange->downstream->proxy_header(exchange, space);
}

/* A gRPC call differs in what it looks for in its response. */
#define EXCHANGE_EVENTS(on_final, on_response, on_payload)                                        \
    {                                                                                             \
        .request_moved = exchange_on_request_moved,                                               \
        .request_drained = exchange_on_request_drained, .request_sent = exchange_on_request_sent, \
        .raw_flushed = exchange_on_raw_flushed, .room = exchange_room,                            \
        .interim = exchange_on_interim, .final = on_final,                                        \
        .dropped = exchange_on_response_dropped, .response = on_response, .payload = on_payload,  \
        .splice_fd = exchange_splice_fd, .spliced = exchange_on_spliced,                          \
        .upgrade = exchange_on_upgrade, .raw = exchange_on_raw, .raw_end = exchange_on_raw_end,   \
        .dead = exchange_on_dead, .unsent = exchange_on_refused, .failed = exchange_on_failed,    \
        .proxy_header = exchange_proxy_header,                                                    \
    }
const struct upstream_events exchange_events =
    EXCHANGE_EVENTS(exchange_on_final, exchange_on_response, exchange_on_payload);
const struct upstream_events exchange_call_events =
    EXCHANGE_EVENTS(exchange_on_call_final, exchange_on_call_response, exchange_on_call_payload);
