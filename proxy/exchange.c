/* The exchange: routing, a place at the upstream, an attempt, the response, one way out. */
#include "proxy/exchange.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "pool/balance.h"
#include "proxy/balance_key.h"
#include "proxy/respond.h"
#include "steady/check.h"
#include "steady/deadline.h"

/* A client that resets in the same breath as its request leaves no further event: an exchange that lasts looks once. */
#define LOOK_AFTER_MS 250

static void exchange_on_turn(struct queue_slot *slot);
static void exchange_on_timer(struct wheel_timer *timer, uint64_t now_ms);
static void exchange_admit(struct exchange *exchange, bool turn);
static void exchange_try(struct exchange *exchange, bool turn);
static void exchange_enter(struct exchange *exchange, enum exchange_stage stage);
static void exchange_rearm(struct exchange *exchange);
static bool exchange_hold(struct exchange *exchange, const struct payload *payload);
static void exchange_route(struct exchange *exchange, const struct http_head *head);

static uint64_t exchange_now_ms(const struct exchange *exchange)
{
    return worker_now_ms(exchange->worker);
}

static int64_t exchange_age_us(const struct exchange *exchange)
{
    return (int64_t)(loop_clock_us(&exchange->worker->clock) - exchange->started_us);
}

static struct exchange *exchange_create(const struct exchange_origin *origin)
{
    struct worker *worker = origin->worker;
    struct exchange *exchange = slab_take(worker->exchanges);
    if (exchange == NULL) {
        return NULL;
    }
    /* the texts at the end are written before they are read */
    memset(exchange, 0, offsetof(struct exchange, endpoint_text));
    exchange->endpoint_text[0] = exchange->request_id[0] = exchange->request_id[32] = '\0';
    exchange->worker = worker;
    exchange->downstream = origin->downstream;
    exchange->owner = origin->owner;
    exchange->client_address = origin->client_address;
    exchange->listener_name = origin->listener_name;
    exchange->client_timeouts = origin->client_timeouts;
    exchange->client_certificate = origin->client_certificate;
    exchange->secure = origin->secure;
    exchange->upstream_name = "";
    exchange->route_name = "";
    exchange->stats = &worker->stats.no_route;
    exchange->queue_us = exchange->connect_us = exchange->first_byte_us = -1;
    exchange->started_us = loop_clock_us(&worker->clock);
    exchange->slot.on_turn = exchange_on_turn;
    wheel_timer_init(&exchange->timer, exchange_on_timer);
    attempt_init(&exchange->attempt);
    stat_add(&worker->stats.exchanges_started, 1);
    return exchange;
}

static void exchange_bury(struct corpse *corpse, void *owner)
{
    struct exchange *exchange =
        (struct exchange *)((char *)corpse - offsetof(struct exchange, corpse));
    struct worker *worker = owner;
    buf_give(worker->bufs, &exchange->head_buf);
    buf_give(worker->bufs, &exchange->held);
    slab_give(worker->exchanges, &exchange);
}

bool exchange_start(const struct exchange_origin *origin, const struct http_head *head,
                    const struct payload *payload, struct exchange **ret_exchange)
{
    struct exchange *exchange = exchange_create(origin);
    if (exchange == NULL) {
        return false;
    }
    exchange->head_buf = buf_take(origin->worker->bufs, head_copy_bytes(head));
    if (exchange->head_buf == NULL) {
        stat_add(&origin->worker->stats.exchanges_finished, 1);
        slab_give(origin->worker->exchanges, &exchange);
        return false;
    }
    head_copy(head, &exchange->request, exchange->head_buf->bytes);
    exchange->request_moved_ms = exchange_now_ms(exchange);
    exchange->request_payload_bytes = payload_bytes(payload);
    exchange->request_whole = payload->last;
    exchange->arrived = payload;
    *ret_exchange = exchange;
    exchange_route(exchange, &exchange->request);
    if (!exchange->finished && exchange->arrived != NULL) {
        if (!exchange_hold(exchange, payload)) {
            exchange_fail(exchange, REASON_NO_MEMORY, NULL);
        }
    }
    exchange->arrived = NULL;
    return true;
}

bool exchange_refuse(const struct exchange_origin *origin, enum exchange_reason reason,
                     const char *detail, struct exchange **ret_exchange)
{
    struct exchange *exchange = exchange_create(origin);
    if (exchange == NULL) {
        return false;
    }
    exchange->request.base = "";
    *ret_exchange = exchange;
    exchange_fail(exchange, reason, detail);
    return true;
}

static void exchange_route(struct exchange *exchange, const struct http_head *head)
{
    struct worker *worker = exchange->worker;
    const struct generation *generation = worker->generation;
    const struct route *route = generation_route(generation, exchange->listener_name, head);
    exchange->trusted = generation_trusts(generation, exchange->client_address);
    forward_prepare(exchange, &generation->settings->headers);
    if (forward_ends_here(exchange)) {
        exchange_fail(exchange, REASON_NOT_IMPLEMENTED, "Max-Forwards");
        return;
    }
    if (head->method == METHOD_CONNECT) {
        exchange_fail(exchange, REASON_NOT_IMPLEMENTED, "CONNECT");
        return;
    }
    if (generation_probed(generation, head)) {
        exchange_fail(exchange, worker_ready(worker) ? REASON_READY : REASON_NOT_READY, NULL);
        return;
    }
    if (route == NULL) {
        exchange_fail(exchange, REASON_NO_ROUTE, NULL);
        return;
    }
    const struct upstream_view *view =
        &generation->upstreams->views[route->settings->upstream_index];
    exchange->stats = &route->figures->by_worker[worker->env.index];
    exchange->route_name = route->figures->name;
    exchange->upstream = view->upstream;
    exchange->upstream_name = view->upstream->name;
    if (head->framing == FRAMING_LENGTH &&
        head->content_length > generation->settings->limits.body_bytes) {
        exchange_fail(exchange, REASON_BODY_TOO_LARGE, NULL);
        return;
    }
    uint64_t total_ms = view->settings->timeouts.total_ms;
    if (route->settings->deadline_ms != 0 && route->settings->deadline_ms < total_ms) {
        total_ms = route->settings->deadline_ms;
    }
    exchange->deadline_ms = deadline_after(exchange_now_ms(exchange), total_ms);
    exchange->continue_awaited = (head->facts & FACT_EXPECT_CONTINUE) != 0;
    exchange_admit(exchange, false);
}

const struct upstream_settings *exchange_settings(const struct exchange *exchange)
{
    return exchange->upstream->views[exchange->worker->env.index]->settings;
}

/* ---- a place at the upstream, an endpoint, a connection ---- */

static void exchange_queue(struct exchange *exchange, enum admit_result result)
{
    if (result == ADMIT_QUEUE_FULL && exchange->slot.for_fd) {
        exchange_fail(exchange, REASON_NO_DESCRIPTORS, NULL);
        return;
    }
    if (result == ADMIT_QUEUE_FULL) {
        exchange_fail(exchange, REASON_QUEUE_FULL, NULL);
        return;
    }
    if (exchange->queue_us < 0) {
        exchange->queue_us = 0;
        exchange->queued_ms = exchange_now_ms(exchange);
        stat_add(&exchange->worker->stats.queued, 1);
    }
    exchange_enter(exchange, EXCHANGE_QUEUED);
}

static void exchange_admit(struct exchange *exchange, bool turn)
{
    enum admit_result result =
        upstream_admit(exchange->worker->pool, exchange->upstream, &exchange->slot, turn);
    if (result != ADMIT_OK) {
        exchange_queue(exchange, result);
        return;
    }
    exchange->upstream_admitted = true;
    exchange_try(exchange, turn);
}

/* It is admitted, but no connection can be had now. */
static void exchange_wait(struct exchange *exchange, bool for_fd, bool turn)
{
    exchange_queue(exchange, upstream_wait(exchange->worker->pool, exchange->upstream,
                                           &exchange->slot, for_fd, turn));
}

static void exchange_on_turn(struct queue_slot *slot)
{
    struct exchange *exchange = (struct exchange *)((char *)slot - offsetof(struct exchange, slot));
    if (exchange->upstream_admitted) {
        exchange_try(exchange, true);
    } else {
        exchange_admit(exchange, true);
    }
}

/* Asks the endpoints for a connection. `turn`: it has queued before. */
static void exchange_try(struct exchange *exchange, bool turn)
{
    struct worker *worker = exchange->worker;
    const struct upstream_view *view = exchange->upstream->views[worker->env.index];
    struct endpoint_wish wish = {0};
    struct endpoint *endpoint;
    wish.keyed =
        balance_key(view->settings, &exchange->request, exchange->client_address, &wish.key_hash);
    enum pick_result picked = upstream_pick(worker->pool, view, &wish, &endpoint);
    if (picked == PICK_NONE) {
        exchange_fail(exchange,
                      view->endpoint_count == 0 ? REASON_UNRESOLVED : REASON_NO_ENDPOINT, NULL);
        return;
    }
    enum lease_result result = LEASE_FULL;
    if (picked == PICK_OK) {
        result = attempt_start(exchange, endpoint, exchange->redialled);
    }
    bool for_fd = result == LEASE_NO_FD;
    wish.idle_only = true;
    if (for_fd && upstream_pick(worker->pool, view, &wish, &endpoint) == PICK_OK) {
        result = attempt_start(exchange, endpoint, exchange->redialled);
    }
    switch (result) {
    case LEASE_READY: break; /* sent already; the exchange may even be over */
    case LEASE_PENDING: exchange_enter(exchange, EXCHANGE_CONNECTING); break;
    case LEASE_NO_FD:
    case LEASE_FULL: exchange_wait(exchange, for_fd, turn); break;
    }
}

void exchange_on_leased(struct exchange *exchange)
{
    if (exchange->queue_us == 0) {
        exchange->queue_us =
            (int64_t)(exchange->attempt.started_ms * 1000) - (int64_t)exchange->started_us;
        exchange->queue_us = exchange->queue_us > 0 ? exchange->queue_us : 0;
    }
    exchange->reused = exchange->attempt.lease->reused;
    if (exchange->stage == EXCHANGE_CONNECTING) {
        exchange->connect_us =
            exchange_age_us(exchange) - (exchange->queue_us > 0 ? exchange->queue_us : 0);
    }
    exchange->stage = EXCHANGE_SENDING;
}

void exchange_on_dial_failed(struct exchange *exchange, enum dial_result result)
{
    snprintf(exchange->endpoint_text, sizeof exchange->endpoint_text, "%s",
             endpoint_text(exchange->attempt.endpoint));
    switch (result) {
    case DIAL_REFUSED: exchange_fail(exchange, REASON_CONNECT_REFUSED, NULL); break;
    case DIAL_TIMEOUT: exchange_fail(exchange, REASON_CONNECT_TIMEOUT, NULL); break;
    case DIAL_RETIRED:
        /* a reload took the endpoint away meanwhile: another one, once */
        if (exchange->moved) {
            exchange_fail(exchange, REASON_UPSTREAM_REMOVED, NULL);
        } else {
            exchange->moved = true;
            exchange_try(exchange, true);
        }
        break;
    case DIAL_FULL:
    case DIAL_NO_FD:
        /* nothing was tried: back to the front of the queue */
        exchange->attempts_count--;
        exchange_wait(exchange, result == DIAL_NO_FD, true);
        break;
    case DIAL_UNREACHABLE:
    case DIAL_RESET:
        attempt_report(exchange, ENDPOINT_FAILED);
        exchange_fail(exchange, REASON_CONNECT_FAILED, dial_result_name(result));
        break;
    case DIAL_NO_ADDRESS_PORT:
    case DIAL_ERROR:
    case DIAL_OK: exchange_fail(exchange, REASON_CONNECT_FAILED, dial_result_name(result)); break;
    }
}

/* Safe to repeat: nothing of it reached the upstream, or it changes nothing to do it twice and all of it is still at hand
   (RFC 9110 9.2.2, RFC 9112 9.3.1). */
static bool exchange_may_redial(const struct exchange *exchange)
{
    const struct attempt *attempt = &exchange->attempt;
    if (exchange->redialled || !attempt->lease->reused || attempt->answered) {
        return false;
    }
    bool at_hand =
        exchange->request.framing == FRAMING_NONE || (!attempt->touched && !exchange->payload_gone);
    return at_hand && (!attempt->touched || http_method_idempotent(exchange->request.method));
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
    attempt_end(exchange);
    switch (attempt_start(exchange, endpoint, true)) {
    case LEASE_READY: break;
    case LEASE_PENDING: exchange_enter(exchange, EXCHANGE_CONNECTING); break;
    case LEASE_NO_FD: exchange_wait(exchange, true, true); break;
    case LEASE_FULL: exchange_wait(exchange, false, true); break;
    }
}

/* ---- the request's payload ---- */

/* Keeps payload until there is a connection. False: no memory. */
static bool exchange_hold(struct exchange *exchange, const struct payload *payload)
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

/* ---- time ---- */

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
    uint64_t due_ms = exchange->deadline_ms;
    *ret_reason = REASON_DEADLINE;
    if (!exchange->looked) {
        due_earlier(&due_ms, ret_reason, exchange->started_us / 1000, LOOK_AFTER_MS,
                    REASON_CLIENT_ABORT);
    }
    switch ((enum exchange_stage)exchange->stage) {
    case EXCHANGE_QUEUED:
        due_earlier(&due_ms, ret_reason, exchange->queued_ms, settings->limits.queue_wait_ms,
                    exchange->slot.for_fd ? REASON_NO_DESCRIPTORS : REASON_QUEUE_TIMEOUT);
        break;
    case EXCHANGE_CONNECTING:
        due_earlier(&due_ms, ret_reason, attempt->started_ms, timeouts->per_try_ms,
                    REASON_TRY_TIMEOUT);
        break;
    case EXCHANGE_SENDING:
        if (exchange->continue_awaited) {
            due_earlier(&due_ms, ret_reason, exchange->request_moved_ms, timeouts->first_byte_ms,
                        REASON_FIRST_BYTE_TIMEOUT);
        } else if (exchange->request_full || exchange->request_whole) {
            due_earlier(&due_ms, ret_reason, exchange->request_moved_ms, timeouts->idle_ms,
                        REASON_IDLE_TIMEOUT);
        } else {
            due_earlier(&due_ms, ret_reason, exchange->request_moved_ms,
                        exchange->client_timeouts->body_ms, REASON_REQUEST_TIMEOUT);
        }
        break;
    case EXCHANGE_AWAITING: {
        /* the time the client took to send its body is not the attempt's */
        uint64_t since_ms = exchange->request.framing == FRAMING_NONE ? attempt->started_ms
                                                                      : exchange->request_done_ms;
        due_earlier(&due_ms, ret_reason, exchange->request_done_ms, timeouts->first_byte_ms,
                    REASON_FIRST_BYTE_TIMEOUT);
        due_earlier(&due_ms, ret_reason, since_ms, timeouts->per_try_ms, REASON_TRY_TIMEOUT);
        break;
    }
    case EXCHANGE_RESPONDING:
        if (!exchange->response_full) {
            due_earlier(&due_ms, ret_reason, exchange->response_moved_ms, timeouts->idle_ms,
                        REASON_IDLE_TIMEOUT);
        } else if (attempt->pipe != NULL) {
            due_earlier(&due_ms, ret_reason, exchange->response_moved_ms,
                        exchange->client_timeouts->send_ms, REASON_CLIENT_STALLED);
        }
        break;
    case EXCHANGE_TUNNEL: {
        uint64_t moved_ms = exchange->request_moved_ms > exchange->response_moved_ms
                                ? exchange->request_moved_ms
                                : exchange->response_moved_ms;
        due_earlier(&due_ms, ret_reason, moved_ms, timeouts->tunnel_idle_ms, REASON_IDLE_TIMEOUT);
        break;
    }
    }
    return due_ms;
}

/* What is awaited has changed, and may be due earlier than what was. */
static void exchange_rearm(struct exchange *exchange)
{
    enum exchange_reason reason;
    uint64_t due_ms = exchange_due_ms(exchange, &reason);
    wheel_arm(&exchange->worker->wheel, &exchange->timer, due_ms);
}

/* The only writer of `stage` but for exchange_on_leased(), which is followed by a call of this at once. */
static void exchange_enter(struct exchange *exchange, enum exchange_stage stage)
{
    exchange->stage = (uint8_t)stage;
    exchange_rearm(exchange);
}

static void exchange_on_timer(struct wheel_timer *timer, uint64_t now_ms)
{
    struct exchange *exchange =
        (struct exchange *)((char *)timer - offsetof(struct exchange, timer));
    enum exchange_reason reason;
    uint64_t due_ms = exchange_due_ms(exchange, &reason);
    if (!deadline_passed(due_ms, now_ms)) {
        wheel_arm(&exchange->worker->wheel, timer, due_ms);
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
        exchange->intact = false;
        exchange_finish(exchange, reason);
        return;
    }
    exchange_fail(exchange, reason, NULL);
}

/* ---- the end ---- */

/* Reasons that speak against the endpoint of the attempt under way, rather than against the client or this process. */
static const bool endpoint_fault[REASON_COUNT] = {
    [REASON_CONNECT_REFUSED] = true,     [REASON_CONNECT_TIMEOUT] = true,
    [REASON_UPSTREAM_RESET] = true,      [REASON_UPSTREAM_INVALID] = true,
    [REASON_UPSTREAM_INCOMPLETE] = true, [REASON_UPSTREAM_HEAD_TOO_LARGE] = true,
    [REASON_FIRST_BYTE_TIMEOUT] = true,  [REASON_TRY_TIMEOUT] = true,
};

void exchange_fail(struct exchange *exchange, enum exchange_reason reason, const char *detail)
{
    if (exchange->finished) {
        return;
    }
    if (endpoint_fault[reason]) {
        attempt_report(exchange, ENDPOINT_FAILED);
    }
    if (exchange->status != 0 || reason_rows[reason].status == 0) {
        exchange_finish(exchange, reason);
        return;
    }
    struct own_response response;
    own_response_build(&response, reason, detail);
    struct iovec piece = {response.body,
                          exchange->request.method == METHOD_HEAD ? 0 : response.body_bytes};
    const struct payload payload = {&piece, 1, true, NULL};
    exchange->status = response.head.status;
    exchange->response_payload_bytes = piece.iov_len;
    if (exchange->downstream->send_head(exchange, &response.head, &payload) == SINK_BROKEN) {
        return;
    }
    exchange->intact = true;
    exchange_finish(exchange, reason);
}

static struct access_text text_of(const char *bytes, size_t length)
{
    return (struct access_text){bytes, (uint32_t)length};
}

static struct access_text text_of_field(const struct http_head *head, enum field_id id)
{
    const struct http_field *field = head_has(head, id) ? head_find(head, id) : NULL;
    return field != NULL ? text_of(head->base + field->value_at, field->value_bytes)
                         : text_of("", 0);
}

static void exchange_log(struct exchange *exchange)
{
    struct worker *worker = exchange->worker;
    const struct http_head *head = &exchange->request;
    const char *reason = reason_rows[exchange->reason].name;
    const char *endpoint = exchange->attempt.lease != NULL
                               ? endpoint_text(exchange->attempt.lease->endpoint)
                               : exchange->endpoint_text;
    char client[ADDRESS_TEXT_BYTES];
    struct access_record record = {
        .client = text_of(client, address_format_ip(exchange->client_address, client)),
        .method = text_of(head_text(head, head->method_text), head->method_text.bytes),
        .target = text_of(head_text(head, head->target), head->target.bytes),
        .host = text_of(head_text(head, head->host), head->host.bytes),
        .user_agent = text_of_field(head, FIELD_USER_AGENT),
        .referer = text_of_field(head, FIELD_REFERER),
        .request_id = exchange->request_id_kept
                          ? text_of_field(head, FIELD_X_REQUEST_ID)
                          : text_of(exchange->request_id, strlen(exchange->request_id)),
        .listener = text_of(exchange->listener_name, strlen(exchange->listener_name)),
        .route = text_of(exchange->route_name, strlen(exchange->route_name)),
        .upstream = text_of(exchange->upstream_name, strlen(exchange->upstream_name)),
        .endpoint = text_of(endpoint, strlen(endpoint)),
        .reason = text_of(reason, strlen(reason)),
        .status = exchange->status,
        .http_1_0 = (head->facts & FACT_HTTP_1_0) != 0,
        .reused = exchange->reused,
        .attempts_count = exchange->attempts_count,
        .request_body_bytes = exchange->request_payload_bytes,
        .response_body_bytes = exchange->response_payload_bytes,
        .duration_us = (uint64_t)exchange_age_us(exchange),
        .queue_us = exchange->queue_us,
        .connect_us = exchange->connect_us,
        .first_byte_us = exchange->first_byte_us,
        .deadline_left_ms =
            exchange->deadline_ms == 0
                ? -1
                : (int64_t)deadline_left_ms(exchange->deadline_ms, exchange_now_ms(exchange)),
    };
    access_log_write(worker->access, &record, worker_wall_ms(worker));
}

void exchange_finish(struct exchange *exchange, enum exchange_reason reason)
{
    struct worker *worker = exchange->worker;
    if (exchange->finished) {
        return;
    }
    exchange->finished = true;
    exchange->reason = (uint8_t)reason;
    if (access_log_on(worker->access)) {
        exchange_log(exchange);
    }
    attempt_end(exchange);
    queue_cancel(worker->pool, &exchange->slot);
    if (exchange->upstream_admitted) {
        exchange->upstream_admitted = false;
        upstream_leave(worker->pool, exchange->upstream);
    }
    wheel_disarm(&worker->wheel, &exchange->timer);
    stat_add(&exchange->stats->by_class[exchange->status / 100], 1);
    stat_add(&exchange->stats->by_reason[reason], 1);
    histogram_record(&exchange->stats->duration_us, (uint64_t)exchange_age_us(exchange));
    stat_add(&worker->stats.exchanges_finished, 1);
    graveyard_bury(&worker->graveyard, &exchange->corpse, exchange_bury);
    exchange->downstream->finished(exchange, exchange->intact);
}
