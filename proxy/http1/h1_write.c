/* Appending to a bounded space. What stands in the received bytes as it is to be written goes in one copy. */

#include "proxy/http1/h1_write.h"

#include <string.h>

#include "proxy/http/append.h"

void h1_writer_init(struct h1_writer *writer, char *space, size_t space_bytes)
{
    *writer = (struct h1_writer){.at = space, .end = space + space_bytes, .begin = space};
}

/* Where so many bytes may be appended; NULL: there is no room for them. */
static inline char *take_room(struct h1_writer *writer, size_t bytes)
{
    char *at = writer->at;
    if (__builtin_expect((size_t)(writer->end - at) < bytes, 0)) {
        writer->overflow = true;
        writer->end = at;
        return NULL;
    }
    writer->at = at + bytes;
    return at;
}

static inline char *append_span(char *at, const struct http_head *head, struct span span)
{
    return append(at, head_text(head, span), span.bytes);
}

void h1_write_uint(struct h1_writer *writer, uint64_t value)
{
    char digits[DECIMAL_BYTES];
    const char *at = decimal_of(digits, value);
    h1_write_bytes(writer, at, (size_t)(digits + DECIMAL_BYTES - at));
}

/* Method and target that do not stand one behind the other in the bytes as they are to be written. */
static __attribute__((noinline)) void write_other_target(struct h1_writer *writer,
                                                         const struct http_head *head)
{
    h1_write_bytes(writer, head_text(head, head->method_text), head->method_text.bytes);
    if (head->facts & FACT_ASTERISK) {
        h1_write_literal(writer, " *");
    } else {
        h1_write_literal(writer, " ");
        h1_write_bytes(writer, head_text(head, head->target), head->target.bytes);
    }
}

static void write_host(struct h1_writer *writer, const struct http_head *head)
{
    static const char before[] = " HTTP/1.1\r\nHost: ", after[] = "\r\n";
    size_t bytes = sizeof before - 1 + head->host.bytes + sizeof after - 1;
    char *at = take_room(writer, bytes);
    if (at != NULL) {
        at = append_literal(at, before);
        at = append_span(at, head, head->host);
        append_literal(at, after);
    }
}

void h1_write_request_line(struct h1_writer *writer, const struct http_head *head)
{
    struct span method = head->method_text;
    struct span target = head->target;
    if (!(head->facts & FACT_ASTERISK) && method.at + method.bytes + 1 == target.at) {
        h1_write_bytes(writer, head_text(head, method), method.bytes + 1 + target.bytes);
    } else {
        write_other_target(writer, head);
    }
    if (head->host.bytes == 0) {
        h1_write_literal(writer, " HTTP/1.1\r\n");
    } else {
        write_host(writer, head);
    }
}

/* A status line that does not stand in the bytes as it is to be written. */
static __attribute__((noinline)) void write_other_status(struct h1_writer *writer,
                                                         const struct http_head *head)
{
    char line[] = "HTTP/1.1 000 ";
    line[9] = (char)('0' + head->status / 100 % 10);
    line[10] = (char)('0' + head->status / 10 % 10);
    line[11] = (char)('0' + head->status % 10);
    h1_write_bytes(writer, line, sizeof line - 1);
    if (head->reason.bytes == 0) {
        const char *phrase = http_reason_phrase(head->status);
        h1_write_bytes(writer, phrase, strlen(phrase));
    } else {
        h1_write_bytes(writer, head_text(head, head->reason), head->reason.bytes);
    }
    h1_write_literal(writer, "\r\n");
}

void h1_write_status_line(struct h1_writer *writer, const struct http_head *head)
{
    static const char version[] = "HTTP/1.1 ";
    const struct span reason = head->reason;
    if (reason.at != sizeof version - 1 + 4 || reason.bytes == 0 ||
        memcmp(head->base, version, sizeof version - 1) != 0) {
        write_other_status(writer, head);
        return;
    }
    char *at = take_room(writer, reason.at + reason.bytes + 2);
    if (at != NULL) {
        at = append(at, head->base, reason.at + reason.bytes);
        append_literal(at, "\r\n");
    }
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

static void write_content_length(struct h1_writer *writer, uint64_t content_length)
{
    static const char before[] = "Content-Length: ", after[] = "\r\n";
    char digits[DECIMAL_BYTES];
    const char *number = decimal_of(digits, content_length);
    size_t number_bytes = (size_t)(digits + DECIMAL_BYTES - number);
    char *at = take_room(writer, sizeof before - 1 + number_bytes + sizeof after - 1);
    if (at != NULL) {
        at = append_literal(at, before);
        at = append(at, number, number_bytes);
        append_literal(at, after);
    }
}

void h1_write_framing(struct h1_writer *writer, enum http_framing framing, uint64_t content_length)
{
    if (framing == FRAMING_LENGTH) {
        write_content_length(writer, content_length);
    } else if (framing == FRAMING_CHUNKED) {
        h1_write_literal(writer, "Transfer-Encoding: chunked\r\n");
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
