/* Reads a refused head, line by line. */
#include "proxy/http1/h1_glimpse.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#define HTTP_1_0 "HTTP/1.0"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The line at *at, without its end; *at moves behind it. */
static struct span take_line(const char *bytes, size_t length, size_t *at)
{
    const char *from = bytes + *at;
    const char *end = memchr(from, '\n', length - *at);
    size_t line_bytes = end != NULL ? (size_t)(end - from) : length - *at;
    struct span line = {(uint32_t)*at, (uint32_t)line_bytes};
    *at += line_bytes + (end != NULL);
    if (end != NULL && line.bytes > 0 && from[line.bytes - 1] == '\r') {
        line.bytes--;
    }
    return line;
}

/* The next bytes of the line that are not blank, removed from its front. */
static struct span take_word(const char *bytes, struct span *line)
{
    while (line->bytes > 0 && is_blank(bytes[line->at])) {
        line->at++;
        line->bytes--;
    }
    struct span word = {line->at, 0};
    while (word.bytes < line->bytes && !is_blank(bytes[word.at + word.bytes])) {
        word.bytes++;
    }
    line->at += word.bytes;
    line->bytes -= word.bytes;
    return word;
}

static struct span trim(const char *bytes, struct span text)
{
    while (text.bytes > 0 && is_blank(bytes[text.at])) {
        text.at++;
        text.bytes--;
    }
    while (text.bytes > 0 && is_blank(bytes[text.at + text.bytes - 1])) {
        text.bytes--;
    }
    return text;
}

static bool name_is(const char *bytes, struct span name, const char *text)
{
    return name.bytes == strlen(text) && strncasecmp(bytes + name.at, text, name.bytes) == 0;
}

static void glimpse_request_line(struct span line, struct http_head *head)
{
    head->method_text = take_word(head->base, &line);
    head->target = take_word(head->base, &line);
    struct span version = take_word(head->base, &line);
    if (name_is(head->base, version, HTTP_1_0)) {
        head->facts |= FACT_HTTP_1_0;
    }
}

/* The first of each field counts, because it is unknown which one was meant. */
static void glimpse_field(struct span line, struct http_head *head)
{
    const char *colon = memchr(head->base + line.at, ':', line.bytes);
    if (colon == NULL) {
        return;
    }
    uint32_t name_bytes = (uint32_t)(colon - (head->base + line.at));
    struct span name = trim(head->base, (struct span){line.at, name_bytes});
    struct span value =
        trim(head->base, (struct span){line.at + name_bytes + 1, line.bytes - name_bytes - 1});
    if (name_is(head->base, name, "host") && head->host.bytes == 0) {
        head->host = value;
    } else if (name_is(head->base, name, "user-agent") && head->field_count == 0 &&
               head->field_limit > 0) {
        head->fields[head->field_count++] = (struct http_field){.name_at = name.at,
                                                                .name_bytes = (uint16_t)name.bytes,
                                                                .value_at = value.at,
                                                                .value_bytes = value.bytes,
                                                                .id = FIELD_USER_AGENT};
        head->seen[FIELD_USER_AGENT / 64] |= (uint64_t)1 << (FIELD_USER_AGENT % 64);
    }
}

void h1_glimpse(const char *bytes, size_t length, struct http_head *head)
{
    size_t at = 0;
    head->base = bytes;
    head->facts |= FACT_GLIMPSED;
    glimpse_request_line(take_line(bytes, length, &at), head);
    while (at < length) {
        struct span line = take_line(bytes, length, &at);
        if (line.bytes == 0) {
            break;
        }
        glimpse_field(line, head);
    }
}
