/* HTTP/1.1 towards an endpoint: the request out, the response in, the connection back to the pool if it is clean. */
#include "proxy/exchange/attempt.h"

#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include "pool/proxy_header.h"
#include "proxy/exchange/exchange.h"
#include "proxy/exchange/splice.h"
#include "proxy/http1/h1_frame.h"
#include "proxy/http1/h1_parse.h"
#include "proxy/http1/h1_write.h"
#include "proxy/policy/retry.h"
#include "proxy/policy/shards.h"
#include "steady/check.h"

/* The first read of a response: a head and a small body, no more. */
#define ATTEMPT_HEAD_READ_BYTES (16u * 1024)

static void attempt_on_ready(struct lease_request *request, struct lease *lease);
static void attempt_on_failed(struct lease_request *request, enum dial_result result);
static size_t attempt_proxy_header(struct lease_request *request, char *space);
static void attempt_on_event(struct lease *lease, short what);
static void attempt_on_deferred(struct deferred *deferred);
static void attempt_leased(struct exchange *exchange, struct lease *lease);
static void attempt_drop_tickets(struct exchange *exchange);
static void attempt_read(struct exchange *exchange);
static bool attempt_feed(struct exchange *exchange, const char *bytes, size_t length);

static struct exchange *exchange_of(struct attempt *attempt)
{
    return container_of(attempt, struct exchange, attempt);
}

static struct attempt *attempt_of(struct lease_request *request)
{
    return container_of(request, struct attempt, request);
}

void attempt_init(struct attempt *attempt)
{
    attempt->request.on_ready = attempt_on_ready;
    attempt->request.on_failed = attempt_on_failed;
    attempt->request.proxy_header = attempt_proxy_header;
    attempt->deferred.run = attempt_on_deferred;
}

/* It is over and says nothing. */
static void attempt_drop_tickets(struct exchange *exchange)
{
    struct attempt *attempt = &exchange->attempt;
    if (__builtin_expect((attempt->tickets.upstream.word | attempt->tickets.endpoint.word) != 0,
                         0)) {
        const struct policy_caller caller = exchange_caller(exchange);
        policy_report_endpoint(&caller, attempt->endpoint, &attempt->tickets, OUTCOME_IGNORED);
        policy_report_upstream(&caller, &attempt->tickets, OUTCOME_IGNORED);
    }
}

static void attempt_count(struct exchange *exchange, struct endpoint *endpoint)
{
    struct worker *worker = exchange->worker;
    exchange->attempt.begun = true;
    if (exchange->attempts_count == 0 && !exchange->shadow) {
        uint64_t now_ms = worker_now_ms(worker);
        retry_budget_note_request(policy_of(exchange->upstream)->budget, worker->env.index, now_ms);
        if (exchange->shard != NULL) {
            retry_budget_note_request(exchange->shard->budget, worker->env.index, now_ms);
        }
    }
    exchange->attempts_count++;
    stat_add(&worker->stats.attempts, 1);
    if (exchange->tried_count < EXCHANGE_TRIED &&
        (exchange->tried_count == 0 || exchange->tried[exchange->tried_count - 1] != endpoint)) {
        exchange->tried[exchange->tried_count++] = endpoint;
    }
}

enum lease_result attempt_start(struct exchange *exchange, struct endpoint *endpoint,
                                bool fresh_only)
{
    struct attempt *attempt = &exchange->attempt;
    struct worker *worker = exchange->worker;
    struct lease *lease = NULL;
    CHECK(attempt->state == ATTEMPT_NONE);
    attempt->endpoint = endpoint;
    attempt->request.fresh_only = fresh_only;
    attempt->started_ms = worker_now_ms(worker);
    attempt->started_us = loop_clock_us(&worker->loop.clock);
    attempt->reported = false;
    enum lease_result result = pool_lease(worker->pool, endpoint, &attempt->request, &lease);
    if (result == LEASE_READY || result == LEASE_PENDING) {
        attempt_count(exchange, endpoint);
    } else {
        attempt_drop_tickets(exchange);
    }
    if (result == LEASE_READY) {
        attempt_leased(exchange, lease);
    } else if (result == LEASE_PENDING) {
        attempt->state = ATTEMPT_LEASING;
    }
    return result;
}

/* The time the client took to send its body is not the endpoint's. */
uint64_t attempt_age_us(const struct exchange *exchange)
{
    uint64_t since_us = exchange->request_done_ms * 1000;
    if (exchange->request.framing == FRAMING_NONE || since_us < exchange->attempt.started_us) {
        since_us = exchange->attempt.started_us;
    }
    return loop_clock_us(&exchange->worker->loop.clock) - since_us;
}

void attempt_report_endpoint(struct exchange *exchange, enum outcome outcome, bool answered)
{
    struct attempt *attempt = &exchange->attempt;
    const struct policy_caller caller = exchange_caller(exchange);
    policy_report_endpoint(&caller, attempt->endpoint, &attempt->tickets, outcome);
    if (!attempt->reported && (outcome != OUTCOME_IGNORED || answered)) {
        attempt->reported = true;
        endpoint_report(exchange->worker->pool, attempt->endpoint,
                        outcome == OUTCOME_FAILURE ? ENDPOINT_FAILED : ENDPOINT_ANSWERED,
                        attempt_age_us(exchange));
    }
}

void attempt_report_upstream(struct exchange *exchange, enum outcome outcome)
{
    const struct policy_caller caller = exchange_caller(exchange);
    policy_report_upstream(&caller, &exchange->attempt.tickets, outcome);
}

/* A final head has come, and is passed on. */
static void attempt_report_answer(struct exchange *exchange)
{
    struct attempt *attempt = &exchange->attempt;
    struct worker *worker = exchange->worker;
    const struct policy_caller caller = exchange_caller(exchange);
    uint64_t age_us = attempt_age_us(exchange);
    enum outcome outcome = age_us >= caller.view->settings->breaker.slow_after_ms * 1000
                               ? OUTCOME_SLOW
                               : OUTCOME_SUCCESS;
    policy_report_endpoint(&caller, attempt->endpoint, &attempt->tickets, outcome);
    policy_report_upstream(&caller, &attempt->tickets, outcome);
    policy_note_latency(&policy_of(exchange->upstream)->locals[caller.worker], age_us,
                        caller.now_ms);
    if (__builtin_expect(caller.view->settings->retry.hedge, 0)) {
        policy_note_most(&policy_of(exchange->upstream)->locals[caller.worker], age_us);
    }
    if (__builtin_expect(caller.view->settings->limits.adaptive, 0)) {
        policy_adapt(exchange->upstream, &caller.view->settings->limits, age_us, caller.now_ms);
    }
    if (!attempt->reported) {
        attempt->reported = true;
        endpoint_report(worker->pool, attempt->endpoint, ENDPOINT_ANSWERED, age_us);
    }
}

static void attempt_on_ready(struct lease_request *request, struct lease *lease)
{
    attempt_leased(exchange_of(attempt_of(request)), lease);
}

static void attempt_on_failed(struct lease_request *request, enum dial_result result)
{
    struct attempt *attempt = attempt_of(request);
    attempt->state = ATTEMPT_NONE;
    exchange_on_dial_failed(exchange_of(attempt), result);
}

static size_t attempt_proxy_header(struct lease_request *request, char *space)
{
    struct exchange *exchange = exchange_of(attempt_of(request));
    return exchange->downstream->proxy_header(exchange, space);
}

static void attempt_on_deferred(struct deferred *deferred)
{
    struct attempt *attempt = container_of(deferred, struct attempt, deferred);
    attempt_read(exchange_of(attempt));
}

/* ---- the request ---- */

/* The socket takes no more of the request. What it sent back before, if anything, decides what becomes of the exchange. */
static enum sink attempt_send_broke(struct exchange *exchange)
{
    struct attempt *attempt = &exchange->attempt;
    attempt->send_broken = true;
    buf_give(exchange->worker->bufs, &attempt->out);
    loop_defer(&exchange->worker->loop, &attempt->deferred);
    return SINK_FULL;
}

static enum sink attempt_write(struct exchange *exchange, const struct iovec *iov, size_t count)
{
    struct attempt *attempt = &exchange->attempt;
    size_t sent = 0;
    if (attempt->send_broken) {
        return SINK_FULL;
    }
    if (attempt->out == NULL) {
        enum stream_result result = stream_send(attempt->lease->stream, iov, count, &sent);
        if (result == STREAM_OK) {
            attempt->touched = true;
            stat_add(&exchange->worker->stats.upstream_bytes_out, sent);
            if (sent == iov_bytes(iov, count) && !stream_unsent(attempt->lease->stream)) {
                return SINK_OPEN;
            }
        } else if (result != STREAM_BLOCKED) {
            return attempt_send_broke(exchange);
        }
    }
    if (!iov_keep(exchange->worker->bufs, &attempt->out, iov, count, sent)) {
        exchange_fail(exchange, REASON_NO_MEMORY, NULL);
        return SINK_BROKEN;
    }
    return SINK_FULL;
}

static void attempt_leased(struct exchange *exchange, struct lease *lease)
{
    struct attempt *attempt = &exchange->attempt;
    struct h1_writer writer;
    struct iovec piece, out[PAYLOAD_IOVS + FRAME_IOVS + 2];
    char chunk_head[H1_CHUNK_HEAD_BYTES], proxy_header[PROXY_HEADER_WRITE_BYTES];
    size_t count = 0;
    attempt->lease = lease;
    lease->owner = exchange;
    lease->on_event = attempt_on_event;
    attempt->state = ATTEMPT_HEAD;
    attempt->chunked = exchange->request.framing == FRAMING_CHUNKED;
    attempt->drained = true;
    exchange_on_leased(exchange);
    h1_writer_init(&writer, exchange->worker->write_scratch, WORKER_WRITE_BYTES);
    forward_write_request(exchange, &writer);
    struct payload payload = exchange_first_payload(exchange, &piece);
    if (__builtin_expect(lease->facts.proxy_header, 0)) {
        out[count++] = (struct iovec){proxy_header,
                                      exchange->downstream->proxy_header(exchange, proxy_header)};
    }
    out[count++] = (struct iovec){writer.begin, h1_writer_length(&writer)};
    count += payload_frame(&payload, attempt->chunked, chunk_head, &writer, out + count);
    if (!h1_writer_ok(&writer)) {
        exchange_fail(exchange, REASON_HEAD_TOO_LARGE, NULL);
        return;
    }
    attempt->request_whole = payload.last;
    enum sink sink = attempt_write(exchange, out, count);
    if (sink == SINK_BROKEN || attempt->send_broken) {
        if (!exchange->finished) {
            exchange_on_request_stage(exchange);
        }
        return;
    }
    if (payload.last && sink == SINK_OPEN) {
        exchange_on_request_sent(exchange);
    } else {
        exchange_on_request_stage(exchange);
    }
    exchange_first_payload_taken(exchange, sink == SINK_FULL);
}

enum sink attempt_send(struct exchange *exchange, const struct payload *payload)
{
    struct attempt *attempt = &exchange->attempt;
    struct h1_writer writer;
    struct iovec out[PAYLOAD_IOVS + FRAME_IOVS];
    char chunk_head[H1_CHUNK_HEAD_BYTES];
    h1_writer_init(&writer, exchange->worker->write_scratch, WORKER_WRITE_BYTES);
    size_t count = payload_frame(payload, attempt->chunked, chunk_head, &writer, out);
    attempt->request_whole = payload->last;
    enum sink sink = count > 0 ? attempt_write(exchange, out, count) : SINK_OPEN;
    if (sink == SINK_OPEN && payload->last && attempt->out == NULL) {
        exchange_on_request_sent(exchange);
    }
    return sink;
}

enum sink attempt_send_raw(struct exchange *exchange, const struct iovec *iov, size_t count)
{
    return attempt_write(exchange, iov, count);
}

void attempt_end_raw(struct exchange *exchange)
{
    struct attempt *attempt = &exchange->attempt;
    attempt->end_wanted = true;
    if (attempt->out == NULL) {
        stream_end(attempt->lease->stream);
    }
}

static void attempt_flush(struct exchange *exchange)
{
    struct attempt *attempt = &exchange->attempt;
    struct iovec piece = {attempt->out->bytes + attempt->out->begin, buf_length(attempt->out)};
    size_t sent = 0;
    enum stream_result result = stream_send(attempt->lease->stream, &piece, 1, &sent);
    if (result == STREAM_BLOCKED) {
        return;
    }
    if (result != STREAM_OK) {
        attempt_send_broke(exchange);
        return;
    }
    attempt->touched = true;
    exchange->request_moved_ms = worker_now_ms(exchange->worker);
    stat_add(&exchange->worker->stats.upstream_bytes_out, sent);
    buf_consume(attempt->out, sent);
    if (buf_length(attempt->out) > 0 || stream_unsent(attempt->lease->stream)) {
        return;
    }
    buf_give(exchange->worker->bufs, &attempt->out);
    if (attempt->end_wanted) {
        stream_end(attempt->lease->stream);
        exchange_on_raw_flushed(exchange);
    } else if (attempt->state == ATTEMPT_RAW) {
        exchange_on_upstream_drained(exchange);
    } else if (attempt->request_whole) {
        exchange_on_request_sent(exchange);
    } else {
        exchange_on_upstream_drained(exchange);
    }
}

/* ---- the response ---- */

static void attempt_on_event(struct lease *lease, short what)
{
    struct exchange *exchange = lease->owner;
    struct attempt *attempt = &exchange->attempt;
    if (what & EV_CLOSED) {
        attempt->saw_end = true;
    }
    if (what & (EV_READ | EV_CLOSED)) {
        attempt->drained = false;
        attempt_read(exchange);
    }
    if (!exchange->finished && attempt->lease == lease && attempt->out != NULL &&
        (what & EV_WRITE)) {
        attempt_flush(exchange);
    }
}

void attempt_read_on(struct exchange *exchange)
{
    exchange->attempt.paused = false;
    attempt_read(exchange);
}

/* Nothing more will come from the endpoint. `clean`: an orderly end. */
static void attempt_ended(struct exchange *exchange, bool clean)
{
    struct attempt *attempt = &exchange->attempt;
    attempt->saw_end = true;
    attempt->keep = false;
    switch ((enum attempt_state)attempt->state) {
    case ATTEMPT_HEAD:
        if (!attempt->answered) {
            exchange_on_dead_connection(exchange);
        } else {
            exchange_fail(exchange, REASON_UPSTREAM_INCOMPLETE, NULL);
        }
        break;
    case ATTEMPT_BODY:
        if (clean && attempt->body.state == H1_BODY_CLOSE) {
            attempt->body.state = H1_BODY_DONE;
            exchange_on_payload(exchange, &(struct payload){NULL, 0, true, NULL});
        } else {
            exchange_fail(exchange, REASON_UPSTREAM_INCOMPLETE, NULL);
        }
        break;
    case ATTEMPT_RAW:
        attempt->raw_ended = true;
        if (clean) {
            exchange_on_raw_end(exchange);
        } else {
            exchange_finish(exchange, REASON_UPSTREAM_RESET);
        }
        break;
    case ATTEMPT_NONE:
    case ATTEMPT_LEASING: break;
    }
}

static bool attempt_keep_in(struct exchange *exchange, const char *bytes, size_t length)
{
    struct attempt *attempt = &exchange->attempt;
    struct buf_pool *bufs = exchange->worker->bufs;
    bool own = attempt->in != NULL && bytes >= attempt->in->bytes &&
               bytes < attempt->in->bytes + attempt->in->capacity;
    if (own) {
        buf_consume(attempt->in, (size_t)(bytes - (attempt->in->bytes + attempt->in->begin)));
        return true;
    }
    CHECK(attempt->in == NULL);
    attempt->in = buf_take(bufs, length + 1024);
    return attempt->in != NULL && buf_append(attempt->in, bytes, length);
}

/* Where the next read goes: behind a partial head, else the scratch. NULL: no memory. */
static char *attempt_room(struct exchange *exchange, size_t *ret_space_bytes)
{
    struct attempt *attempt = &exchange->attempt;
    struct buf_pool *bufs = exchange->worker->bufs;
    if (attempt->in == NULL) {
        /* what follows a head may be spliced if it is not taken with the head */
        bool may_splice = attempt->state == ATTEMPT_HEAD &&
                          stream_spliceable(attempt->lease->stream) &&
                          exchange->downstream->splice_fd(exchange) >= 0;
        *ret_space_bytes = may_splice ? ATTEMPT_HEAD_READ_BYTES : WORKER_READ_BYTES;
        return exchange->worker->read_scratch;
    }
    if (buf_space(attempt->in) < 512 &&
        !buf_widen(bufs, &attempt->in, buf_length(attempt->in) + 1024)) {
        return NULL;
    }
    *ret_space_bytes = buf_space(attempt->in);
    return attempt->in->bytes + attempt->in->end;
}

/* True when the payload is large and plain enough to be moved past user space. */
static bool attempt_splices(struct exchange *exchange, int *ret_sink_fd)
{
    struct attempt *attempt = &exchange->attempt;
    if (attempt->state != ATTEMPT_BODY || attempt->in != NULL ||
        !stream_spliceable(attempt->lease->stream)) {
        return false;
    }
    bool large =
        attempt->body.state == H1_BODY_CLOSE ||
        (attempt->body.state == H1_BODY_LENGTH && attempt->body.left_bytes >= SPLICE_MIN_BYTES);
    if (!large && attempt->pipe == NULL) {
        return false;
    }
    *ret_sink_fd = exchange->downstream->splice_fd(exchange);
    if (*ret_sink_fd >= 0 && attempt->pipe == NULL) {
        attempt->pipe = splice_pipe_take(exchange->worker);
    }
    return *ret_sink_fd >= 0 && attempt->pipe != NULL;
}

/* After a step of splicing: what it means. True: go on reading. */
static bool attempt_spliced(struct exchange *exchange, enum splice_result result)
{
    struct attempt *attempt = &exchange->attempt;
    if (attempt->pipe->held_bytes == 0 && h1_body_done(&attempt->body)) {
        splice_pipe_give(exchange->worker, &attempt->pipe);
        exchange_on_payload(exchange, &(struct payload){NULL, 0, true, NULL});
        return false;
    }
    switch (result) {
    case SPLICE_MOVED: return true;
    case SPLICE_SINK_BLOCKED: attempt->paused = true; return false;
    case SPLICE_SOURCE_BLOCKED:
        attempt->drained = true;
        splice_pipe_give(exchange->worker, &attempt->pipe);
        return false;
    case SPLICE_SOURCE_END:
    case SPLICE_SOURCE_BROKEN:
        splice_pipe_give(exchange->worker, &attempt->pipe);
        attempt_ended(exchange, result == SPLICE_SOURCE_END);
        return false;
    case SPLICE_SINK_BROKEN: exchange_finish(exchange, REASON_CLIENT_ABORT); return false;
    }
    return false;
}

static bool attempt_splice(struct exchange *exchange, int sink_fd)
{
    struct attempt *attempt = &exchange->attempt;
    size_t in = 0, out = 0;
    enum splice_result result;
    if (attempt->pipe->held_bytes > 0) {
        result = splice_flush(attempt->pipe, sink_fd, &out);
    } else {
        uint64_t left =
            attempt->body.state == H1_BODY_LENGTH ? attempt->body.left_bytes : UINT64_MAX;
        result = splice_move(attempt->pipe, attempt->lease->stream->fd, sink_fd, left, &in, &out);
        attempt->body.total_bytes += in;
        stat_add(&exchange->worker->stats.upstream_bytes_in, in);
        if (attempt->body.state == H1_BODY_LENGTH) {
            attempt->body.left_bytes -= in;
            if (attempt->body.left_bytes == 0) {
                attempt->body.state = H1_BODY_DONE;
            }
        }
    }
    if (in + out > 0 || result == SPLICE_SINK_BLOCKED) {
        exchange_on_spliced(exchange, out, result == SPLICE_SINK_BLOCKED);
    }
    return attempt_spliced(exchange, result);
}

/* One read and what follows from it. True: there may be more. */
static bool attempt_read_once(struct exchange *exchange)
{
    struct attempt *attempt = &exchange->attempt;
    size_t space_bytes, got;
    int sink_fd;
    if (attempt_splices(exchange, &sink_fd)) {
        return attempt_splice(exchange, sink_fd);
    }
    char *space = attempt_room(exchange, &space_bytes);
    if (space == NULL) {
        exchange_fail(exchange, REASON_NO_MEMORY, NULL);
        return false;
    }
    enum stream_result result = stream_recv(attempt->lease->stream, space, space_bytes, &got);
    if (result == STREAM_BLOCKED) {
        attempt->drained = true;
        return false;
    }
    if (result != STREAM_OK) {
        attempt_ended(exchange, result == STREAM_END);
        return false;
    }
    /* the next edge will tell of more, unless the end is already known to follow */
    attempt->drained = attempt->lease->stream->drained && !attempt->saw_end;
    attempt->answered = true;
    stat_add(&exchange->worker->stats.upstream_bytes_in, got);
    if (attempt->in != NULL) {
        attempt->in->end += (uint32_t)got;
        space = attempt->in->bytes + attempt->in->begin;
        got = buf_length(attempt->in);
    }
    /* where more is awaited, only the socket says that nothing comes: libevent does not tell an error from readiness */
    return attempt_feed(exchange, space, got);
}

static void attempt_read(struct exchange *exchange)
{
    struct attempt *attempt = &exchange->attempt;
    /* what goes past user space goes in larger steps, which count as so many reads */
    for (unsigned reads = 0; reads < WORKER_TURN_READS;
         reads += attempt->pipe != NULL ? SPLICE_STEP_READS : 1) {
        if (exchange->finished || attempt->lease == NULL || attempt->paused ||
            !attempt_read_once(exchange)) {
            return;
        }
    }
    loop_defer(&exchange->worker->loop, &attempt->deferred);
}

static struct h1_limits attempt_limits(const struct exchange *exchange)
{
    const struct limit_settings *limits = &exchange->worker->generation->settings->limits;
    return (struct h1_limits){(uint32_t)limits->head_bytes, (uint32_t)limits->fields_count};
}

/* Body bytes, from the final head on. `head` is set on the first call: it goes out with the first payload. */
static bool attempt_feed_body(struct exchange *exchange, const struct http_head *head,
                              const char *bytes, size_t length)
{
    struct attempt *attempt = &exchange->attempt;
    struct iovec iov[PAYLOAD_IOVS];
    struct http_head trailers = {.fields = exchange->worker->trailer_fields,
                                 .field_limit = WORKER_FIELDS_COUNT};
    enum sink sink;
    do {
        struct payload payload = {iov, 0, false, NULL};
        size_t consumed = 0;
        enum h1_result result = h1_body_take(&attempt->body, bytes, length, iov, PAYLOAD_IOVS,
                                             &payload.count, &consumed);
        bytes += consumed;
        length -= consumed;
        bool waits = false;
        if (result == H1_OK && attempt->body.state == H1_BODY_TRAILERS) {
            const struct h1_limits limits = attempt_limits(exchange);
            result = h1_body_trailers(&attempt->body, bytes, length, &limits, &trailers, &consumed);
            waits = result == H1_INCOMPLETE;
            if (result == H1_OK) {
                bytes += consumed;
                length -= consumed;
                payload.trailers = trailers.field_count > 0 ? &trailers : NULL;
            }
        }
        if (result != H1_OK && !waits) {
            exchange_fail(exchange, REASON_UPSTREAM_INVALID, h1_result_name(result));
            return false;
        }
        payload.last = h1_body_done(&attempt->body);
        if (payload.last && length > 0) {
            attempt->keep = false; /* nobody asked for what follows */
        }
        sink = head != NULL                        ? exchange_on_response(exchange, head, &payload)
               : payload.count > 0 || payload.last ? exchange_on_payload(exchange, &payload)
                                                   : SINK_OPEN;
        head = NULL;
        if (sink == SINK_BROKEN) {
            return false;
        }
        attempt->paused = attempt->paused || sink == SINK_FULL;
        if (waits) {
            break;
        }
    } while (length > 0);
    if (length > 0) {
        if (!attempt_keep_in(exchange, bytes, length)) {
            exchange_fail(exchange, REASON_NO_MEMORY, NULL);
            return false;
        }
    } else {
        buf_give(exchange->worker->bufs, &attempt->in);
    }
    return true;
}

/* Of a response that is not passed on: if all of it is here the connection can be kept. */
static void attempt_drop_body(struct attempt *attempt, const char *bytes, size_t length)
{
    struct iovec iov[PAYLOAD_IOVS];
    while (length > 0 && !h1_body_done(&attempt->body)) {
        size_t count = 0, consumed = 0;
        enum h1_result result =
            h1_body_take(&attempt->body, bytes, length, iov, PAYLOAD_IOVS, &count, &consumed);
        if (result != H1_OK || consumed == 0) {
            break;
        }
        bytes += consumed;
        length -= consumed;
    }
    attempt->keep = attempt->keep && length == 0;
}

/* A final head. */
static bool attempt_take_final(struct exchange *exchange, const struct http_head *head,
                               const char *bytes, size_t length)
{
    struct attempt *attempt = &exchange->attempt;
    bool failed = retry_condition_of(head->status) != 0;
    bool again = failed && exchange_retries_response(exchange, head);
    attempt->state = ATTEMPT_BODY;
    attempt->keep = !(head->facts & FACT_CLOSE) && head->framing != FRAMING_CLOSE;
    h1_body_init(&attempt->body, head->framing, head->content_length);
    if (__builtin_expect(again, 0)) {
        attempt_drop_body(attempt, bytes, length);
        exchange_back_off(exchange);
        return false;
    }
    if (!failed) {
        attempt_report_answer(exchange);
    }
    return attempt_feed_body(exchange, head, bytes, length);
}

static bool attempt_take_upgrade(struct exchange *exchange, const struct http_head *head,
                                 const char *bytes, size_t length)
{
    struct attempt *attempt = &exchange->attempt;
    bool asked = (exchange->request.facts & FACT_UPGRADE_WEBSOCKET) &&
                 exchange->request.framing == FRAMING_NONE;
    if (!asked || !head_has(head, FIELD_UPGRADE)) {
        exchange_fail(exchange, REASON_UPGRADE_FAILED, NULL);
        return false;
    }
    attempt_report_answer(exchange);
    attempt->state = ATTEMPT_RAW;
    attempt->keep = false;
    enum sink sink = exchange_on_upgrade(exchange, head);
    if (sink == SINK_BROKEN) {
        return false;
    }
    attempt->paused = sink == SINK_FULL;
    if (length > 0) {
        return attempt_feed(exchange, bytes, length);
    }
    buf_give(exchange->worker->bufs, &attempt->in);
    return true;
}

/* Received bytes, by what is awaited. False: stop reading. */
static bool attempt_feed(struct exchange *exchange, const char *bytes, size_t length)
{
    struct attempt *attempt = &exchange->attempt;
    const struct h1_limits limits = attempt_limits(exchange);
    while (attempt->state == ATTEMPT_HEAD) {
        struct http_head head = {.fields = exchange->worker->fields,
                                 .field_limit = WORKER_FIELDS_COUNT};
        enum h1_result result = h1_parse_response(bytes, length, &limits, exchange->request.method,
                                                  &attempt->scanned, &head);
        if (result == H1_INCOMPLETE) {
            if (!attempt_keep_in(exchange, bytes, length)) {
                exchange_fail(exchange, REASON_NO_MEMORY, NULL);
                return false;
            }
            return true;
        }
        if (result != H1_OK) {
            bool large = result == H1_HEAD_TOO_LARGE || result == H1_TOO_MANY_FIELDS;
            exchange_fail(exchange,
                          large ? REASON_UPSTREAM_HEAD_TOO_LARGE : REASON_UPSTREAM_INVALID,
                          h1_result_name(result));
            return false;
        }
        attempt->scanned = 0;
        bytes += head.head_bytes;
        length -= head.head_bytes;
        if (head.status == 101) {
            return attempt_take_upgrade(exchange, &head, bytes, length);
        }
        if (head.status >= 200) {
            return attempt_take_final(exchange, &head, bytes, length);
        }
        exchange_on_interim(exchange, &head);
        if (exchange->finished) {
            return false;
        }
        if (length == 0) {
            buf_give(exchange->worker->bufs, &attempt->in);
            return true;
        }
    }
    if (attempt->state == ATTEMPT_BODY) {
        return attempt_feed_body(exchange, NULL, bytes, length);
    }
    struct iovec piece = {(void *)(uintptr_t)bytes, length};
    enum sink sink = exchange_on_raw(exchange, &piece, 1);
    if (sink == SINK_BROKEN) {
        return false;
    }
    attempt->paused = sink == SINK_FULL;
    buf_give(exchange->worker->bufs, &attempt->in);
    return true;
}

/* ---- the end ---- */

/* Asks the socket when the last read does not tell: bytes that nobody asked for must not be read as the next response. */
static bool attempt_is_drained(const struct attempt *attempt)
{
    char byte;
    size_t got;
    if (attempt->drained) {
        return true;
    }
    return stream_recv(attempt->lease->stream, &byte, 1, &got) == STREAM_BLOCKED;
}

void attempt_end(struct exchange *exchange)
{
    struct attempt *attempt = &exchange->attempt;
    struct worker *worker = exchange->worker;
    loop_defer_cancel(&worker->loop, &attempt->deferred);
    if (attempt->state == ATTEMPT_LEASING) {
        pool_lease_cancel(worker->pool, &attempt->request);
    }
    attempt_drop_tickets(exchange);
    if (attempt->lease != NULL) {
        bool over = attempt->state == ATTEMPT_BODY && h1_body_done(&attempt->body);
        bool clean = over && attempt->keep && attempt->request_whole && attempt->out == NULL &&
                     !attempt->saw_end && !attempt->send_broken &&
                     (attempt->pipe == NULL || attempt->pipe->held_bytes == 0) &&
                     attempt_is_drained(attempt);
        if (clean) {
            lease_return(worker->pool, &attempt->lease);
        } else {
            bool done = over || attempt->raw_ended;
            bool broken = attempt->saw_end || attempt->send_broken;
            lease_close(worker->pool, &attempt->lease,
                        done     ? LEASE_CLOSED_DONE
                        : broken ? LEASE_CLOSED_BROKEN
                                 : LEASE_CLOSED_ABANDONED);
        }
    }
    buf_give(worker->bufs, &attempt->out);
    buf_give(worker->bufs, &attempt->in);
    splice_pipe_give(worker, &attempt->pipe);
    attempt->state = ATTEMPT_NONE;
    attempt->begun = false;
    attempt->scanned = 0;
    attempt->answered = attempt->touched = attempt->saw_end = attempt->send_broken = false;
    attempt->paused = attempt->keep = attempt->request_whole = false;
}
