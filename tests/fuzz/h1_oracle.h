/*
 * What must hold for any bytes given to the HTTP/1.x codec: shared by the fuzz targets and the corpus test. Every breach
 * aborts.
 */
#ifndef EVENKEEL_TESTS_FUZZ_H1_ORACLE_H
#define EVENKEEL_TESTS_FUZZ_H1_ORACLE_H

#include <stdlib.h>
#include <string.h>

#include "proxy/http1/h1_body.h"
#include "proxy/http1/h1_fields.h"
#include "proxy/http1/h1_parse.h"
#include "proxy/http1/h1_write.h"
#include "steady/check.h"

#define ORACLE_FIELDS 160

struct oracle_role {
    bool response;
    enum http_method method; /* of the request that a response answers */
};

struct oracle_head {
    struct http_head head;
    struct http_field fields[ORACLE_FIELDS];
};

/* Sizes of iov, from a number: the same number, the same sizes. */
static inline size_t oracle_piece(uint32_t *number, size_t most)
{
    *number = *number * 1664525 + 1013904223;
    size_t wanted = *number & 0x100 ? 1 + (*number >> 29) : 1 + (*number >> 20);
    return wanted < most ? wanted : most;
}

/* Bytes in a block of exactly their size, so that a sanitizer sees the first one read beyond them. */
static inline char *oracle_exact(const char *bytes, size_t length)
{
    char *copy = calloc(1, length ? length : 1);
    CHECK(copy);
    if (length) {
        memcpy(copy, bytes, length);
    }
    return length ? copy : copy + 1;
}

static inline void oracle_exact_free(char *bytes, size_t length)
{
    free(length ? bytes : bytes - 1);
}

static inline enum h1_result oracle_parse(const struct oracle_role *role, const char *bytes,
                                          size_t length, const struct h1_limits *limits,
                                          size_t *scanned, struct oracle_head *parsed)
{
    parsed->head.fields = parsed->fields;
    parsed->head.field_limit = ORACLE_FIELDS;
    char *exact = oracle_exact(bytes, length);
    enum h1_result result =
        role->response
            ? h1_parse_response(exact, length, limits, role->method, scanned, &parsed->head)
            : h1_parse_request(exact, length, limits, scanned, &parsed->head);
    oracle_exact_free(exact, length);
    parsed->head.base = bytes;
    return result;
}

static inline void oracle_span_inside(const struct http_head *head, struct span span)
{
    CHECK(span.at <= head->head_bytes && span.bytes <= head->head_bytes - span.at);
}

/* Of a head that was accepted. */
static inline void oracle_head_sound(const struct oracle_role *role, const struct http_head *head,
                                     size_t length, const struct h1_limits *limits)
{
    const char *begin = head->base;
    const char *end = begin + head->head_bytes;
    while (role->response && memcmp(begin, "\r\n", 2) == 0) {
        CHECK(head->facts & FACT_LAST);
        begin += 2;
    }
    CHECK(head->head_bytes >= 16 && head->head_bytes <= length);
    CHECK(head->head_bytes <= limits->head_bytes && head->field_count <= limits->fields_count);
    CHECK(memcmp(end - 4, "\r\n\r\n", 4) == 0);
    CHECK(memmem(begin, (size_t)(end - begin), "\r\n\r\n", 4) == end - 4);
    oracle_span_inside(head, head->method_text);
    oracle_span_inside(head, head->target);
    oracle_span_inside(head, head->host);
    oracle_span_inside(head, head->reason);
    CHECK(role->response || (head->target.bytes && head->method_text.bytes && !head->status));
    CHECK(!role->response || (head->status >= 100 && head->status <= 599));
    CHECK(head->framing != FRAMING_CLOSE || role->response);
    CHECK(!(head_has(head, FIELD_CONTENT_LENGTH) && head_has(head, FIELD_TRANSFER_ENCODING)));
    CHECK(!(head->facts & FACT_LAST) || role->response);
    CHECK(head->content_length <= INT64_MAX);
    uint32_t at = 0;
    for (unsigned i = 0; i < head->field_count; i++) {
        const struct http_field *field = &head->fields[i];
        const char *name = head->base + field->name_at;
        const char *value = head->base + field->value_at;
        CHECK(field->name_at > at && field->name_bytes && name[field->name_bytes] == ':');
        CHECK(field->value_at > field->name_at + field->name_bytes);
        at = field->value_at + field->value_bytes;
        CHECK(at + 4 <= head->head_bytes);
        CHECK(field->id == field_id_of(name, field->name_bytes));
        CHECK(field->id == FIELD_OTHER || head_has(head, (enum field_id)field->id) ||
              (field->id == FIELD_CONTENT_LENGTH && head_has(head, FIELD_TRANSFER_ENCODING)));
        CHECK(field->id != FIELD_TRANSFER_ENCODING || field->drop);
        CHECK(field->id != FIELD_CONTENT_LENGTH || field->drop);
        for (unsigned j = 0; j < field->value_bytes; j++) {
            CHECK((unsigned char)value[j] >= ' ' ? value[j] != 0x7f : value[j] == '\t');
        }
    }
}

static inline void oracle_heads_equal(const struct http_head *one, const struct http_head *other)
{
    CHECK(one->head_bytes == other->head_bytes && one->status == other->status);
    CHECK(one->method == other->method && one->framing == other->framing);
    CHECK(one->facts == other->facts && one->field_count == other->field_count);
    CHECK(one->content_length == other->content_length);
    CHECK(memcmp(&one->method_text, &other->method_text, sizeof one->method_text) == 0);
    CHECK(memcmp(&one->target, &other->target, sizeof one->target) == 0);
    CHECK(memcmp(&one->host, &other->host, sizeof one->host) == 0);
    CHECK(memcmp(&one->reason, &other->reason, sizeof one->reason) == 0);
    CHECK(memcmp(one->seen, other->seen, sizeof one->seen) == 0);
    CHECK(one->field_count == 0 ||
          memcmp(one->fields, other->fields, one->field_count * sizeof *one->fields) == 0);
}

/* However the bytes arrive, the verdict is that of the whole; but a line that is not whole may wait for its end. */
static inline void oracle_parse_in_pieces(const struct oracle_role *role, const char *bytes,
                                          size_t length, const struct h1_limits *limits,
                                          uint32_t number, enum h1_result whole,
                                          const struct oracle_head *parsed)
{
    struct oracle_head again;
    size_t scanned = 0;
    size_t there = 0;
    enum h1_result result = H1_INCOMPLETE;
    while (result == H1_INCOMPLETE && there < length) {
        there += number ? oracle_piece(&number, length - there) : 1;
        result = oracle_parse(role, bytes, there, limits, &scanned, &again);
        CHECK(scanned <= there);
    }
    CHECK(result == whole || (result == H1_INCOMPLETE && (!length || bytes[length - 1] != '\n')));
    if (result == H1_OK) {
        oracle_heads_equal(&parsed->head, &again.head);
    }
}

static inline size_t oracle_write(const struct oracle_role *role, const struct http_head *head,
                                  char *room, size_t room_bytes)
{
    struct h1_writer writer;
    h1_writer_init(&writer, room, room_bytes);
    if (role->response) {
        h1_write_status_line(&writer, head);
    } else {
        h1_write_request_line(&writer, head);
    }
    if (!role->response && head->host.bytes == 0) {
        h1_write_field_literal(&writer, "Host", "fallback");
    }
    h1_write_fields(&writer, head);
    if (head->facts & FACT_CLOSE) {
        h1_write_field_literal(&writer, "Connection", "close");
    }
    if (head->framing != FRAMING_NONE) {
        h1_write_framing(&writer, (enum http_framing)head->framing, head->content_length);
    }
    h1_write_end(&writer);
    CHECK(h1_writer_ok(&writer) || h1_writer_length(&writer) <= room_bytes);
    return h1_writer_ok(&writer) ? h1_writer_length(&writer) : 0;
}

/* The fields that go on are those of the other head, in order, but for Host, which is written apart. */
static inline void oracle_forwarded_equal(const struct http_head *one,
                                          const struct http_head *other)
{
    unsigned j = 0;
    for (unsigned i = 0; i < one->field_count; i++) {
        const struct http_field *field = &one->fields[i];
        if (field->drop || field->id == FIELD_HOST) {
            continue;
        }
        while (j < other->field_count &&
               (other->fields[j].drop || other->fields[j].id == FIELD_HOST)) {
            j++;
        }
        CHECK(j < other->field_count);
        const struct http_field *same = &other->fields[j++];
        CHECK(same->id == field->id && same->name_bytes == field->name_bytes);
        CHECK(same->value_bytes == field->value_bytes);
        CHECK(memcmp(one->base + field->name_at, other->base + same->name_at, field->name_bytes) ==
              0);
        CHECK(memcmp(one->base + field->value_at, other->base + same->value_at,
                     field->value_bytes) == 0);
    }
}

/* What is written is understood as what was read, and writing that again changes nothing. */
static inline void oracle_write_is_read_back(const struct oracle_role *role,
                                             const struct http_head *head)
{
    const struct h1_limits no_limits = {UINT32_MAX, ORACLE_FIELDS};
    struct oracle_role again_role = *role;
    struct oracle_head again;
    size_t room_bytes = head->head_bytes * 2 + 256;
    char *first = malloc(room_bytes);
    char *second = malloc(room_bytes);
    CHECK(first && second);
    size_t first_bytes = oracle_write(role, head, first, room_bytes);
    size_t scanned = 0;
    CHECK(first_bytes);
    CHECK(oracle_parse(&again_role, first, first_bytes, &no_limits, &scanned, &again) == H1_OK);
    oracle_head_sound(role, &again.head, first_bytes, &no_limits);
    CHECK(again.head.head_bytes == first_bytes && again.head.status == head->status);
    CHECK(again.head.framing == head->framing && again.head.method == head->method);
    CHECK(head->framing == FRAMING_NONE || again.head.content_length == head->content_length);
    CHECK(!(again.head.facts & (FACT_HTTP_1_0 | FACT_ABSOLUTE_FORM | FACT_UPGRADE)));
    CHECK((again.head.facts & FACT_CLOSE) == (head->facts & FACT_CLOSE));
    oracle_forwarded_equal(head, &again.head);
    size_t second_bytes = oracle_write(role, &again.head, second, room_bytes);
    CHECK(second_bytes == first_bytes && memcmp(first, second, first_bytes) == 0);
    CHECK(oracle_write(role, head, second, first_bytes) == first_bytes);
    CHECK(oracle_write(role, head, second, first_bytes - 1) == 0);
    free(first);
    free(second);
}

/* A target without a path gets one in the copy, and nothing else changes. */
static inline void oracle_copy_has_path(const struct http_head *head, const struct http_head *copy)
{
    const char *target = head_text(copy, copy->target);
    CHECK(!(copy->facts & FACT_EMPTY_PATH) && *target == '/');
    CHECK(copy->target.bytes == head->target.bytes + 1 && copy->host.bytes == head->host.bytes);
    CHECK(memcmp(target + 1, head_text(head, head->target), head->target.bytes) == 0);
    CHECK(memcmp(head_text(copy, copy->host), head_text(head, head->host), head->host.bytes) == 0);
}

static inline void oracle_copy_is_whole(const struct oracle_role *role,
                                        const struct http_head *head)
{
    struct http_head copy;
    void *room = malloc(head_copy_bytes(head));
    CHECK(room);
    head_copy(head, &copy, room);
    oracle_write_is_read_back(role, &copy);
    if (head->facts & FACT_EMPTY_PATH) {
        oracle_copy_has_path(head, &copy);
        free(room);
        return;
    }
    CHECK(memcmp(copy.base, head->base, head->head_bytes) == 0);
    oracle_heads_equal(head, &copy);
    free(room);
}

/* Field lines behind the start line, read by one kind of steps. */
static inline enum h1_result oracle_parse_fields(h1_parse_fields_fn *parse_fields,
                                                 const struct oracle_role *role, const char *exact,
                                                 size_t fields_at, size_t length,
                                                 const struct h1_limits *limits,
                                                 struct oracle_head *parsed)
{
    struct h1_input input = {.copy = {0}};
    struct h1_rules rules = {.role = role->response ? &h1_response_role : &h1_request_role,
                             .options_limit = limits->fields_count};
    parsed->head =
        (struct http_head){.base = exact, .fields = parsed->fields, .field_limit = ORACLE_FIELDS};
    h1_input_init(&input, exact, length, limits->head_bytes);
    input.at = exact + fields_at;
    return parse_fields(&input, &rules, parsed->fields + limits->fields_count, &parsed->head);
}

/* Whatever the processor, the fields are the same. */
static inline void oracle_twins_agree(const struct oracle_role *role, const char *bytes,
                                      size_t length, const struct h1_limits *limits)
{
    const char *line_end = memmem(bytes, length, "\r\n", 2);
    if (!line_end || line_end + 2 > bytes + limits->head_bytes) {
        return;
    }
    size_t fields_at = (size_t)(line_end + 2 - bytes);
    struct oracle_head portable;
    char *exact = oracle_exact(bytes, length);
    enum h1_result result = oracle_parse_fields(h1_parse_fields_portable, role, exact, fields_at,
                                                length, limits, &portable);
#ifdef __x86_64__
    h1_parse_fields_fn *const twins[] = {h1_parse_fields_sse2,
                                         h1_has_avx2() ? h1_parse_fields_avx2 : NULL};
    for (size_t i = 0; i < 2 && twins[i]; i++) {
        struct oracle_head twin;
        CHECK(oracle_parse_fields(twins[i], role, exact, fields_at, length, limits, &twin) ==
              result);
        oracle_heads_equal(&portable.head, &twin.head);
    }
#endif
    oracle_exact_free(exact, length);
}

/* Everything above for one input. */
static inline enum h1_result oracle_judge_head(const struct oracle_role *role, const char *bytes,
                                               size_t length, const struct h1_limits *limits,
                                               uint32_t number, struct oracle_head *parsed)
{
    size_t scanned = 0;
    enum h1_result result = oracle_parse(role, bytes, length, limits, &scanned, parsed);
    CHECK(scanned <= length && (result == H1_INCOMPLETE || scanned == 0));
    CHECK((h1_result_status(result) == 0) == (result == H1_OK || result == H1_INCOMPLETE));
    oracle_parse_in_pieces(role, bytes, length, limits, number, result, parsed);
    oracle_twins_agree(role, bytes, length, limits);
    if (result != H1_OK) {
        return result;
    }
    oracle_head_sound(role, &parsed->head, length, limits);
    oracle_copy_is_whole(role, &parsed->head);
    return H1_OK;
}

struct oracle_body {
    struct h1_body body;
    enum h1_result result;
    size_t consumed;
    size_t payload_bytes;
    char *payload;
    struct oracle_head trailers;
};

/* Decodes bytes that arrive in iov (number 0: all at once) with `room` places for payload; payload has room for
   `length` bytes. */
static inline void oracle_decode(struct oracle_body *decoded, bool response,
                                 enum http_framing framing, uint64_t content_length,
                                 const char *bytes, size_t length, const struct h1_limits *limits,
                                 size_t room, uint32_t number)
{
    struct iovec iov[8];
    size_t there = 0;
    CHECK(room >= 1 && room <= 8);
    if (response) {
        h1_body_init_response(&decoded->body, framing, content_length);
    } else {
        h1_body_init(&decoded->body, framing, content_length);
    }
    decoded->result = H1_OK;
    decoded->consumed = 0;
    decoded->payload_bytes = 0;
    decoded->trailers.head.field_count = 0;
    do {
        size_t before;
        size_t count = 0;
        size_t consumed = 0;
        if (there < length) {
            there += number ? oracle_piece(&number, length - there) : length - there;
        }
        do {
            char *exact = oracle_exact(bytes + decoded->consumed, there - decoded->consumed);
            size_t exact_bytes = there - decoded->consumed;
            before = decoded->consumed;
            if (decoded->body.state == H1_BODY_TRAILERS) {
                decoded->trailers.head.fields = decoded->trailers.fields;
                decoded->trailers.head.field_limit = ORACLE_FIELDS;
                consumed = 0;
                count = 0;
                decoded->result = h1_body_trailers(&decoded->body, exact, exact_bytes, limits,
                                                   &decoded->trailers.head, &consumed);
                decoded->trailers.head.base = bytes + decoded->consumed;
            } else {
                decoded->result =
                    h1_body_take(&decoded->body, exact, exact_bytes, iov, room, &count, &consumed);
            }
            if (decoded->result == H1_OK) {
                CHECK(consumed <= exact_bytes && count <= room);
                for (size_t i = 0; i < count; i++) {
                    CHECK(iov[i].iov_len > 0 && (char *)iov[i].iov_base >= exact);
                    CHECK((char *)iov[i].iov_base + iov[i].iov_len <= exact + consumed);
                    memcpy(decoded->payload + decoded->payload_bytes, iov[i].iov_base,
                           iov[i].iov_len);
                    decoded->payload_bytes += iov[i].iov_len;
                }
                decoded->consumed += consumed;
                CHECK(decoded->body.total_bytes == decoded->payload_bytes);
            }
            oracle_exact_free(exact, exact_bytes);
        } while (decoded->result == H1_OK && decoded->consumed != before &&
                 !h1_body_done(&decoded->body));
    } while ((decoded->result == H1_OK || decoded->result == H1_INCOMPLETE) && there < length &&
             !h1_body_done(&decoded->body));
}

/* However it arrives, a body is the same; but a trailer that is not whole may wait for its end. Leaves the result of the whole in `decoded`, whose payload is allocated. */
static inline void oracle_judge_body(struct oracle_body *decoded, bool response,
                                     enum http_framing framing, uint64_t content_length,
                                     const char *bytes, size_t length,
                                     const struct h1_limits *limits, uint32_t number)
{
    struct oracle_body again;
    decoded->payload = malloc(length + 1);
    again.payload = malloc(length + 1);
    CHECK(decoded->payload && again.payload);
    oracle_decode(decoded, response, framing, content_length, bytes, length, limits, 8, 0);
    oracle_decode(&again, response, framing, content_length, bytes, length, limits, 1 + number % 8,
                  number | 1);
    bool waits = again.result == H1_INCOMPLETE && bytes[length - 1] != '\n';
    CHECK(decoded->result == again.result || (waits && h1_result_status(decoded->result) != 0));
    if (decoded->result == H1_OK || decoded->result == H1_INCOMPLETE) {
        CHECK(decoded->body.state == again.body.state && decoded->consumed == again.consumed);
        CHECK(decoded->payload_bytes == again.payload_bytes);
        CHECK(memcmp(decoded->payload, again.payload, again.payload_bytes) == 0);
    } else {
        /* Payload that came in the same call as the fault is not told. */
        size_t both_bytes = decoded->payload_bytes < again.payload_bytes ? decoded->payload_bytes
                                                                         : again.payload_bytes;
        CHECK(memcmp(decoded->payload, again.payload, both_bytes) == 0);
    }
    if (h1_body_done(&decoded->body) && framing == FRAMING_CHUNKED) {
        oracle_heads_equal(&decoded->trailers.head, &again.trailers.head);
    }
    free(again.payload);
}

#endif
