/*
 * Tells in JSON what the HTTP/1.x codec makes of messages, for h1_differential.py.
 *
 * Standard input: records of a role ("Q" request, "R" response to GET, "H" response to HEAD), the length in four bytes,
 * least first, and the bytes. Standard output: a line for each; text is in hex.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "proxy/http1/h1_body.h"
#include "proxy/http1/h1_parse.h"

#define FIELDS 128

static const struct h1_limits limits = {32768, FIELDS};

static void tell_hex(const char *name, const char *bytes, size_t length)
{
    printf("\"%s\":\"", name);
    for (size_t i = 0; i < length; i++) {
        printf("%02x", (unsigned char)bytes[i]);
    }
    printf("\",");
}

static void tell_span(const char *name, const struct http_head *head, struct span span)
{
    tell_hex(name, head_text(head, span), span.bytes);
}

static void tell_fields(const char *name, const struct http_head *head)
{
    printf("\"%s\":[", name);
    for (unsigned i = 0; i < head->field_count; i++) {
        const struct http_field *field = &head->fields[i];
        printf("%s{", i ? "," : "");
        tell_hex("name", head->base + field->name_at, field->name_bytes);
        tell_hex("value", head->base + field->value_at, field->value_bytes);
        printf("\"drop\":%u}", field->drop);
    }
    printf("],");
}

static void tell_body(bool response, const struct http_head *head, const char *bytes, size_t length)
{
    static struct http_field fields[FIELDS];
    struct http_head trailers = {.fields = fields, .field_limit = FIELDS};
    struct h1_body body;
    enum h1_result result = H1_OK;
    const char *end = bytes + length;
    size_t consumed = 1;
    if (response) {
        h1_body_init_response(&body, (enum http_framing)head->framing, head->content_length);
    } else {
        h1_body_init(&body, (enum http_framing)head->framing, head->content_length);
    }
    printf("\"body\":\"");
    while (result == H1_OK && consumed > 0 && !h1_body_done(&body)) {
        struct iovec piece;
        size_t count = 0;
        if (body.state == H1_BODY_TRAILERS) {
            result = h1_body_trailers(&body, bytes, (size_t)(end - bytes), &limits, &trailers,
                                      &consumed);
        } else {
            result =
                h1_body_take(&body, bytes, (size_t)(end - bytes), &piece, 1, &count, &consumed);
        }
        for (size_t i = 0; result == H1_OK && count && i < piece.iov_len; i++) {
            printf("%02x", ((unsigned char *)piece.iov_base)[i]);
        }
        if (result == H1_OK) {
            bytes += consumed;
        }
    }
    printf("\",\"end\":\"%s\",", h1_body_done(&body) ? "done"
                                 : result == H1_OK || result == H1_INCOMPLETE
                                     ? "more"
                                     : h1_result_name(result));
    printf("\"left\":%zu,", (size_t)(end - bytes));
    tell_fields("trailers", &trailers);
}

static void tell(int role, const char *bytes, size_t length)
{
    static const char *const framings[] = {"none", "length", "chunked", "close"};
    static struct http_field fields[FIELDS];
    struct http_head head = {.fields = fields, .field_limit = FIELDS};
    size_t scanned = 0;
    enum h1_result result =
        role == 'Q' ? h1_parse_request(bytes, length, &limits, &scanned, &head)
                    : h1_parse_response(bytes, length, &limits,
                                        role == 'H' ? METHOD_HEAD : METHOD_GET, &scanned, &head);
    printf("{");
    if (result == H1_OK) {
        tell_span("method", &head, head.method_text);
        tell_span("target", &head, head.target);
        tell_span("host", &head, head.host);
        tell_span("reason", &head, head.reason);
        printf("\"status\":%u,\"facts\":%u,", head.status, head.facts);
        printf("\"framing\":\"%s\",\"content_length\":%llu,", framings[head.framing],
               (unsigned long long)head.content_length);
        tell_fields("fields", &head);
        tell_body(role != 'Q', &head, bytes + head.head_bytes, length - head.head_bytes);
    }
    printf("\"result\":\"%s\"}\n", h1_result_name(result));
}

int main(void)
{
    int role;
    while ((role = getchar()) != EOF) {
        uint8_t size[4];
        if (fread(size, 1, 4, stdin) != 4) {
            return 1;
        }
        size_t length = size[0] | size[1] << 8 | size[2] << 16 | (size_t)size[3] << 24;
        char *bytes = malloc(length + 1);
        if (!bytes || fread(bytes, 1, length, stdin) != length) {
            return 1;
        }
        tell(role, bytes, length);
        free(bytes);
    }
    return 0;
}
