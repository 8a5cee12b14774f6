/* Heads that arrive in pieces, at the edge of memory, at the edge of limits. What single messages mean: test_h1_corpus. */
#include "tests/unit/unit.h"

#include <sys/mman.h>

#include "proxy/http1/h1_parse.h"
#include "proxy/http1/h1_rules.h"
#include "steady/rng.h"

#define FIELDS 128

static const struct h1_limits limits = {32768, FIELDS};

struct parsed {
    struct http_head head;
    struct http_field fields[FIELDS];
    size_t scanned;
};

static void begin(struct parsed *parsed)
{
    parsed->head = (struct http_head){.fields = parsed->fields, .field_limit = FIELDS};
    parsed->scanned = 0;
}

static enum h1_result parse_request(struct parsed *parsed, const char *bytes, size_t length)
{
    return h1_parse_request(bytes, length, &limits, &parsed->scanned, &parsed->head);
}

static enum h1_result parse_text(struct parsed *parsed, const char *text)
{
    begin(parsed);
    return parse_request(parsed, text, strlen(text));
}

static void assert_span(const struct http_head *head, struct span span, const char *text)
{
    assert_int_equal(span.bytes, strlen(text));
    assert_memory_equal(head_text(head, span), text, span.bytes);
}

static void a_head_is_told_in_offsets_of_its_bytes(void **state)
{
    (void)state;
    static const char text[] =
        "POST /a?b HTTP/1.1\r\nhost:x.example:1\r\nX-Long:  v v \t\r\nContent-Length: 3\r\n\r\nabc";
    struct parsed parsed;
    assert_int_equal(parse_text(&parsed, text), H1_OK);
    const struct http_head *head = &parsed.head;
    assert_ptr_equal(head->base, text);
    assert_int_equal(head->head_bytes, sizeof text - 1 - 3);
    assert_int_equal(head->method, METHOD_POST);
    assert_int_equal(head->status, 0);
    assert_span(head, head->method_text, "POST");
    assert_span(head, head->target, "/a?b");
    assert_span(head, head->host, "x.example:1");
    assert_int_equal(head->field_count, 3);
    assert_memory_equal(text + parsed.fields[1].name_at, "X-Long:", 7);
    assert_int_equal(parsed.fields[1].name_bytes, 6);
    assert_memory_equal(text + parsed.fields[1].value_at, "v v \t", 5);
    assert_int_equal(parsed.fields[1].value_bytes, 3);
    assert_int_equal(parsed.fields[1].id, FIELD_OTHER);
    assert_int_equal(parsed.fields[2].id, FIELD_CONTENT_LENGTH);
    assert_int_equal(head->content_length, 3);
    assert_int_equal(head->framing, FRAMING_LENGTH);
}

static void all_methods_are_known(void **state)
{
    (void)state;
    static const char *const names[] = {"BREW",   "GET",     "HEAD",  "POST",  "PUT",
                                        "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT"};
    for (int method = METHOD_OTHER; method <= METHOD_CONNECT; method++) {
        char text[128];
        struct parsed parsed;
        snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nHost: h\r\n\r\n", names[method],
                 method == METHOD_CONNECT ? "h:1" : "/");
        assert_int_equal(parse_text(&parsed, text), H1_OK);
        assert_int_equal(parsed.head.method, method);
        assert_span(&parsed.head, parsed.head.method_text, names[method]);
    }
}

/* A head of this length at least: a value as long as needed, fields of every length before it. */
static size_t long_head(char *room, size_t length)
{
    size_t at = (size_t)sprintf(room, "GET / HTTP/1.1\r\nHost: h\r\n");
    for (unsigned i = 0; i < 70 && at + 160 < length; i++) {
        at += (size_t)sprintf(room + at, "X-%.*s: %.*s\r\n", (int)(i % 40),
                              "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn", (int)(i % 35),
                              "vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv");
    }
    at += (size_t)sprintf(room + at, "X-Fill: ");
    while (at + 4 < length) {
        room[at++] = 'f';
    }
    for (const char *end = "\r\n\r\n"; *end != '\0'; end++) {
        room[at++] = *end; /* and no byte behind them */
    }
    return at;
}

static void nothing_is_read_beyond_the_input(void **state)
{
    (void)state;
    /* The last byte of the head is the last one of its page; the next page cannot be read. */
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *pages = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(pages, MAP_FAILED);
    assert_int_equal(mprotect(pages + 2 * page, page, PROT_NONE), 0);
    char text[1024];
    for (size_t length = 40; length < 600; length++) {
        struct parsed parsed;
        size_t bytes = long_head(text, length);
        char *edge = pages + 2 * page - bytes;
        memcpy(edge, text, bytes);
        begin(&parsed);
        assert_int_equal(parse_request(&parsed, edge, bytes), H1_OK);
        for (size_t less = 1; less < 100 && less < bytes; less++) {
            memmove(edge + less, text, bytes - less);
            begin(&parsed);
            assert_int_equal(parse_request(&parsed, edge + less, bytes - less), H1_INCOMPLETE);
        }
    }
    munmap(pages, 3 * page);
}

static void a_head_that_comes_byte_by_byte_is_whole_at_its_last(void **state)
{
    (void)state;
    char text[2048];
    struct parsed parsed;
    size_t bytes = long_head(text, 1500);
    begin(&parsed);
    for (size_t there = 1; there < bytes; there++) {
        assert_int_equal(parse_request(&parsed, text, there), H1_INCOMPLETE);
        assert_true(parsed.scanned <= there && parsed.scanned + 1 >= there);
    }
    assert_int_equal(parse_request(&parsed, text, bytes), H1_OK);
    assert_int_equal(parsed.head.head_bytes, bytes);
}

/* Counted in wrong verdicts, not in time: bytes of a line that is not over are not parsed, so what is wrong in them is
   not told yet; the line's end tells. */
static void a_line_is_judged_when_it_is_whole(void **state)
{
    (void)state;
    static const char text[] = "GET / HTTP/1.1\r\nHost: h\r\nX[A]: b\r\n";
    struct parsed parsed;
    begin(&parsed);
    for (size_t there = 1; there < sizeof text - 1; there++) {
        assert_int_equal(parse_request(&parsed, text, there), H1_INCOMPLETE);
    }
    assert_int_equal(parse_request(&parsed, text, sizeof text - 1), H1_BAD_FIELD_NAME);
}

static void what_can_only_be_wrong_is_refused_at_once(void **state)
{
    (void)state;
    struct parsed parsed;
    assert_int_equal(parse_text(&parsed, "GET / HTTP/1.1\r\nHost: h\r\nX[A"), H1_BAD_FIELD_NAME);
    assert_int_equal(parse_text(&parsed, "\x16\x03\x01"), H1_BAD_START_LINE);
    assert_int_equal(parse_text(&parsed, "GET / HTTP/1.1\n"), H1_BAD_LINE_END);
    assert_int_equal(parse_text(&parsed, "GET / HTTP/2"), H1_INCOMPLETE);
    assert_int_equal(parse_text(&parsed, "GET / HTTP/2.0"), H1_VERSION_NOT_SUPPORTED);
}

static void no_bytes_are_no_verdict(void **state)
{
    (void)state;
    struct parsed parsed;
    assert_int_equal(parse_text(&parsed, ""), H1_INCOMPLETE);
    begin(&parsed);
    assert_int_equal(parse_request(&parsed, NULL, 0), H1_INCOMPLETE);
    assert_int_equal(parse_text(&parsed, "\r"), H1_INCOMPLETE);
}

static void empty_lines_before_a_request_are_counted(void **state)
{
    (void)state;
    assert_int_equal(h1_skip_empty_lines("", 0), 0);
    assert_int_equal(h1_skip_empty_lines("\r", 1), 0);
    assert_int_equal(h1_skip_empty_lines("\r\n", 2), 2);
    assert_int_equal(h1_skip_empty_lines("\r\n\r", 3), 2);
    assert_int_equal(h1_skip_empty_lines("\r\n\r\nGET", 7), 4);
    assert_int_equal(h1_skip_empty_lines("\nGET", 4), 0);
    assert_int_equal(h1_skip_empty_lines("\r\n\nGET", 6), 2);
}

static void the_limit_cuts_the_head_and_not_what_follows(void **state)
{
    (void)state;
    static const char text[] = "GET / HTTP/1.1\r\nHost: h\r\n\r\nGET / HTTP/1.1\r\n";
    const uint32_t head_bytes = 27;
    for (uint32_t limit = 1; limit < 60; limit++) {
        const struct h1_limits small = {limit, FIELDS};
        struct parsed parsed;
        begin(&parsed);
        enum h1_result result =
            h1_parse_request(text, sizeof text - 1, &small, &parsed.scanned, &parsed.head);
        if (limit >= head_bytes) {
            assert_int_equal(result, H1_OK);
        } else if (limit >= 4 && limit < 16) {
            assert_int_equal(result, H1_TARGET_TOO_LONG);
        } else {
            assert_int_equal(result, H1_HEAD_TOO_LARGE);
        }
    }
}

static void the_callers_room_for_fields_is_a_limit(void **state)
{
    (void)state;
    static const char text[] = "GET / HTTP/1.1\r\nHost: h\r\nA: b\r\nC: d\r\n\r\n";
    for (uint32_t room = 0; room < 5; room++) {
        struct parsed parsed;
        begin(&parsed);
        memset(parsed.fields, 0x5a, sizeof parsed.fields);
        parsed.head.field_limit = room;
        enum h1_result result = parse_request(&parsed, text, sizeof text - 1);
        assert_int_equal(result, room < 3 ? H1_TOO_MANY_FIELDS : H1_OK);
        assert_int_equal(parsed.fields[room < 3 ? room : 3].name_at, 0x5a5a5a5a);
    }
}

static void a_name_as_long_as_a_field_can_tell_is_the_longest(void **state)
{
    (void)state;
    static const struct h1_limits wide = {1 << 20, FIELDS};
    char *text = malloc(1 << 20);
    assert_non_null(text);
    for (size_t name_bytes = 65534; name_bytes < 65538; name_bytes++) {
        struct parsed parsed;
        size_t at = (size_t)sprintf(text, "GET / HTTP/1.0\r\n");
        memset(text + at, 'n', name_bytes);
        at += name_bytes;
        at += (size_t)sprintf(text + at, ": v\r\n\r\n");
        begin(&parsed);
        enum h1_result result = h1_parse_request(text, at, &wide, &parsed.scanned, &parsed.head);
        assert_int_equal(result, name_bytes <= UINT16_MAX ? H1_OK : H1_HEAD_TOO_LARGE);
        if (result == H1_OK) {
            assert_int_equal(parsed.fields[0].name_bytes, name_bytes);
        }
    }
    free(text);
}

static void values_of_every_length_end_where_they_should(void **state)
{
    (void)state;
    char text[1024];
    struct rng rng;
    rng_init(&rng, unit_seed());
    for (unsigned round = 0; round < 20000; round++) {
        struct parsed parsed;
        size_t lengths[4];
        size_t at = (size_t)sprintf(text, "HTTP/1.1 200 OK\r\n");
        for (size_t i = 0; i < 4; i++) {
            lengths[i] = rng_below(&rng, 120);
            at += (size_t)sprintf(text + at, "N%zu:%*s", i, (int)rng_below(&rng, 4), "");
            for (size_t j = 0; j < lengths[i]; j++) {
                text[at++] = j > 0 && j + 1 < lengths[i] && rng_below(&rng, 20) == 0 ? '\t' : 'v';
            }
            at += (size_t)sprintf(text + at, "%*s\r\n", (int)rng_below(&rng, 3), "");
        }
        at += (size_t)sprintf(text + at, "\r\n");
        begin(&parsed);
        assert_int_equal(
            h1_parse_response(text, at, &limits, METHOD_GET, &parsed.scanned, &parsed.head), H1_OK);
        assert_int_equal(parsed.head.field_count, 4);
        for (size_t i = 0; i < 4; i++) {
            assert_int_equal(parsed.fields[i].value_bytes, lengths[i]);
        }
    }
}

static void what_connection_names_is_dropped_from_trailers(void **state)
{
    (void)state;
    static const char text[] = "GET / HTTP/1.1\r\nHost: h\r\nConnection: x-b, close\r\n\r\n";
    static const char trailer_text[] = "X-A: 1\r\nX-B: 2\r\n\r\n";
    struct parsed parsed;
    struct http_field fields[2] = {{.name_at = 0, .name_bytes = 3},
                                   {.name_at = 8, .name_bytes = 3}};
    struct http_head trailers = {.base = trailer_text, .fields = fields, .field_count = 2};
    assert_int_equal(parse_text(&parsed, text), H1_OK);
    h1_drop_nominated(&parsed.head, &trailers);
    assert_int_equal(fields[0].drop, 0);
    assert_int_equal(fields[1].drop, 1);
}

static void every_result_has_a_name_and_a_status(void **state)
{
    (void)state;
    for (int i = H1_OK; i < H1_RESULT_COUNT; i++) {
        enum h1_result result = (enum h1_result)i;
        unsigned status = h1_result_status(result);
        assert_true(strlen(h1_result_name(result)) > 0);
        assert_true(i <= H1_INCOMPLETE ? status == 0 : status >= 400 && status <= 505);
    }
    assert_string_equal(h1_result_name(H1_OBS_FOLD), "obs_fold");
    assert_string_equal(h1_result_name(H1_RESULT_COUNT), "unknown");
    assert_int_equal(h1_result_status(H1_RESULT_COUNT), 0);
    assert_int_equal(h1_result_status(H1_TARGET_TOO_LONG), 414);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_head_is_told_in_offsets_of_its_bytes),
        cmocka_unit_test(all_methods_are_known),
        cmocka_unit_test(nothing_is_read_beyond_the_input),
        cmocka_unit_test(a_head_that_comes_byte_by_byte_is_whole_at_its_last),
        cmocka_unit_test(a_line_is_judged_when_it_is_whole),
        cmocka_unit_test(what_can_only_be_wrong_is_refused_at_once),
        cmocka_unit_test(no_bytes_are_no_verdict),
        cmocka_unit_test(empty_lines_before_a_request_are_counted),
        cmocka_unit_test(the_limit_cuts_the_head_and_not_what_follows),
        cmocka_unit_test(the_callers_room_for_fields_is_a_limit),
        cmocka_unit_test(a_name_as_long_as_a_field_can_tell_is_the_longest),
        cmocka_unit_test(values_of_every_length_end_where_they_should),
        cmocka_unit_test(what_connection_names_is_dropped_from_trailers),
        cmocka_unit_test(every_result_has_a_name_and_a_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
