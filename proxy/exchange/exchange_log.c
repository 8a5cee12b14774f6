/* The access line of an exchange. */
#include <string.h>

#include "proxy/exchange/exchange_auth.h"
#include "proxy/exchange/exchange_parts.h"
#include "proxy/http/grpc_words.h"
#include "proxy/policy/shards.h"
#include "steady/deadline.h"
#include "tls/server.h"

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

static struct access_text text_of_string(const char *text)
{
    return text_of(text, strlen(text));
}

static void describe_client_tls(const struct exchange *exchange, struct access_record *record)
{
    if (origin_secure(exchange->origin) == NULL) {
        return;
    }
    const struct tls_agreement agreed = tls_agreement(origin_secure(exchange->origin));
    record->client_tls = text_of_string(agreed.version);
    record->client_cipher = text_of_string(agreed.cipher);
    record->client_sni = text_of_string(agreed.name != NULL ? agreed.name : "");
    record->client_resumed = agreed.resumed;
}

void exchange_log(struct exchange *exchange)
{
    struct worker *worker = exchange->worker;
    const struct http_head *head = &exchange->request;
    const struct span target = exchange_came_target(exchange), host = exchange_came_host(exchange);
    const char *reason = reason_rows[exchange->reason].name;
    const char *endpoint = attempt_lease(&exchange->attempt) != NULL
                               ? endpoint_text(attempt_lease(&exchange->attempt)->endpoint)
                               : exchange->endpoint_text;
    char client[ADDRESS_TEXT_BYTES];
    struct access_record record = {
        .client = text_of(client, address_format_ip(&exchange_client(exchange)->any, client)),
        .client_port = ip_address_port(exchange_client(exchange)),
        .method = text_of(head_text(head, head->method_text), head->method_text.bytes),
        .target = text_of(head_text(head, target), target.bytes),
        .host = text_of(head_text(head, host), host.bytes),
        .user_agent = text_of_field(head, FIELD_USER_AGENT),
        .referer = text_of_field(head, FIELD_REFERER),
        .request_id = exchange->forward.request_id_kept
                          ? text_of_field(head, FIELD_X_REQUEST_ID)
                          : text_of_string(exchange->forward.request_id),
        .listener = text_of_string(exchange->origin->listener->name),
        .route = text_of_string(exchange->target.route_name),
        .upstream = text_of_string(exchange->target.upstream_name),
        .endpoint = text_of_string(endpoint),
        .user = text_of_string(exchange_auth_user(exchange)),
        .reason = text_of_string(reason),
        .status = exchange->response.status,
        .shard = exchange->admission.shard != NULL ? (int)exchange->admission.shard->index : -1,
        .protocol = text_of_string(exchange_protocol(exchange)),
        .stream = exchange->downstream->stream_id != NULL
                      ? exchange->downstream->stream_id(exchange)
                      : -1,
        .reused = exchange->reused,
        .resumed = exchange->resumed,
        .attempts_count = exchange->tries.attempts_count,
        .request_body_bytes = exchange->body.bytes,
        .response_body_bytes = exchange->response.payload_bytes,
        .duration_us = (uint64_t)exchange_age_us(exchange),
        .queue_us = exchange->times.queue_us,
        .connect_us = exchange->times.connect_us,
        .tls_us = exchange->times.tls_us,
        .first_byte_us = exchange->times.first_byte_us,
        .deadline_left_ms =
            exchange->times.deadline_ms == 0
                ? -1
                : (int64_t)deadline_left_ms(exchange->times.deadline_ms, exchange_now_ms(exchange)),
    };
    const char *trace_id = forward_trace_id(exchange);
    record.trace_id = trace_id != NULL ? text_of(trace_id, FORWARD_ID_BYTES) : text_of("", 0);
    describe_client_tls(exchange, &record);
    if (exchange_is_call(exchange)) {
        record.grpc_status = text_of_string(grpc_status_name(exchange_call_status(exchange)));
    }
    access_log_write(worker->access, &record, worker_wall_ms(worker));
}
