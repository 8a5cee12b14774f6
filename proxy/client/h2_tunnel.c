/* WebSocket over HTTP/2: the request as HTTP/1 would have it. */
#include <string.h>
#include <strings.h>

#include "proxy/client/h2_client.h"
#include "tls/websocket_key.h"

#define PROTOCOL "websocket"
#define KEY_NAME "Sec-WebSocket-Key"
#define KEY_LINE KEY_NAME ": "

bool h2_tunnel_known(const struct http_head *head)
{
    const struct http_field *upgrade = head_find(head, FIELD_UPGRADE);
    return upgrade != NULL && upgrade->value_bytes == sizeof PROTOCOL - 1 &&
           strncasecmp(head->base + upgrade->value_at, PROTOCOL, sizeof PROTOCOL - 1) == 0;
}

static bool is_key(const struct http_head *head, const struct http_field *field)
{
    return field->name_bytes == sizeof KEY_NAME - 1 &&
           strncasecmp(head->base + field->name_at, KEY_NAME, sizeof KEY_NAME - 1) == 0;
}

/* A client of HTTP/2 has no use for a key (RFC 8441 5): beside ours the origin would see two. Returns how many fields remain. */
static uint16_t copy_without_key(struct http_field *fields, const struct http_head *head)
{
    uint16_t count = 0;
    for (uint16_t i = 0; i < head->field_count; i++) {
        if (!is_key(head, &head->fields[i])) {
            fields[count++] = head->fields[i];
        }
    }
    return count;
}

bool h2_tunnel_head(struct worker *worker, const struct http_head *head, struct http_head *ret_head)
{
    uint64_t nonce[2] = {rng_next(&worker->loop.rng), rng_next(&worker->loop.rng)};
    char line[sizeof KEY_LINE - 1 + WEBSOCKET_KEY_BYTES + 1] = KEY_LINE;
    size_t line_bytes = sizeof KEY_LINE - 1 + WEBSOCKET_KEY_BYTES;
    if (head->head_bytes + line_bytes > WORKER_HEAD_BYTES ||
        head->field_count >= WORKER_FIELDS_COUNT) {
        return false;
    }
    websocket_key(nonce, line + sizeof KEY_LINE - 1);
    memcpy(worker->write_scratch, head->base, head->head_bytes);
    memcpy(worker->write_scratch + head->head_bytes, line, line_bytes);
    uint16_t count = copy_without_key(worker->fields, head);
    worker->fields[count] = (struct http_field){
        .name_at = head->head_bytes,
        .name_bytes = sizeof KEY_NAME - 1,
        .value_at = head->head_bytes + (uint32_t)(sizeof KEY_LINE - 1),
        .value_bytes = WEBSOCKET_KEY_BYTES,
        .id = FIELD_OTHER,
    };
    *ret_head = *head;
    ret_head->base = worker->write_scratch;
    ret_head->head_bytes += (uint32_t)line_bytes;
    ret_head->fields = worker->fields;
    ret_head->field_count = count + 1;
    ret_head->facts &= (uint16_t)~FACT_CANONICAL;
    return true;
}

/* RFC 8441 5: 200 stands for 101, and the fields that agree on the upgrade stay behind. */
struct http_head h2_tunnel_answer(const struct http_head *head)
{
    struct http_head answer = *head;
    const struct http_field *accept = head_find_name(head, "Sec-WebSocket-Accept", 20);
    answer.status = 200;
    answer.framing = FRAMING_CHUNKED;
    if (accept != NULL) {
        answer.fields[accept - head->fields].drop = 1;
    }
    return answer;
}

const struct http_head *h2_tunnel_refusal(struct exchange *exchange, struct own_response *own)
{
    own_response_build(own, REASON_UPGRADE_FAILED, NULL, 0);
    exchange->response.status = own->head.status;
    own_response_empty(own);
    return &own->head;
}
