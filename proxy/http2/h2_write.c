/* Heads and trailers as nghttp2's lists of names and values, which it copies. */
#include <stdio.h>
#include <string.h>

#include "proxy/http/decimal.h"
#include "proxy/http2/h2_state.h"

/* Lists up to this length are made on the stack. */
#define STACK_COUNT 64
/* Pseudo-header fields, Content-Length, Date, TE. */
#define OWN_COUNT 8

struct list {
    nghttp2_nv *at;
    nghttp2_nv *begin;
    struct buf *buf; /* of a long list */
    nghttp2_nv stack[STACK_COUNT];
};

static bool list_begin(struct list *list, struct buf_pool *pool, size_t count)
{
    list->buf = NULL;
    list->begin = list->stack;
    if (count > STACK_COUNT) {
        list->buf = buf_take(pool, count * sizeof *list->begin);
        if (list->buf == NULL) {
            return false;
        }
        list->begin = (nghttp2_nv *)(void *)list->buf->bytes;
    }
    list->at = list->begin;
    return true;
}

static size_t list_count(const struct list *list)
{
    return (size_t)(list->at - list->begin);
}

static void list_add(struct list *list, const char *name, size_t name_bytes, const char *value,
                     size_t value_bytes, unsigned flags)
{
    *list->at++ = (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, name_bytes,
                               value_bytes, (uint8_t)flags};
}

/* The name is a literal in lower case. */
#define list_add_literal(list, name, value, value_bytes) \
    list_add((list), (name), sizeof name - 1, (value), (value_bytes), NGHTTP2_NV_FLAG_NO_COPY_NAME)

/* RFC 9113 8.2.2, and what is written anew. */
static bool is_own(uint8_t id)
{
    switch (id) {
    case FIELD_CONNECTION:
    case FIELD_KEEP_ALIVE:
    case FIELD_PROXY_CONNECTION:
    case FIELD_TRANSFER_ENCODING:
    case FIELD_UPGRADE:
    case FIELD_HTTP2_SETTINGS:
    case FIELD_TE:
    case FIELD_HOST:
    case FIELD_CONTENT_LENGTH: return true;
    default: return false;
    }
}

/* What each request has anew: in the table of HPACK it would only take the place of what comes again. */
static const bool is_fresh[FIELD_ID_COUNT] = {
    [FIELD_X_REQUEST_ID] = true,
    [FIELD_TRACEPARENT] = true,
    [FIELD_IDEMPOTENCY_KEY] = true,
    [FIELD_GRPC_TIMEOUT] = true,
    [FIELD_X_ENVOY_EXPECTED_RQ_TIMEOUT_MS] = true,
};

/* Names of the table are in lower case there; nghttp2 makes others so when it copies them. */
static void add_field(struct list *list, uint8_t id, const char *name, size_t name_bytes,
                      const char *value, size_t value_bytes)
{
    bool known = id != FIELD_OTHER;
    unsigned flags = (known ? NGHTTP2_NV_FLAG_NO_COPY_NAME : NGHTTP2_NV_FLAG_NONE) |
                     (is_fresh[id] ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE);
    list_add(list, known ? field_texts[id] : name, name_bytes, value, value_bytes, flags);
}

static void add_fields(struct list *list, const struct http_head *head)
{
    for (unsigned i = 0; i < head->field_count; i++) {
        const struct http_field *field = &head->fields[i];
        if (field->drop || is_own(field->id)) {
            continue;
        }
        add_field(list, field->id, head->base + field->name_at, field->name_bytes,
                  head->base + field->value_at, field->value_bytes);
    }
}

/* Splits lines of HTTP/1: no name has a colon in it, no value a line end. */
static void add_lines(struct list *list, const struct added_fields *added)
{
    const char *at = added->lines, *end = at + added->bytes;
    while (at < end) {
        const char *colon = memchr(at, ':', (size_t)(end - at));
        const char *line_end = memchr(at, '\r', (size_t)(end - at));
        if (colon == NULL || line_end == NULL) {
            return;
        }
        const char *value = colon + 1;
        while (value < line_end && *value == ' ') {
            value++;
        }
        size_t name_bytes = (size_t)(colon - at);
        add_field(list, (uint8_t)field_id_of(at, name_bytes), at, name_bytes, value,
                  (size_t)(line_end - value));
        at = line_end + 2;
    }
}

static size_t lines_count(const struct added_fields *added)
{
    const char *at = added->lines, *end = at + added->bytes;
    size_t count = 0;
    while (at != NULL && at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        at = line_end != NULL ? line_end + 1 : NULL;
        count++;
    }
    return count;
}

static void add_span(struct list *list, const char *name, size_t name_bytes,
                     const struct http_head *head, struct span span)
{
    list_add(list, name, name_bytes, head_text(head, span), span.bytes,
             NGHTTP2_NV_FLAG_NO_COPY_NAME);
}

static void add_length(struct list *list, char digits[DECIMAL_BYTES], uint64_t length)
{
    const char *number = decimal_of(digits, length);
    list_add_literal(list, "content-length", number, (size_t)(digits + DECIMAL_BYTES - number));
}

/* ---- requests (RFC 9113 8.3.1, 8.5) ---- */

static void add_request_pseudos(struct list *list, const struct http_head *head, bool secure)
{
    add_span(list, ":method", 7, head, head->method_text);
    if (head->method == METHOD_CONNECT) {
        add_span(list, ":authority", 10, head, head->target);
        return;
    }
    list_add_literal(list, ":scheme", secure ? "https" : "http", secure ? 5 : 4);
    if (head->host.bytes > 0) {
        add_span(list, ":authority", 10, head, head->host);
    }
    if (head->facts & FACT_ASTERISK) {
        list_add_literal(list, ":path", "*", 1);
    } else {
        add_span(list, ":path", 5, head, head->target);
    }
}

int32_t h2_write_request(struct h2_session *session, struct h2_stream *stream,
                         const struct http_head *head, const struct added_fields *added,
                         bool secure, bool last)
{
    struct list list;
    char digits[DECIMAL_BYTES];
    nghttp2_data_provider provider = h2_flow_provider(stream);
    size_t most = head->field_count + lines_count(added) + OWN_COUNT;
    if (!list_begin(&list, session->env.bufs, most)) {
        return 0;
    }
    add_request_pseudos(&list, head, secure);
    if (head->framing == FRAMING_LENGTH) {
        add_length(&list, digits, head->content_length);
    }
    if (head->facts & FACT_TE_TRAILERS) {
        list_add_literal(&list, "te", "trailers", 8);
    }
    add_fields(&list, head);
    add_lines(&list, added);
    int32_t id = nghttp2_submit_request(session->frames, NULL, list.begin, list_count(&list),
                                        last ? NULL : &provider, stream);
    buf_give(session->env.bufs, &list.buf);
    return id;
}

/* ---- responses (RFC 9113 8.3.2) ---- */

/* RFC 9110 8.6: of a response without content it is that of what a GET would have got; a 204 has none. */
static bool tells_length(const struct h2_stream *stream, const struct http_head *head)
{
    bool told = head_has(head, FIELD_CONTENT_LENGTH);
    if (head->framing == FRAMING_LENGTH) {
        return head->status != 204 && (head->content_length > 0 || told);
    }
    return ((stream->method == METHOD_HEAD && head->status != 204) || head->status == 304) && told;
}

bool h2_write_response(struct h2_stream *stream, const struct http_head *head, const char *date,
                       bool last)
{
    struct h2_session *session = stream->session;
    struct list list;
    char digits[DECIMAL_BYTES];
    char status[3] = {(char)('0' + head->status / 100 % 10), (char)('0' + head->status / 10 % 10),
                      (char)('0' + head->status % 10)};
    bool interim = head->status < 200;
    if (!list_begin(&list, session->env.bufs, head->field_count + OWN_COUNT)) {
        return false;
    }
    list_add_literal(&list, ":status", status, sizeof status);
    add_fields(&list, head);
    if (!interim && date != NULL && !head_has(head, FIELD_DATE)) {
        list_add_literal(&list, "date", date, strlen(date));
    }
    if (!interim && tells_length(stream, head)) {
        add_length(&list, digits, head->content_length);
    }
    nghttp2_data_provider provider = h2_flow_provider(stream);
    int result = interim
                     ? (int)nghttp2_submit_headers(session->frames, NGHTTP2_FLAG_NONE, stream->id,
                                                   NULL, list.begin, list_count(&list), NULL)
                     : nghttp2_submit_response(session->frames, stream->id, list.begin,
                                               list_count(&list), last ? NULL : &provider);
    buf_give(session->env.bufs, &list.buf);
    return result == 0;
}

bool h2_write_trailers(struct h2_stream *stream, const struct http_head *head)
{
    struct h2_session *session = stream->session;
    struct list list;
    if (!list_begin(&list, session->env.bufs, head->field_count)) {
        return false;
    }
    add_fields(&list, head);
    int result = nghttp2_submit_trailer(session->frames, stream->id, list.begin, list_count(&list));
    buf_give(session->env.bufs, &list.buf);
    return result == 0;
}
