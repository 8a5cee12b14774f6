/* Answers that Evenkeel makes itself: errors, redirects, texts and pages. */
#include <string.h>
#include <strings.h>

#include "breaker/backoff.h"
#include "proxy/edge/edge_fields.h"
#include "proxy/edge/edge_location.h"
#include "proxy/edge/edge_render.h"
#include "proxy/exchange/exchange_auth.h"
#include "proxy/exchange/exchange_edge.h"
#include "proxy/exchange/exchange_parts.h"
#include "proxy/http/respond.h"

void exchange_send_whole(struct exchange *exchange, enum exchange_reason reason,
                         const struct http_head *head, const struct payload *payload,
                         const struct edge_extra *extra)
{
    struct worker *worker = exchange->worker;
    struct http_head edited;
    struct buf *space;
    const struct http_head *sent = exchange_edge_response(exchange, head, extra, &edited, &space);
    exchange->response.status = head->status;
    exchange->response.payload_bytes = payload_bytes(payload);
    enum sink sink = exchange->downstream->send_head(exchange, sent, payload);
    buf_give(worker->bufs, &space);
    if (sink == SINK_BROKEN) {
        return;
    }
    exchange->response.intact = true;
    exchange_finish(exchange, reason);
}

static void send_own(struct exchange *exchange, enum exchange_reason reason,
                     struct own_response *own, const char *body, const struct edge_extra *extra)
{
    bool silent = exchange->request.method == METHOD_HEAD || own->head.framing == FRAMING_NONE;
    const struct iovec piece = {(void *)(uintptr_t)body, silent ? 0 : own->body_bytes};
    const struct payload payload = {&piece, 1, true, NULL};
    exchange_send_whole(exchange, reason, &own->head, &payload, extra);
}

void exchange_finish_own(struct exchange *exchange, enum exchange_reason reason,
                         struct own_response *own)
{
    own->body_bytes = 0;
    send_own(exchange, reason, own, own->body, &edge_no_extra);
}

/* Nothing is sent yet. */
static void build_refusal(struct exchange *exchange, enum exchange_reason reason,
                          const char *detail, struct own_response *own)
{
    const struct http_head *request = &exchange->request;
    uint64_t wait_ms = exchange->times.retry_after_ms != 0
                           ? exchange->times.retry_after_ms
                           : (uint64_t)reason_rows[reason].retry_after_s * 1000;
    uint64_t retry_after_s = backoff_retry_after_s(wait_ms, &exchange->worker->loop.rng);
    exchange_find_call(exchange);
    if (exchange_is_call(exchange) && reason_rows[reason].grpc != GRPC_OK) {
        own_response_build_grpc(own, reason, detail, retry_after_s);
    } else {
        own_response_build(own, reason, detail, retry_after_s);
        if (reason == REASON_AUTH_REFUSED && exchange_auth_realm(exchange) != NULL) {
            own_response_challenge(own, exchange_auth_realm(exchange));
        }
    }
    if (request->method == METHOD_OTHER &&
        (request->method_text.bytes == 0 || (request->facts & FACT_GLIMPSED) != 0)) {
        own_response_empty(own); /* it may have become HEAD */
    }
}

/* With the route's page, if there is one. */
static void send_refusal(struct exchange *exchange, enum exchange_reason reason,
                         struct own_response *own)
{
    const struct error_page_settings *page =
        own->head.status >= 400 ? exchange_edge_page(exchange, own->head.status, false) : NULL;
    if (page != NULL && own->body_bytes > 0) {
        own_response_set_body(own, page->type, page->body_bytes);
        send_own(exchange, reason, own, page->body, &edge_no_extra);
    } else {
        send_own(exchange, reason, own, own->body, &edge_no_extra);
    }
}

void exchange_answer_ourselves(struct exchange *exchange, enum exchange_reason reason,
                               const char *detail)
{
    struct own_response own;
    build_refusal(exchange, reason, detail, &own);
    send_refusal(exchange, reason, &own);
}

void exchange_refuse_with(struct exchange *exchange, enum exchange_reason reason, const char *name,
                          const char *value)
{
    struct own_response own;
    build_refusal(exchange, reason, NULL, &own);
    own_response_add_field(&own, name, value);
    send_refusal(exchange, reason, &own);
}

void exchange_redirect_to(struct exchange *exchange, unsigned status, const char *location,
                          size_t location_bytes)
{
    struct own_response own;
    own_response_build(&own, REASON_REDIRECTED, NULL, 0);
    own.head.status = (uint16_t)status;
    own_response_empty(&own);
    const struct edge_extra extra = {"Location", location, location_bytes, false};
    send_own(exchange, REASON_REDIRECTED, &own, own.body, &extra);
}

void exchange_redirect(struct exchange *exchange, const struct redirect_settings *redirect,
                       const struct edge_facts *facts)
{
    char location[EDGE_TEXT_MAX_BYTES];
    size_t bytes;
    switch (edge_location(&redirect->to, facts, location, sizeof location, &bytes)) {
    case EDGE_LOCATION_OK:
        exchange_redirect_to(exchange, (unsigned)redirect->status, location, bytes);
        break;
    case EDGE_LOCATION_TOO_LONG: exchange_fail(exchange, REASON_TARGET_TOO_LONG, NULL); break;
    case EDGE_LOCATION_NO_HOST: exchange_fail(exchange, REASON_REQUEST_INVALID, NULL); break;
    }
}

void exchange_respond(struct exchange *exchange, const struct respond_settings *respond,
                      const struct edge_facts *facts)
{
    struct own_response own;
    enum edge_use use = edge_use_of(respond->type);
    size_t bytes, room = EDGE_TEXT_MAX_BYTES +
                         (respond->body.written != NULL ? strlen(respond->body.written) : 0);
    struct worker *worker = exchange->worker;
    struct buf *body = buf_take(worker->bufs, room);
    if (body == NULL) {
        exchange_fail(exchange, REASON_NO_MEMORY, NULL);
        return;
    }
    if (edge_render(&respond->body, facts, use, body->bytes, room, &bytes)) {
        own_response_build(&own, REASON_RESPONDED, NULL, 0);
        own.head.status = (uint16_t)respond->status;
        own_response_set_body(&own, respond->type, bytes);
        send_own(exchange, REASON_RESPONDED, &own, body->bytes, &edge_no_extra);
    } else {
        exchange_fail(exchange, REASON_TARGET_TOO_LONG, NULL);
    }
    buf_give(worker->bufs, &body);
}

/* What belongs to the status, whoever has written the page: 401 must have a challenge, 405 the methods (RFC 9110 15.5.2, 15.5.6), 416
   may say how long it is, and others when to come back (15.5.17, 10.2.3). */
static const char *kept_name(const struct http_head *head, const struct http_field *field)
{
    static const char *const names[] = {"WWW-Authenticate", "Allow", "Content-Range",
                                        "Retry-After"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (field->name_bytes == strlen(names[i]) &&
            strncasecmp(head->base + field->name_at, names[i], field->name_bytes) == 0) {
            return names[i];
        }
    }
    return NULL;
}

/* The page with those fields of the upstream's answer. */
static void send_page_for(struct exchange *exchange, struct own_response *own, const char *page,
                          const struct http_head *answer)
{
    struct worker *worker = exchange->worker;
    size_t bytes = edge_head_copy_bytes(&own->head, answer->field_count) + answer->head_bytes;
    struct buf *space = buf_take(worker->bufs, bytes);
    struct http_head head;
    if (space == NULL) {
        exchange_fail(exchange, REASON_NO_MEMORY, NULL);
        return;
    }
    edge_head_copy(&own->head, answer->field_count, space, &head);
    for (unsigned i = 0; i < answer->field_count; i++) {
        const struct http_field *field = &answer->fields[i];
        const char *name = kept_name(answer, field);
        if (name != NULL && !field->drop) {
            edge_head_write(&head, space, name, answer->base + field->value_at, field->value_bytes);
        }
    }
    own->head = head;
    send_own(exchange, REASON_COMPLETE, own, page, &edge_no_extra);
    buf_give(worker->bufs, &space);
}

bool exchange_intercepts(struct exchange *exchange, const struct http_head *head)
{
    const struct error_page_settings *page = exchange_edge_page(exchange, head->status, true);
    struct own_response own;
    if (page == NULL) {
        return false;
    }
    own_response_build(&own, REASON_COMPLETE, NULL, 0);
    own.head.status = head->status;
    own_response_set_body(&own, page->type, page->body_bytes);
    send_page_for(exchange, &own, page->body, head);
    return true;
}
