/*
 * Start lines, and the table of verdicts. Where a cause has its home:
 *
 *   bad_start_line                 RFC 9112 3, 4, 2.2      unknown_transfer_encoding     RFC 9112 6.1
 *   bad_method                     RFC 9112 3.1            transfer_encoding_in_1_0      RFC 9112 6.1
 *   bad_target                     RFC 9112 3.2            unknown_expectation           RFC 9110 10.1.1
 *   bad_version                    RFC 9112 2.3            head_too_large                RFC 6585 5
 *   version_not_supported          RFC 9110 2.5, 15.6.6    target_too_long               RFC 9112 3, RFC 9110 15.5.15
 *   bad_status                     RFC 9112 4, RFC 9110 15 too_many_fields               RFC 6585 5
 *   bad_line_end                   RFC 9112 2.2            bad_chunk                     RFC 9112 7.1
 *   bad_field_name                 RFC 9110 5.1            bad_trailer                   RFC 9112 7.1.2
 *   space_before_colon             RFC 9112 5.1            bad_host                      RFC 9112 3.2, RFC 9110 7.2
 *   obs_fold                       RFC 9112 5.2            missing_host, several_hosts   RFC 9112 3.2
 *   bad_field_value                RFC 9110 5.5            bad_content_length            RFC 9112 6.3, RFC 9110 8.6
 *   bad_transfer_encoding          RFC 9112 6.1, 6.3       differing_content_lengths     RFC 9112 6.3
 *   length_and_transfer_encoding   RFC 9112 6.1, 6.3
 */

#include "proxy/http1/h1_parse.h"

#include <string.h>

#include "proxy/http1/h1_fields.h"
#include "proxy/http1/h1_input.h"
#include "proxy/http1/h1_rules.h"
#include "proxy/http1/h1_target.h"

#define VERSION_BYTES 8 /* "HTTP/1.1" */

static const struct {
    const char *name;
    uint16_t status;
} results[H1_RESULT_COUNT] = {
#define X(id, status, name) [H1_##id] = {name, status},
    H1_RESULTS(X)
#undef X
};

static enum h1_result parse_request_line(struct h1_input *input, struct http_head *head);
static enum h1_result parse_status_line(struct h1_input *input, struct http_head *head);
static void clear(struct http_head *head, const char *bytes);

const char *h1_result_name(enum h1_result result)
{
    return result < H1_RESULT_COUNT ? results[result].name : "unknown";
}

unsigned h1_result_status(enum h1_result result)
{
    return result < H1_RESULT_COUNT ? results[result].status : 0;
}

enum h1_result h1_parse_request(const char *bytes, size_t length, const struct h1_limits *limits,
                                size_t *scanned, struct http_head *head)
{
    struct h1_input input;
    struct h1_rules rules = {.role = &h1_request_role, .options_limit = limits->fields_count};
    clear(head, bytes);
    if (!h1_input_grown(bytes, length, limits->head_bytes, scanned)) {
        return H1_INCOMPLETE;
    }
    h1_input_init(&input, bytes, length, limits->head_bytes);
    enum h1_result result = parse_request_line(&input, head);
    if (result == H1_OK) {
        result = h1_parse_fields(&input, &rules, limits->fields_count, head);
    }
    if (result == H1_INCOMPLETE) {
        *scanned = h1_input_scanned(bytes, length);
    }
    return result == H1_OK ? h1_rules_request(&rules, head) : result;
}

enum h1_result h1_parse_response(const char *bytes, size_t length, const struct h1_limits *limits,
                                 enum http_method method, size_t *scanned, struct http_head *head)
{
    struct h1_input input;
    struct h1_rules rules = {.role = &h1_response_role, .options_limit = limits->fields_count};
    clear(head, bytes);
    if (!h1_input_grown(bytes, length, limits->head_bytes, scanned)) {
        return H1_INCOMPLETE;
    }
    h1_input_init(&input, bytes, length, limits->head_bytes);
    enum h1_result result = parse_status_line(&input, head);
    if (result == H1_OK) {
        result = h1_parse_fields(&input, &rules, limits->fields_count, head);
    }
    if (result == H1_INCOMPLETE) {
        *scanned = h1_input_scanned(bytes, length);
    }
    return result == H1_OK ? h1_rules_response(&rules, method, head) : result;
}

size_t h1_skip_empty_lines(const char *bytes, size_t length)
{
    size_t skipped = 0;
    while (length - skipped >= 2 && bytes[skipped] == '\r' && bytes[skipped + 1] == '\n') {
        skipped += 2;
    }
    return skipped;
}

/* All but the fields, their limit, and what only an accepted head has. */
static void clear(struct http_head *head, const char *bytes)
{
    const size_t first = offsetof(struct http_head, head_bytes);
    head->base = bytes;
    memset((char *)head + first, 0, offsetof(struct http_head, fields) - first);
    memset(head->seen, 0, sizeof head->seen);
}

/* Why there is no line end at `at`. */
static enum h1_result bad_line_end(const struct h1_input *input, const char *at)
{
    bool begun = *at == '\r' && h1_input_is_end(input, at + 1);
    return begun || h1_input_is_end(input, at) ? input->at_end : H1_BAD_LINE_END;
}

/* A version that is not "HTTP/1.1". Another minor version of 1 is served as 1.1, the highest we know (RFC 9110 2.5);
   another major one cannot be. */
static enum h1_result parse_other_version(const struct h1_input *input, const char *at,
                                          struct http_head *head)
{
    static const char shape[VERSION_BYTES] = "HTTP/1.1";
    for (unsigned i = 0; i < VERSION_BYTES; i++) {
        bool digit = i == 5 || i == 7;
        if (h1_input_is_end(input, at + i)) {
            return input->at_end;
        }
        if (digit ? at[i] < '0' || at[i] > '9' : at[i] != shape[i]) {
            return H1_BAD_VERSION;
        }
    }
    if (at[5] != '1') {
        return H1_VERSION_NOT_SUPPORTED;
    }
    if (at[7] == '0') {
        head->facts |= FACT_HTTP_1_0;
    }
    return H1_OK;
}

/* RFC 9112 3.1: a token, which is case-sensitive, and one space. */
static enum h1_result parse_method(struct h1_input *input, struct http_head *head)
{
    const char *begin = input->at;
    const char *end = h1_scan(begin, begin + HTTP_METHOD_MAX_BYTES + 1, H1_CHAR_TOKEN);
    size_t bytes = (size_t)(end - begin);
    if (bytes > HTTP_METHOD_MAX_BYTES) {
        return H1_BAD_METHOD;
    }
    if (h1_input_is_end(input, end)) {
        return input->at_end;
    }
    if (bytes == 0 && *end == '\r' && h1_input_is_end(input, end + 1)) {
        return input->at_end; /* it may begin an empty line, for the caller to skip */
    }
    if (*end == '\n') {
        return H1_BAD_LINE_END;
    }
    if (bytes == 0 || *end == '\r') {
        return H1_BAD_START_LINE;
    }
    if (*end != ' ') {
        return H1_BAD_METHOD;
    }
    head->method = (uint8_t)http_method_of(begin, bytes);
    head->method_text.bytes = (uint32_t)bytes;
    input->at = end + 1;
    return H1_OK;
}

/* Why no space ends a target, or what is wrong with an empty one. */
static enum h1_result bad_target(const struct h1_input *input, const char *end)
{
    if (h1_input_is_end(input, end)) {
        return input->at_end;
    }
    switch (*end) {
    case '\n': return H1_BAD_LINE_END;
    case '\r':
    case ' ': return H1_BAD_START_LINE;
    default: return H1_BAD_TARGET;
    }
}

/* Target, version and line end: the rest of a request line behind the method. */
static enum h1_result parse_target_and_version(struct h1_input *input, struct http_head *head)
{
    const char *end = input->at;
    uint32_t target_at = h1_input_offset(input, end);
    unsigned step;
    while ((step = h1_target_step_any(end)) == H1_STEP_BYTES_any) {
        end = h1_input_ahead(input, end + step);
    }
    end += step;
    uint32_t target_bytes = h1_input_offset(input, end) - target_at;
    if (*end != ' ' || target_bytes == 0) {
        return bad_target(input, end);
    }
    const char *version = h1_input_ahead(input, end + 1);
    if (memcmp(version, "HTTP/1.1\r\n", VERSION_BYTES + 2) != 0) {
        enum h1_result result = parse_other_version(input, version, head);
        if (result != H1_OK) {
            return result;
        }
        if (memcmp(version + VERSION_BYTES, "\r\n", 2) != 0) {
            return bad_line_end(input, version + VERSION_BYTES);
        }
    }
    input->at = version + VERSION_BYTES + 2;
    head->target = (struct span){target_at, target_bytes};
    if (head->method != METHOD_CONNECT && input->bytes[target_at] == '/') {
        return H1_OK; /* RFC 9112 3.2.1: origin-form, what nearly all are */
    }
    return h1_parse_target(head->target, head);
}

/* RFC 9112 3: method SP request-target SP HTTP-version CRLF. What ends behind the method because the head may not be
   longer is a target too long. */
static enum h1_result parse_request_line(struct h1_input *input, struct http_head *head)
{
    enum h1_result result = H1_OK;
    enum h1_result at_end = input->at_end;
    input->at = h1_input_ahead(input, input->at);
    if (memcmp(input->at, "GET ", 4) == 0) {
        head->method = METHOD_GET;
        head->method_text.bytes = 3;
        input->at += 4;
    } else {
        result = parse_method(input, head);
    }
    if (result != H1_OK) {
        return result;
    }
    if (at_end == H1_HEAD_TOO_LARGE) {
        input->at_end = H1_TARGET_TOO_LONG;
    }
    result = parse_target_and_version(input, head);
    input->at_end = at_end;
    return result;
}

/* RFC 9110 15: three digits, 100 to 599. */
static enum h1_result parse_status(const struct h1_input *input, const char *at,
                                   struct http_head *head)
{
    unsigned status = 0;
    for (unsigned i = 0; i < 3; i++) {
        if (at[i] < '0' || at[i] > '9') {
            return h1_input_is_end(input, at + i) ? input->at_end : H1_BAD_STATUS;
        }
        status = status * 10 + (unsigned)(at[i] - '0');
    }
    head->status = (uint16_t)status;
    return status < 100 || status > 599 ? H1_BAD_STATUS : H1_OK;
}

/* The first byte from `at` on that no reason may hold. */
static const char *reason_end(struct h1_input *input, const char *at)
{
    for (;;) {
        uint32_t stops;
        while ((stops = h1_text_stops_any(at)) == 0) {
            at = h1_input_ahead(input, at + H1_STEP_BYTES_any);
        }
        at += __builtin_ctz(stops);
        if (*at != '\t') {
            return at;
        }
        at = h1_input_ahead(input, at + 1);
    }
}

/* Empty lines before a status line: what some scripts print too much. They belong to no message, and none that follows on
   the connection is trusted. */
static __attribute__((noinline)) const char *skip_empty_lines(struct h1_input *input,
                                                              const char *at,
                                                              struct http_head *head)
{
    while (memcmp(at, "\r\n", 2) == 0) {
        head->facts |= FACT_LAST;
        at = h1_input_ahead(input, at + 2);
    }
    return at;
}

/* RFC 9112 4: HTTP-version SP 3DIGIT SP [ reason-phrase ] CRLF. The second space may be missing together with the
   reason: servers that leave it out are common, and nothing can be mistaken. */
static enum h1_result parse_status_line(struct h1_input *input, struct http_head *head)
{
    static const char usual[] = "HTTP/1.1 200 OK\r\n";
    const char *at = h1_input_ahead(input, input->at);
    if (memcmp(at, usual, sizeof usual - 1) == 0) {
        head->status = 200;
        head->reason = (struct span){h1_input_offset(input, at) + 13, 2};
        input->at = at + sizeof usual - 1;
        return H1_OK;
    }
    if (memcmp(at, "HTTP/1.1 ", VERSION_BYTES + 1) != 0) {
        at = skip_empty_lines(input, at, head);
        if (*at == '\r' && h1_input_is_end(input, at + 1)) {
            return input->at_end;
        }
        enum h1_result result = parse_other_version(input, at, head);
        if (result != H1_OK) {
            return result;
        }
        if (at[VERSION_BYTES] != ' ') {
            return h1_input_is_end(input, at + VERSION_BYTES) ? input->at_end : H1_BAD_VERSION;
        }
    }
    at += VERSION_BYTES + 1;
    enum h1_result result = parse_status(input, at, head);
    if (result != H1_OK) {
        return result;
    }
    at += 3;
    if (*at == ' ') {
        uint32_t reason_at = h1_input_offset(input, ++at);
        at = reason_end(input, at);
        head->reason = (struct span){reason_at, h1_input_offset(input, at) - reason_at};
        if (*at != '\r' && *at != '\n' && !h1_input_is_end(input, at)) {
            return H1_BAD_START_LINE;
        }
    } else if (*at != '\r' && *at != '\n' && !h1_input_is_end(input, at)) {
        return H1_BAD_STATUS;
    }
    if (memcmp(at, "\r\n", 2) != 0) {
        return bad_line_end(input, at);
    }
    input->at = at + 2;
    return H1_OK;
}
