/* Bodies that are taken in before their requests ask for a place at the upstream: a slow client holds none meanwhile. */
#include "proxy/exchange/exchange_parts.h"

/* What the client waits for has been said: the origin gets the body without being asked. */
static void drop_expectation(struct http_head *head)
{
    for (size_t i = 0; i < head->field_count; i++) {
        if (head->fields[i].id == FIELD_EXPECT) {
            head->fields[i].drop = 1;
        }
    }
}

void exchange_buffer_begin(struct exchange *exchange)
{
    if (exchange->body.continue_awaited) {
        drop_expectation(&exchange->request);
        exchange_say_continue(exchange);
    }
}

/* Its length is known now, which origins understand better than chunks. */
static void give_length(struct exchange *exchange)
{
    if (exchange->request.framing == FRAMING_CHUNKED && exchange->body.trailers == NULL) {
        exchange->request.framing = FRAMING_LENGTH;
        exchange->request.content_length = exchange->body.bytes;
    }
}

/* Whether memory allows to take in this and more; else what is there goes on. */
static bool has_memory(struct exchange *exchange, const struct payload *payload)
{
    struct worker *worker = exchange->worker;
    return body_store_count(exchange->body.store, worker, payload_bytes(payload)) &&
           worker_has_ample_buffers(worker);
}

/* Stores the payload in any case; it may not be the body's end. False: no memory. */
static bool store(struct exchange *exchange, const struct payload *payload, bool *ret_scarce)
{
    struct request_body *body = &exchange->body;
    if (payload_bytes(payload) > 0) {
        if (body->store == NULL) {
            body->store = body_store_create(exchange->worker, exchange->edge.route->buffer_bytes,
                                            exchange_client_slot(exchange));
        }
        if (body->store == NULL) {
            return false;
        }
        *ret_scarce = !has_memory(exchange, payload);
    }
    return request_body_hold(body, exchange->worker, payload);
}

/* No more is taken in: the exchange asks for its place. */
static enum sink end_buffer(struct exchange *exchange, bool scarce)
{
    struct worker_stats *stats = &exchange->worker->stats;
    if (exchange->body.state == REQUEST_WHOLE) {
        give_length(exchange);
        stat_add(&stats->bodies_buffered, 1);
    } else {
        stat_add(scarce ? &stats->bodies_unbuffered : &stats->bodies_overlong, 1);
    }
    exchange_pass(exchange);
    exchange_go_on(exchange);
    return exchange_is_over(exchange) ? SINK_BROKEN : exchange->body.full ? SINK_FULL : SINK_OPEN;
}

enum sink exchange_buffer(struct exchange *exchange, const struct payload *payload)
{
    struct request_body *body = &exchange->body;
    bool scarce = false;
    if (!store(exchange, payload, &scarce)) {
        exchange_fail(exchange, REASON_NO_MEMORY, NULL);
        return SINK_BROKEN;
    }
    bool more = !scarce && body->state == REQUEST_ARRIVING &&
                body->bytes < exchange->edge.route->buffer_bytes;
    if (!more) {
        return end_buffer(exchange, scarce);
    }
    body->full = false;
    return SINK_OPEN;
}
