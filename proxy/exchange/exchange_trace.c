/* From the facts of an exchange to spans. */
#include "proxy/exchange/exchange_trace.h"

#include <stddef.h>
#include <string.h>
#include <time.h>

#include "proxy/exchange/exchange_parts.h"
#include "proxy/http/target_path.h"
#include "proxy/trace/sampler.h"
#include "proxy/trace/span_rings.h"

/* Where they are in a traceparent. */
#define TRACE_ID_AT 3
#define PARENT_ID_AT 36
#define FLAGS_END 55

/* ---- the beginning ---- */

static uint64_t wall_offset_us(void)
{
    struct timespec wall, monotonic;
    clock_gettime(CLOCK_REALTIME, &wall);
    clock_gettime(CLOCK_MONOTONIC, &monotonic);
    return (uint64_t)(wall.tv_sec - monotonic.tv_sec) * 1000000 +
           (uint64_t)((wall.tv_nsec - monotonic.tv_nsec) / 1000);
}

/* Ids are not 0 (W3C Trace Context 3.2.2.4). */
static uint64_t new_id(struct exchange *exchange)
{
    uint64_t id;
    do {
        id = rng_next(&exchange->worker->loop.rng);
    } while (id == 0);
    return id;
}

static uint64_t id_of(const char *hex)
{
    uint64_t id = 0;
    for (unsigned i = 0; i < 16; i++) {
        unsigned c = (unsigned char)hex[i];
        id = id << 4 | (c >= 'a' ? c - 'a' + 10 : c - '0');
    }
    return id;
}

/* NULL: no memory. */
static struct exchange_trace *trace_take(struct exchange *exchange)
{
    struct buf *memory = buf_take(exchange->worker->bufs, sizeof(struct exchange_trace));
    if (memory == NULL) {
        span_rings_lose(exchange->worker->env.spans, 1);
        return NULL;
    }
    struct exchange_trace *trace = (struct exchange_trace *)(void *)memory->bytes;
    *trace = (struct exchange_trace){
        .memory = memory, .queue_told_us = -1, .connect_us = -1, .tls_us = -1};
    exchange->trace = trace;
    return trace;
}

/* A trace that begins here has the id of the request, so that logs and traces can be matched. */
static void trace_name(struct exchange *exchange, const struct http_field *parent)
{
    struct exchange_trace *trace = exchange->trace;
    const char *request_id = exchange->forward.request_id;
    if (parent != NULL) {
        const char *value = exchange->request.base + parent->value_at;
        memcpy(trace->id, value + TRACE_ID_AT, TRACE_ID_BYTES);
        trace->parent_id = id_of(value + PARENT_ID_AT);
    } else if (request_id[0] != '\0') {
        memcpy(trace->id, request_id, TRACE_ID_BYTES);
    } else {
        span_id_write(new_id(exchange), trace->id);
        span_id_write(new_id(exchange), trace->id + 16);
    }
}

void exchange_trace_begin(struct exchange *exchange, const struct tracing_settings *settings,
                          const struct http_field *parent)
{
    enum trace_word word =
        parent == NULL ? TRACE_SAYS_NOTHING
                       : trace_word_of(exchange->request.base[parent->value_at + FLAGS_END - 1]);
    uint64_t random = rng_next(&exchange->worker->loop.rng);
    if (!trace_samples(settings, word, exchange->trusted, random) || trace_take(exchange) == NULL) {
        return;
    }
    struct exchange_trace *trace = exchange->trace;
    trace->query = settings->query;
    trace->span_id = new_id(exchange);
    trace->wall_us = wall_offset_us();
    trace_name(exchange, parent);
    exchange->forward.trace_kept = false;
    exchange->forward.trace_flag = '1';
}

void exchange_trace_share(struct exchange *inner, const struct exchange *exchange)
{
    const struct exchange_trace *outer = exchange->trace;
    if (outer == NULL) {
        return;
    }
    struct exchange_trace *trace = trace_take(inner);
    if (trace == NULL) {
        inner->forward.trace_flag = '\0'; /* the request may have no id to begin a trace with */
        return;
    }
    memcpy(trace->id, outer->id, sizeof trace->id);
    trace->span_id = outer->span_id;
    trace->wall_us = outer->wall_us;
    trace->attempts_count =
        exchange_is_twin(inner) ? outer->attempts_count + 1 : 0; /* one is in progress */
}

char *exchange_trace_parent(struct exchange *exchange, char *at)
{
    struct exchange_trace *trace = exchange->trace;
    if (trace->attempt_id == 0) {
        trace->attempt_id = new_id(exchange);
    }
    memcpy(at, "00-", 3);
    memcpy(at + TRACE_ID_AT, trace->id, TRACE_ID_BYTES);
    at[PARENT_ID_AT - 1] = '-';
    span_id_write(trace->attempt_id, at + PARENT_ID_AT);
    memcpy(at + PARENT_ID_AT + 16, "-01", 3);
    return at + FLAGS_END;
}

/* ---- what both kinds of spans have ---- */

static void span_begin(const struct exchange *exchange, struct trace_span *span,
                       enum span_kind kind, uint64_t started_us)
{
    const struct exchange_trace *trace = exchange->trace;
    const struct http_head *head = &exchange->request;
    uint64_t now_us = loop_clock_us(&exchange->worker->loop.clock);
    /* the attributes are as many as are counted */
    memset(span, 0, offsetof(struct trace_span, attributes));
    span->trace_id = trace->id;
    span->kind = kind;
    span->start_ns = (trace->wall_us + started_us) * 1000;
    span->end_ns = (trace->wall_us + now_us) * 1000;
    if (head->method == METHOD_OTHER) {
        span_add_string(span, SPAN_METHOD, "_OTHER");
        span_add_text(span, SPAN_METHOD_ORIGINAL, head_text(head, head->method_text),
                      head->method_text.bytes);
    } else {
        span_add_text(span, SPAN_METHOD, head_text(head, head->method_text),
                      head->method_text.bytes);
    }
    span_add_string(span, SPAN_UPSTREAM, exchange->target.upstream_name);
}

static void span_add_ms(struct trace_span *span, enum span_key key, int64_t us)
{
    if (us >= 0) {
        span_add(span, key, (uint64_t)us);
    }
}

static const char *status_text(unsigned status, char text[4])
{
    text[0] = (char)('0' + status / 100 % 10);
    text[1] = (char)('0' + status / 10 % 10);
    text[2] = (char)('0' + status % 10);
    text[3] = '\0';
    return text;
}

/* "1.1" of "HTTP/1.1", "2" of "HTTP/2.0". */
static void span_add_version(struct trace_span *span, const char *protocol)
{
    const char *version = protocol + sizeof "HTTP/" - 1;
    span_add_text(span, SPAN_VERSION, version, version[0] == '1' ? 3 : 1);
}

/* ---- attempts ---- */

void exchange_trace_leased(struct exchange *exchange)
{
    struct exchange_trace *trace = exchange->trace;
    const struct lease *lease = attempt_lease(&exchange->attempt);
    trace->connect_us = exchange->times.connect_us;
    trace->tls_us = !lease->facts.reused && lease->facts.tls_us > 0 ? exchange->times.tls_us : -1;
}

void exchange_trace_failed(struct exchange *exchange, const char *cause, unsigned status)
{
    exchange->trace->cause = cause;
    exchange->trace->cause_status = status;
}

/* Nothing was asked of the endpoint: another one is, or the exchange waits for its turn. */
static bool attempt_was_none(const struct exchange *exchange)
{
    return exchange->attempt.state == ATTEMPT_FAILED && exchange->trace->cause == NULL &&
           !exchange_is_over(exchange);
}

/* The status of its answer; 0: none has come. */
static unsigned attempt_status(const struct exchange *exchange)
{
    const struct exchange_trace *trace = exchange->trace;
    if (trace->cause != NULL) {
        return trace->cause_status;
    }
    return exchange->attempt.counted ? exchange->response.status : 0;
}

/* How it ended, and what went wrong. */
static void span_add_outcome(const struct exchange *exchange, struct trace_span *span,
                             char status_space[4])
{
    const struct exchange_trace *trace = exchange->trace;
    unsigned status = attempt_status(exchange);
    enum exchange_reason reason = (enum exchange_reason)exchange->reason;
    bool over = exchange_is_over(exchange);
    bool whole = over && (reason == REASON_COMPLETE || reason == REASON_UPGRADED);
    bool cancelled = trace->cause == NULL && (!over || reason == REASON_CLIENT_ABORT);
    const char *error = status >= 400          ? status_text(status, status_space)
                        : trace->cause != NULL ? trace->cause
                        : whole || cancelled   ? ""
                                               : reason_rows[reason].name;
    if (status != 0) {
        span_add(span, SPAN_STATUS, status);
    }
    span->failed = error[0] != '\0';
    span_add_string(span, SPAN_ERROR, error);
    span_add_string(span, SPAN_OUTCOME,
                    cancelled                                                    ? "cancelled"
                    : (whole && trace->cause == NULL) || trace->cause_status > 0 ? "answered"
                                                                                 : "failed");
}

static void span_add_endpoint(const struct exchange *exchange, struct trace_span *span)
{
    const struct attempt *attempt = &exchange->attempt;
    const char *place = endpoint_authority(attempt->endpoint);
    const char *address = endpoint_address_text(attempt->endpoint);
    span_add_string(span, SPAN_ENDPOINT, endpoint_text(attempt->endpoint));
    span_add_place(span, SPAN_SERVER_ADDRESS, SPAN_SERVER_PORT, place, strlen(place));
    span_add_place(span, SPAN_PEER_ADDRESS, SPAN_PEER_PORT, address, strlen(address));
    if (attempt_lease(attempt) != NULL) {
        span_add_version(span, attempt->state == ATTEMPT_SHARES ? "HTTP/2.0" : "HTTP/1.1");
        span_add(span, SPAN_REUSED, attempt_lease(attempt)->facts.reused);
    }
}

/* Another attempt begins with nothing of this one. */
static void trace_turn(struct exchange *exchange)
{
    struct exchange_trace *trace = exchange->trace;
    trace->attempt_id = 0;
    trace->connect_us = trace->tls_us = -1;
    trace->cause = NULL;
    trace->cause_status = 0;
}

void exchange_trace_attempt(struct exchange *exchange)
{
    struct exchange_trace *trace = exchange->trace;
    struct trace_span span;
    char status_space[4];
    if (attempt_was_none(exchange)) {
        trace_turn(exchange);
        return;
    }
    span_begin(exchange, &span, SPAN_CLIENT, exchange->attempt.started_us);
    span.id = trace->attempt_id != 0 ? trace->attempt_id : new_id(exchange);
    span.parent_id = trace->span_id;
    span_add_endpoint(exchange, &span);
    span_add_outcome(exchange, &span, status_space);
    if (trace->attempts_count > 0) {
        span_add(&span, SPAN_RESENDS, trace->attempts_count);
    }
    if (exchange->times.queue_us > trace->queue_told_us) {
        span_add_ms(&span, SPAN_QUEUE,
                    exchange->times.queue_us -
                        (trace->queue_told_us > 0 ? trace->queue_told_us : 0));
        trace->queue_told_us = exchange->times.queue_us;
    }
    span_add_ms(&span, SPAN_CONNECT, trace->connect_us);
    span_add_ms(&span, SPAN_TLS, trace->tls_us);
    if (exchange_is_inner(exchange)) {
        span_add_string(&span, SPAN_ROLE, exchange_is_twin(exchange) ? "hedge" : "side");
    }
    trace->attempts_count++;
    span_rings_put(exchange->worker->env.spans, exchange->worker->env.index, &span);
    trace_turn(exchange);
}

/* ---- the exchange ---- */

static void span_add_target(const struct exchange *exchange, struct trace_span *span)
{
    const struct http_head *head = &exchange->request;
    const struct span target = exchange_came_target(exchange), host = exchange_came_host(exchange);
    const char *text = head_text(head, target);
    size_t path_bytes = target_path_bytes(text, target.bytes);
    span_add_text(span, SPAN_PATH, text, path_bytes);
    if (exchange->trace->query && path_bytes < target.bytes) {
        span_add_text(span, SPAN_QUERY, text + path_bytes + 1, target.bytes - path_bytes - 1);
    }
    span_add_place(span, SPAN_SERVER_ADDRESS, SPAN_SERVER_PORT, head_text(head, host), host.bytes);
    span_add_string(span, SPAN_SCHEME, origin_secure(exchange->origin) != NULL ? "https" : "http");
}

static void span_add_field(const struct exchange *exchange, struct trace_span *span,
                           enum span_key key, enum field_id id)
{
    const struct http_head *head = &exchange->request;
    if (head_has(head, id)) {
        const struct http_field *field = head_find(head, id);
        span_add_text(span, key, head->base + field->value_at, field->value_bytes);
    }
}

static void span_add_state(const struct exchange *exchange, struct trace_span *span)
{
    const struct http_head *head = &exchange->request;
    if (exchange->trace->parent_id != 0 && head_has(head, FIELD_TRACESTATE)) {
        const struct http_field *field = head_find(head, FIELD_TRACESTATE);
        span->state = head->base + field->value_at;
        span->state_bytes = field->value_bytes;
    }
}

/* What the client asked for and what it got are no errors of the server (conventions for HTTP spans, "Status"). */
static void span_add_ending(const struct exchange *exchange, struct trace_span *span,
                            char status_space[4])
{
    enum exchange_reason reason = (enum exchange_reason)exchange->reason;
    unsigned status = exchange->response.status;
    bool own = reason != REASON_COMPLETE && reason != REASON_UPGRADED;
    if (status != 0) {
        span_add(span, SPAN_STATUS, status);
    }
    span->failed = status >= 500 || reason_rows[reason].status >= 500;
    if (own && (span->failed || status == 0 || status >= 400)) {
        span_add_string(span, SPAN_ERROR, reason_rows[reason].name);
    } else if (span->failed) {
        span_add_string(span, SPAN_ERROR, status_text(status, status_space));
    }
    span_add_string(span, SPAN_REASON, reason_rows[reason].name);
    if (exchange_is_call(exchange)) {
        span_add(span, SPAN_GRPC_STATUS, exchange_call_status(exchange));
    }
}

static void span_add_request_id(const struct exchange *exchange, struct trace_span *span)
{
    if (exchange->forward.request_id_kept) {
        span_add_field(exchange, span, SPAN_REQUEST_ID, FIELD_X_REQUEST_ID);
    } else {
        span_add_string(span, SPAN_REQUEST_ID, exchange->forward.request_id);
    }
}

static void exchange_trace_server(struct exchange *exchange)
{
    const struct exchange_trace *trace = exchange->trace;
    const struct ip_address *peer = &exchange->origin->address;
    struct trace_span span;
    char client[ADDRESS_TEXT_BYTES], peer_text[ADDRESS_TEXT_BYTES], status_space[4];
    span_begin(exchange, &span, SPAN_SERVER, exchange->times.started_us);
    span.id = trace->span_id;
    span.parent_id = trace->parent_id;
    span_add_state(exchange, &span);
    span_add_target(exchange, &span);
    span_add_string(&span, SPAN_ROUTE, exchange->target.route_name);
    span_add_text(&span, SPAN_CLIENT_ADDRESS, client,
                  address_format_ip(&exchange_client(exchange)->any, client));
    span_add_text(&span, SPAN_PEER_ADDRESS, peer_text, address_format_ip(&peer->any, peer_text));
    if (ip_address_port(peer) != 0) {
        span_add(&span, SPAN_PEER_PORT, ip_address_port(peer));
    }
    span_add_version(&span, exchange_protocol(exchange));
    span_add_field(exchange, &span, SPAN_USER_AGENT, FIELD_USER_AGENT);
    span_add(&span, SPAN_REQUEST_BYTES, exchange->body.bytes);
    span_add(&span, SPAN_RESPONSE_BYTES, exchange->response.payload_bytes);
    span_add_ending(exchange, &span, status_space);
    span_add_string(&span, SPAN_LISTENER, exchange->origin->listener->name);
    span_add_request_id(exchange, &span);
    span_add(&span, SPAN_ATTEMPTS, exchange->tries.attempts_count);
    span_add_ms(&span, SPAN_QUEUE, exchange->times.queue_us);
    span_add_ms(&span, SPAN_FIRST_BYTE, exchange->times.first_byte_us);
    span_rings_put(exchange->worker->env.spans, exchange->worker->env.index, &span);
}

void exchange_trace_finish(struct exchange *exchange)
{
    struct exchange_trace *trace = exchange->trace;
    bool probed = exchange->reason == REASON_READY || exchange->reason == REASON_NOT_READY;
    if (!exchange_is_inner(exchange) && !probed) {
        exchange_trace_server(exchange);
    }
    exchange->trace = NULL;
    exchange->forward.trace_flag = '\0';
    struct buf *memory = trace->memory;
    buf_give(exchange->worker->bufs, &memory);
}
