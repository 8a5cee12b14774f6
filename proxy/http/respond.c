/* Builds Evenkeel's own responses from the table of reasons. */
#include "proxy/http/respond.h"

#include <stdio.h>
#include <string.h>

#include "proxy/http/grpc_words.h"
#include "steady/check.h"

static void own_response_add(struct own_response *response, enum field_id id, const char *name,
                             const char *value)
{
    struct http_head *head = &response->head;
    size_t at = head->head_bytes, name_bytes = strlen(name), value_bytes = strlen(value);
    CHECK(head->field_count < head->field_limit &&
          at + name_bytes + value_bytes < sizeof response->text);
    memcpy(response->text + at, name, name_bytes);
    memcpy(response->text + at + name_bytes, value, value_bytes);
    head->fields[head->field_count++] = (struct http_field){
        .name_at = (uint32_t)at,
        .name_bytes = (uint16_t)name_bytes,
        .value_at = (uint32_t)(at + name_bytes),
        .value_bytes = (uint32_t)value_bytes,
        .id = (uint8_t)id,
    };
    head->seen[id / 64] |= (uint64_t)1 << (id % 64);
    head->head_bytes += (uint32_t)(name_bytes + value_bytes);
}

/* Starts a response with what depends on its kind. */
static void own_response_begin(struct own_response *response, unsigned status,
                               const char *content_type)
{
    response->head = (struct http_head){
        .base = response->text,
        .status = (uint16_t)status,
        .framing = FRAMING_LENGTH,
        .fields = response->fields,
        .field_limit = sizeof response->fields / sizeof response->fields[0],
    };
    response->head.seen[FIELD_CONTENT_LENGTH / 64] |= (uint64_t)1 << (FIELD_CONTENT_LENGTH % 64);
    own_response_add(response, FIELD_CONTENT_TYPE, "Content-Type", content_type);
}

/* Adds why it is refused, and when to come back. */
static void own_response_explain(struct own_response *response, const struct reason_row *row,
                                 const char *detail, uint64_t retry_after_s)
{
    char value[160];
    if (row->proxy_status_error[0] != '\0') {
        snprintf(value, sizeof value, "evenkeel; error=%s; details=\"%s%s%s\"",
                 row->proxy_status_error, row->name, detail != NULL ? ": " : "",
                 detail != NULL ? detail : "");
        own_response_add(response, FIELD_PROXY_STATUS, "Proxy-Status", value);
    }
    if (row->retry_after_s > 0 && retry_after_s > 0) {
        snprintf(value, sizeof value, "%llu", (unsigned long long)retry_after_s);
        own_response_add(response, FIELD_RETRY_AFTER, "Retry-After", value);
    }
}

void own_response_build(struct own_response *response, enum exchange_reason reason,
                        const char *detail, uint64_t retry_after_s)
{
    const struct reason_row *row = &reason_rows[reason];
    own_response_begin(response, row->status, "text/plain; charset=utf-8");
    own_response_explain(response, row, detail, retry_after_s);
    int length = snprintf(response->body, sizeof response->body, "%u %s (%s)\n",
                          (unsigned)row->status, http_reason_phrase(row->status), row->name);
    response->body_bytes =
        (size_t)length < sizeof response->body ? (size_t)length : sizeof response->body - 1;
    response->head.content_length = response->body_bytes;
}

void own_response_build_grpc(struct own_response *response, enum exchange_reason reason,
                             const char *detail, uint64_t retry_after_s)
{
    const struct reason_row *row = &reason_rows[reason];
    char text[128], value[128];
    own_response_begin(response, 200, "application/grpc");
    own_response_explain(response, row, detail, retry_after_s);
    snprintf(value, sizeof value, "%u", (unsigned)row->grpc);
    own_response_add(response, FIELD_OTHER, "grpc-status", value);
    snprintf(text, sizeof text, "%s (%s%s%s)", http_reason_phrase(row->status), row->name,
             detail != NULL ? ": " : "", detail != NULL ? detail : "");
    grpc_message_encode(value, sizeof value, text);
    own_response_add(response, FIELD_OTHER, "grpc-message", value);
    own_response_empty(response);
}

/* The content type was in the head. */
void own_response_build_trailers(struct own_response *response, enum exchange_reason reason,
                                 const char *detail)
{
    own_response_build_grpc(response, reason, detail, 0);
    response->fields[0].drop = 1;
}

void own_response_add_field(struct own_response *response, const char *name, const char *value)
{
    own_response_add(response, field_id_of(name, strlen(name)), name, value);
}

void own_response_challenge(struct own_response *response, const char *realm)
{
    char value[128];
    snprintf(value, sizeof value, "Basic realm=\"%s\", charset=\"UTF-8\"", realm);
    own_response_add(response, FIELD_OTHER, "WWW-Authenticate", value);
}

void own_response_empty(struct own_response *response)
{
    response->body_bytes = 0;
    response->head.content_length = 0;
}

/* RFC 9110 8.6, 15.3.5, 15.4.5: an answer without content has no length. */
void own_response_set_body(struct own_response *response, const char *content_type, size_t bytes)
{
    struct http_head *head = &response->head;
    size_t type_bytes = strlen(content_type);
    CHECK(head->head_bytes + type_bytes < sizeof response->text);
    memcpy(response->text + head->head_bytes, content_type, type_bytes);
    head->fields[0].value_at = head->head_bytes;
    head->fields[0].value_bytes = (uint32_t)type_bytes;
    head->head_bytes += (uint32_t)type_bytes;
    response->body_bytes = bytes;
    head->content_length = bytes;
    if (head->status == 204 || head->status == 304) {
        head->framing = FRAMING_NONE;
        head->content_length = 0;
        head_forget(head, FIELD_CONTENT_LENGTH);
        head->fields[0].drop = 1;
    }
}
