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

#include "proxy/h1_parse.h"

#include <string.h>

#include "proxy/h1_fields.h"
#include "proxy/h1_input.h"
#include "proxy/h1_rules.h"
#include "proxy/h1_target.h"

#define METHOD_MAX_BYTES 32
#define VERSION_BYTES 8 /* "HTTP/1.1" */

static const struct {
    const char *name;
    uint16_t status;
} results[H1_RESULT_COUNT] = {
#define X(id, status, name) [H1_##id] = {name, status},
    H1_RESULTS(X)
#undef X
};

static const struct {
    const char *name;
    uint8_t name_bytes;
    uint8_t method;
} methods[] = {
    {"GET", 3, METHOD_GET},     {"HEAD", 4, METHOD_HEAD},     {"POST", 4, METHOD_POST},
    {"PUT", 3, METHOD_PUT},     {"DELETE", 6, METHOD_DELETE}, {"OPTIONS", 7, METHOD_OPTIONS},
    {"PATCH", 5, METHOD_PATCH}, {"TRACE", 5, METHOD_TRACE},   {"CONNECT", 7, METHOD_CONNECT},
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
    if (!h1_input_grown(bytes, length, limits->head_bytes, scanned))
        return H1_INCOMPLETE;
    h1_input_init(&input, bytes, length, limits->head_bytes);
    clear(head, bytes);
    enum h1_result result = parse_request_line(&input, head);
    if (result == H1_OK)
        result = h1_parse_fields(&input, &rules, limits->fields_count, head);
    if (result == H1_INCOMPLETE)
        *scanned = h1_input_scanned(bytes, length);
    return result == H1_OK ? h1_rules_request(&rules, head) : result;
}

enum h1_result h1_parse_response(const char *bytes, size_t length, const struct h1_limits *limits,
                                 enum http_method method, size_t *scanned, struct http_head *head)
{
    struct h1_input input;
    struct h1_rules rules = {.role = &h1_response_role, .options_limit = limits->fields_count};
    if (!h1_input_grown(bytes, length, limits->head_bytes, scanned))
        return H1_INCOMPLETE;
    h1_input_init(&input, bytes, length, limits->head_bytes);
    clear(head, bytes);
    enum h1_result result = parse_status_line(&input, head);
    if (result == H1_OK)
        result = h1_parse_fields(&input, &rules, limits->fields_count, head);
    if (result == H1_INCOMPLETE)
        *scanned = h1_input_scanned(bytes, length);
    return result == H1_OK ? h1_rules_response(&rules, method, head) : result;
}

size_t h1_skip_empty_lines(const char *bytes, size_t length)
{
    size_t skipped = 0;
    while (length - skipped >= 2 && bytes[skipped] == '\r' && bytes[skipped + 1] == '\n')
        skipped += 2;
    return skipped;
}

static void clear(struct http_head *head, const char *bytes)
{
    *head = (struct http_head){
        .base = bytes,
        .fields = head->fields,
        .field_limit = head->field_limit,
    };
}

static struct span span_of(const struct h1_input *input, const char *at, const char *end)
{
    return (struct span){h1_input_offset(input, at), (uint32_t)(end - at)};
}

/* CRLF at `at`, else why not. */
static enum h1_result parse_line_end(struct h1_input *input, const char *at)
{
    if (at == input->end || (*at == '\r' && at + 1 == input->end))
        return input->at_end;
    if (at[0] != '\r' || at[1] != '\n')
        return H1_BAD_LINE_END;
    input->at = at + 2;
    return H1_OK;
}

/* "HTTP/1.1" or "HTTP/1.0" at input->at. Another minor version of 1 is served as 1.1, the highest we know (RFC 9110
   2.5); another major one cannot be. */
static enum h1_result parse_version(struct h1_input *input, struct http_head *head)
{
    const char *at = input->at;
    size_t there = (size_t)(input->end - at);
    if (there >= VERSION_BYTES && memcmp(at, "HTTP/1.1", VERSION_BYTES) == 0) {
        input->at = at + VERSION_BYTES;
        return H1_OK;
    }
    static const char shape[VERSION_BYTES] = "HTTP/1.1";
    for (size_t i = 0; i < VERSION_BYTES; i++) {
        bool digit = i == 5 || i == 7;
        if (i == there)
            return input->at_end;
        if (digit ? at[i] < '0' || at[i] > '9' : at[i] != shape[i])
            return H1_BAD_VERSION;
    }
    if (at[5] != '1')
        return H1_VERSION_NOT_SUPPORTED;
    if (at[7] == '0')
        head->facts |= FACT_HTTP_1_0;
    input->at = at + VERSION_BYTES;
    return H1_OK;
}

/* RFC 9112 3.1: a token, which is case-sensitive, and one space. */
static enum h1_result parse_method(struct h1_input *input, struct http_head *head)
{
    const char *begin = input->at;
    const char *end = h1_scan_token(begin, input->end);
    size_t bytes = (size_t)(end - begin);
    if (bytes > METHOD_MAX_BYTES)
        return H1_BAD_METHOD;
    if (end == input->end)
        return input->at_end;
    if (*end == '\n')
        return H1_BAD_LINE_END;
    if (*end == '\r' && end + 1 == input->end)
        return input->at_end; /* maybe an empty line, for the caller to skip */
    if (bytes == 0 || *end == '\r')
        return H1_BAD_START_LINE;
    if (*end != ' ')
        return H1_BAD_METHOD;
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        if (methods[i].name_bytes == bytes && memcmp(methods[i].name, begin, bytes) == 0)
            head->method = methods[i].method;
    }
    head->method_text = span_of(input, begin, end);
    input->at = end + 1;
    return H1_OK;
}

/* RFC 9112 3: method SP request-target SP HTTP-version CRLF. What ends in the middle of the target because the head may
   not be longer is a target too long. */
static enum h1_result parse_request_line(struct h1_input *input, struct http_head *head)
{
    enum h1_result too_large = input->at_end;
    enum h1_result result = parse_method(input, head);
    if (result != H1_OK)
        return result;
    if (input->at_end == H1_HEAD_TOO_LARGE)
        input->at_end = H1_TARGET_TOO_LONG;
    const char *target = input->at;
    const char *target_end = h1_scan_target(target, input->end);
    if (target_end == input->end)
        return input->at_end;
    if (*target_end == '\n')
        return H1_BAD_LINE_END;
    if (*target_end == '\r' || (*target_end == ' ' && target_end == target))
        return H1_BAD_START_LINE;
    if (*target_end != ' ')
        return H1_BAD_TARGET;
    input->at = target_end + 1;
    result = parse_version(input, head);
    if (result == H1_OK)
        result = parse_line_end(input, input->at);
    if (result != H1_OK)
        return result;
    input->at_end = too_large;
    return h1_parse_target(target, target_end, input->begin, head);
}

/* RFC 9112 4: HTTP-version SP 3DIGIT SP [ reason-phrase ] CRLF. The second space may be missing together with the
   reason: servers that leave it out are common, and nothing can be mistaken. */
static enum h1_result parse_status_line(struct h1_input *input, struct http_head *head)
{
    enum h1_result result = parse_version(input, head);
    if (result != H1_OK)
        return result;
    const char *at = input->at;
    unsigned status = 0;
    for (size_t i = 0; i < 4; i++) {
        if (at + i == input->end)
            return input->at_end;
        if (i == 0 ? at[i] != ' ' : at[i] < '0' || at[i] > '9')
            return i == 0 ? H1_BAD_VERSION : H1_BAD_STATUS;
        if (i > 0)
            status = status * 10 + (unsigned)(at[i] - '0');
    }
    if (status < 100 || status > 599)
        return H1_BAD_STATUS;
    head->status = (uint16_t)status;
    at += 4;
    if (at == input->end)
        return input->at_end;
    if (*at == ' ') {
        const char *reason_end = h1_scan_value(at + 1, input->end);
        head->reason = span_of(input, at + 1, reason_end);
        at = reason_end;
    } else if (*at != '\r' && *at != '\n') {
        return H1_BAD_STATUS;
    }
    if (at < input->end && *at != '\r' && *at != '\n')
        return H1_BAD_START_LINE;
    return parse_line_end(input, at);
}
