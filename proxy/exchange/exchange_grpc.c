/* What gRPC adds to an exchange: how a call ended, which of its endings are retried, what its next attempt tells the server. */
#include "proxy/exchange/exchange_parts.h"
#include "proxy/http/grpc_words.h"
#include "proxy/http/respond.h"
#include "proxy/policy/retry.h"

void exchange_find_call(struct exchange *exchange)
{
    if (exchange->grpc.call != CALL_NONE || !grpc_is_call(&exchange->request)) {
        return;
    }
    exchange->grpc.call = CALL_OPEN;
    attempt_side(&exchange->attempt)->events = &exchange_call_events;
}

void exchange_repeat_call(struct exchange *exchange)
{
    struct http_head *head = &exchange->request;
    for (size_t i = 0; i < head->field_count; i++) {
        if (grpc_names_previous_attempts(head, &head->fields[i])) {
            head->fields[i].drop = 1;
        }
    }
}

enum grpc_status exchange_call_status(const struct exchange *exchange)
{
    if (exchange->grpc.call == CALL_ENDED) {
        return (enum grpc_status)exchange->grpc.status;
    }
    return exchange->reason == REASON_COMPLETE ? grpc_status_of_http(exchange->response.status)
                                               : reason_rows[exchange->reason].grpc;
}

bool exchange_repeats_call(const struct exchange *exchange)
{
    return exchange_is_call(exchange) && (exchange_settings(exchange)->retry.on & RETRY_GRPC_ANY);
}

/* ---- the response ---- */

/* A head with grpc-status that ends the stream is a trailers-only response: the whole answer of a call that has failed
   before its first message. */
bool exchange_on_call_final(void *owner, const struct http_head *head)
{
    struct exchange *exchange = owner;
    enum grpc_status status;
    if (head->status == 200 && head->framing != FRAMING_CHUNKED &&
        grpc_status_find(head, &status) && status != GRPC_OK &&
        (exchange_blames(status) ||
         (exchange_settings(exchange)->retry.on & retry_condition_of_call(status)) != 0)) {
        return !exchange_retries_call(exchange, head, status);
    }
    return exchange_events.final(owner, head);
}

static void exchange_note_status(struct exchange *exchange, const struct http_head *head)
{
    enum grpc_status status;
    if (head != NULL && grpc_status_find(head, &status)) {
        exchange->grpc = (struct exchange_grpc){CALL_ENDED, (uint8_t)status};
    }
}

static bool exchange_takes_trailers(const struct exchange *exchange)
{
    unsigned facts = exchange->request.facts;
    return (facts & (FACT_TE_TRAILERS | FACT_GRPC)) != 0 && (facts & FACT_HTTP_1_0) == 0;
}

/* What was kept for a retry is not needed any more; a stream may last long. */
enum sink exchange_on_call_response(void *owner, const struct http_head *head,
                                    const struct payload *payload)
{
    struct exchange *exchange = owner;
    request_body_forget(&exchange->body, exchange->worker);
    if (head->status == 200 && head->framing == FRAMING_CHUNKED &&
        exchange_takes_trailers(exchange)) {
        exchange->grpc.call = CALL_FLOWS;
    }
    exchange_note_status(exchange,
                         payload->last && payload->trailers == NULL ? head : payload->trailers);
    return exchange_events.response(owner, head, payload);
}

enum sink exchange_on_call_payload(void *owner, const struct payload *payload)
{
    exchange_note_status(owner, payload->trailers);
    return exchange_events.payload(owner, payload);
}

bool exchange_cuts_call(struct exchange *exchange, enum exchange_reason reason, const char *detail)
{
    struct own_response own;
    if (exchange->grpc.call != CALL_FLOWS || reason_rows[reason].status == 0) {
        return false;
    }
    own_response_build_trailers(&own, reason, detail);
    const struct payload end = {NULL, 0, true, &own.head};
    if (exchange->downstream->send_payload(exchange, &end) != SINK_BROKEN) {
        exchange->response.intact = true;
        exchange_finish(exchange, reason);
    }
    return true;
}
