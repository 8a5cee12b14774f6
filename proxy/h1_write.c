/* Appending to a bounded room; fields that stand next to each other as they should be written go in one copy. */

#include "proxy/h1_write.h"

#include <string.h>

#define UINT64_MAX_DIGITS 20

#define WRITE_LITERAL(writer, text) h1_write_bytes((writer), (text), sizeof(text) - 1)

void h1_writer_init(struct h1_writer *writer, char *room, size_t room_bytes)
{
    *writer = (struct h1_writer){.at = room, .end = room + room_bytes, .begin = room};
}

/* The place for `length` more bytes, or NULL; nothing is written after the first thing that did not fit. */
static inline char *take_room(struct h1_writer *writer, size_t length)
{
    char *at = writer->at;
    if ((size_t)(writer->end - at) < length || writer->overflow) {
        writer->overflow = true;
        return NULL;
    }
    writer->at = at + length;
    return at;
}

void h1_write_bytes(struct h1_writer *writer, const char *bytes, size_t length)
{
    char *at = take_room(writer, length);
    if (at && length)
        memcpy(at, bytes, length);
}

static void write_span(struct h1_writer *writer, const struct http_head *head, struct span span)
{
    h1_write_bytes(writer, head_text(head, span), span.bytes);
}

void h1_write_uint(struct h1_writer *writer, uint64_t value)
{
    char digits[UINT64_MAX_DIGITS];
    char *at = digits + sizeof digits;
    do {
        *--at = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    h1_write_bytes(writer, at, (size_t)(digits + sizeof digits - at));
}

void h1_write_request_line(struct h1_writer *writer, const struct http_head *head)
{
    write_span(writer, head, head->method_text);
    WRITE_LITERAL(writer, " ");
    if (head->facts & FACT_ASTERISK)
        WRITE_LITERAL(writer, "*");
    else
        write_span(writer, head, head->target);
    if (head->host.bytes == 0) {
        WRITE_LITERAL(writer, " HTTP/1.1\r\n");
        return;
    }
    WRITE_LITERAL(writer, " HTTP/1.1\r\nHost: ");
    write_span(writer, head, head->host);
    WRITE_LITERAL(writer, "\r\n");
}

void h1_write_status_line(struct h1_writer *writer, const struct http_head *head)
{
    char digits[] = "HTTP/1.1 000 ";
    digits[9] = (char)('0' + head->status / 100 % 10);
    digits[10] = (char)('0' + head->status / 10 % 10);
    digits[11] = (char)('0' + head->status % 10);
    WRITE_LITERAL(writer, digits);
    if (head->reason.bytes) {
        write_span(writer, head, head->reason);
    } else {
        const char *phrase = http_reason_phrase(head->status);
        h1_write_bytes(writer, phrase, strlen(phrase));
    }
    WRITE_LITERAL(writer, "\r\n");
}

/* Whether the line is written as it was received: one space after the colon and none at the end. */
static bool canonical(const struct http_head *head, const struct http_field *field)
{
    const char *value = head->base + field->value_at;
    return field->value_at == field->name_at + field->name_bytes + 2 && value[-1] == ' ' &&
           value[field->value_bytes] == '\r';
}

void h1_write_fields(struct h1_writer *writer, const struct http_head *head)
{
    const struct http_field *field = head->fields;
    const struct http_field *end = field + head->field_count;
    while (field < end) {
        const struct http_field *first = field;
        uint32_t run_end = first->name_at;
        while (field < end && !field->drop && field->id != FIELD_HOST &&
               field->name_at == run_end && canonical(head, field)) {
            run_end = field->value_at + field->value_bytes + 2;
            field++;
        }
        if (field > first) {
            h1_write_bytes(writer, head->base + first->name_at, run_end - first->name_at);
            continue;
        }
        if (!field->drop && field->id != FIELD_HOST)
            h1_write_field(writer, head->base + field->name_at, field->name_bytes,
                           head->base + field->value_at, field->value_bytes);
        field++;
    }
}

void h1_write_field(struct h1_writer *writer, const char *name, size_t name_bytes,
                    const char *value, size_t value_bytes)
{
    h1_write_bytes(writer, name, name_bytes);
    WRITE_LITERAL(writer, ": ");
    h1_write_bytes(writer, value, value_bytes);
    WRITE_LITERAL(writer, "\r\n");
}

void h1_write_framing(struct h1_writer *writer, enum http_framing framing, uint64_t content_length)
{
    switch (framing) {
    case FRAMING_LENGTH:
        WRITE_LITERAL(writer, "Content-Length: ");
        h1_write_uint(writer, content_length);
        WRITE_LITERAL(writer, "\r\n");
        break;
    case FRAMING_CHUNKED: WRITE_LITERAL(writer, "Transfer-Encoding: chunked\r\n"); break;
    case FRAMING_NONE:
    case FRAMING_CLOSE: break;
    }
}

void h1_write_end(struct h1_writer *writer)
{
    WRITE_LITERAL(writer, "\r\n");
}

size_t h1_chunk_head(char room[H1_CHUNK_HEAD_BYTES], uint64_t payload_bytes)
{
    static const char hex[] = "0123456789abcdef";
    unsigned digits = payload_bytes ? (67 - (unsigned)__builtin_clzll(payload_bytes)) / 4 : 1;
    for (unsigned i = digits; i-- > 0; payload_bytes >>= 4)
        room[i] = hex[payload_bytes & 15];
    room[digits] = '\r';
    room[digits + 1] = '\n';
    return digits + 2;
}
