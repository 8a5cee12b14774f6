/* Appending to a bounded space. What stands in the received bytes as it is to be written goes in one copy. */

#include "proxy/http1/h1_write.h"

#include <string.h>

#include "proxy/http/decimal.h"

void h1_writer_init(struct h1_writer *writer, char *space, size_t space_bytes)
{
    *writer = (struct h1_writer){.at = space, .end = space + space_bytes, .begin = space};
}

static inline void put_uint(struct h1_writer *writer, uint64_t value)
{
    char digits[DECIMAL_BYTES];
    const char *at = decimal_of(digits, value);
    h1_write_bytes(writer, at, (size_t)(digits + DECIMAL_BYTES - at));
}

void h1_write_uint(struct h1_writer *writer, uint64_t value)
{
    put_uint(writer, value);
}

/* Appends text of the head. */
static inline void put_span(struct h1_writer *writer, const struct http_head *head,
                            struct span span)
{
    h1_write_bytes(writer, head_text(head, span), span.bytes);
}

void h1_write_request_line(struct h1_writer *writer, const struct http_head *head)
{
    struct span method = head->method_text;
    struct span target = head->target;
    if (head->facts & FACT_ASTERISK) {
        put_span(writer, head, method);
        h1_write_literal(writer, " *");
    } else if (method.at + method.bytes + 1 == target.at) { /* as it came */
        h1_write_bytes(writer, head_text(head, method), method.bytes + 1 + target.bytes);
    } else {
        put_span(writer, head, method);
        h1_write_literal(writer, " ");
        put_span(writer, head, target);
    }
    if (head->host.bytes == 0) {
        h1_write_literal(writer, " HTTP/1.1\r\n");
        return;
    }
    h1_write_literal(writer, " HTTP/1.1\r\nHost: ");
    put_span(writer, head, head->host);
    h1_write_literal(writer, "\r\n");
}

void h1_write_status_line(struct h1_writer *writer, const struct http_head *head)
{
    char line[] = "HTTP/1.1 000 ";
    const uint32_t line_bytes = sizeof line - 1;
    if (head->reason.at == line_bytes && memcmp(head->base, line, 9) == 0) { /* as it came */
        h1_write_bytes(writer, head->base, line_bytes + head->reason.bytes);
    } else {
        line[9] = (char)('0' + head->status / 100 % 10);
        line[10] = (char)('0' + head->status / 10 % 10);
        line[11] = (char)('0' + head->status % 10);
        h1_write_bytes(writer, line, line_bytes);
        put_span(writer, head, head->reason);
    }
    if (head->reason.bytes == 0) {
        const char *phrase = http_reason_phrase(head->status);
        h1_write_bytes(writer, phrase, strlen(phrase));
    }
    h1_write_literal(writer, "\r\n");
}

void h1_write_fields(struct h1_writer *writer, const struct http_head *head)
{
    const struct http_field *field = head->fields;
    const struct http_field *end = field + head->field_count;
    if (!(head->facts & FACT_CANONICAL)) {
        for (; field < end; field++) {
            if (!field->drop) {
                h1_write_field(writer, head->base + field->name_at, field->name_bytes,
                               head->base + field->value_at, field->value_bytes);
            }
        }
        return;
    }
    for (;;) {
        while (field < end && field->drop) {
            field++;
        }
        if (field == end) {
            return;
        }
        uint32_t run_at = field->name_at;
        while (++field < end && !field->drop) {
            ;
        }
        uint32_t run_end = field[-1].value_at + field[-1].value_bytes + 2;
        h1_write_bytes(writer, head->base + run_at, run_end - run_at);
    }
}

void h1_write_framing(struct h1_writer *writer, enum http_framing framing, uint64_t content_length)
{
    switch (framing) {
    case FRAMING_LENGTH:
        h1_write_literal(writer, "Content-Length: ");
        put_uint(writer, content_length);
        h1_write_literal(writer, "\r\n");
        break;
    case FRAMING_CHUNKED: h1_write_literal(writer, "Transfer-Encoding: chunked\r\n"); break;
    case FRAMING_NONE:
    case FRAMING_CLOSE: break;
    }
}

void h1_write_end(struct h1_writer *writer)
{
    h1_write_literal(writer, "\r\n");
}

size_t h1_chunk_head(char space[H1_CHUNK_HEAD_BYTES], uint64_t payload_bytes)
{
    static const char hex[] = "0123456789abcdef";
    unsigned digits = payload_bytes ? (67 - (unsigned)__builtin_clzll(payload_bytes)) / 4 : 1;
    for (unsigned i = digits; i-- > 0; payload_bytes >>= 4) {
        space[i] = hex[payload_bytes & 15];
    }
    space[digits] = '\r';
    space[digits + 1] = '\n';
    return digits + 2;
}
