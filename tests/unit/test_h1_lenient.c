/* Heads against the standard are written anew with one meaning, or stay refused. */
#include "tests/unit/unit.h"

#include "proxy/http1/h1_lenient.h"

#define FIELDS 16
#define HEAD_LIMIT 512

static const struct h1_limits limits = {HEAD_LIMIT, FIELDS};

struct judged {
    enum h1_result result;
    size_t consumed;
    struct http_head head;
    struct http_field fields[FIELDS];
    char space[H1_LENIENT_BYTES(HEAD_LIMIT)];
};

/* What becomes of a head of a lenient upstream: refused strictly, written anew, parsed again. */
static void judge(struct judged *judged, const char *bytes, size_t length)
{
    size_t written = 0, scanned = 0;
    judged->head.fields = judged->fields;
    judged->head.field_limit = FIELDS;
    judged->result = h1_parse_response(bytes, length, &limits, METHOD_GET, &scanned, &judged->head);
    if (!h1_lenient_helps(judged->result)) {
        return;
    }
    judged->result =
        h1_lenient_rewrite(bytes, length, &limits, judged->space, &written, &judged->consumed);
    if (judged->result == H1_OK) {
        const struct h1_limits no_limits = {UINT32_MAX, FIELDS};
        assert_true(written <= H1_LENIENT_BYTES(judged->consumed));
        judged->result = h1_parse_response(judged->space, written, &no_limits, METHOD_GET, &scanned,
                                           &judged->head);
    }
}

static void check_refused(const char *text, enum h1_result result)
{
    struct judged judged;
    judge(&judged, text, strlen(text));
    assert_int_equal(judged.result, result);
}

static void check_value(const struct judged *judged, const char *name, const char *value)
{
    const struct http_field *field = head_find_name(&judged->head, name, strlen(name));
    assert_non_null(field);
    assert_int_equal(field->value_bytes, strlen(value));
    assert_memory_equal(judged->head.base + field->value_at, value, field->value_bytes);
}

#define BODY "left"

static void check_taken(struct judged *judged, const char *text)
{
    judge(judged, text, strlen(text));
    assert_int_equal(judged->result, H1_OK);
    assert_string_equal(text + judged->consumed, BODY);
}

static void bare_lf_ends_a_line(void **state)
{
    struct judged judged;
    (void)state;
    check_taken(&judged, "HTTP/1.1 200 OK\nContent-Length: 4\nX-A: b\r\n\n" BODY);
    assert_int_equal(judged.head.framing, FRAMING_LENGTH);
    assert_int_equal(judged.head.content_length, 4);
    check_value(&judged, "X-A", "b");
    check_taken(&judged, "\r\nHTTP/1.1 404\nTransfer-Encoding: chunked\n\r\n" BODY);
    assert_int_equal(judged.head.framing, FRAMING_CHUNKED);
}

static void a_folded_line_is_one(void **state)
{
    struct judged judged;
    (void)state;
    check_taken(&judged,
                "HTTP/1.1 200 OK\r\nX-A: b\r\n\tc\n  d\r\nTransfer-Encoding:\r\n chunked\r\n"
                "\r\n" BODY);
    check_value(&judged, "X-A", "b\tc  d");
    assert_int_equal(judged.head.framing, FRAMING_CHUNKED);
}

static void a_folded_length_is_no_length(void **state)
{
    (void)state;
    check_refused("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n 0\r\n\r\n", H1_BAD_CONTENT_LENGTH);
    check_refused("HTTP/1.1 200 OK\r\nTransfer-Encoding: chun\r\n ked\r\n\r\n",
                  H1_BAD_TRANSFER_ENCODING);
}

static void control_bytes_become_spaces(void **state)
{
    static const char text[] = "HTTP/1.1 200 O\x01K\r\nX-A: b\0c\x1b\x7f.\r\nContent-Length: 4\r\n"
                               "\r\n" BODY;
    struct judged judged;
    (void)state;
    judge(&judged, text, sizeof text - 1);
    assert_int_equal(judged.result, H1_OK);
    check_value(&judged, "X-A", "b c  .");
    check_refused("HTTP/1.1 200 OK\r\nX\x01-A: b\r\nX-B: c\x01\r\n\r\n", H1_BAD_FIELD_NAME);
    check_refused("HTTP/1.1 200 OK\r\nX-B: c\x01\r\nX\x01-A: b\r\n\r\n", H1_SPACE_BEFORE_COLON);
    check_refused("HTTP/1.1 200 OK\r\nX-B: c\x01\r\nContent-Length: 4\x01\x30\r\n\r\n",
                  H1_BAD_CONTENT_LENGTH);
}

/* Whoever takes it for a line end reads other fields than we do. */
static void a_bare_cr_stays_refused(void **state)
{
    (void)state;
    check_refused("HTTP/1.1 200 OK\nX-A: b\rContent-Length: 4\n\n", H1_BAD_LINE_END);
    check_refused("HTTP/1.1 200 OK\nX-A: b\r\r\n\n", H1_BAD_LINE_END);
    check_refused("HTTP/1.1 200 OK\nX-A: b\n\r\r\n\n", H1_BAD_LINE_END);
}

static void chunked_is_understood_in_1_0(void **state)
{
    struct judged judged;
    (void)state;
    check_taken(&judged, "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" BODY);
    assert_int_equal(judged.head.framing, FRAMING_CHUNKED);
    check_refused("HTTP/1.0 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", H1_BAD_TRANSFER_ENCODING);
}

static void what_means_two_things_stays_refused(void **state)
{
    (void)state;
    check_refused("HTTP/1.1 200 OK\nContent-Length: 4\nContent-Length: 5\n\n",
                  H1_DIFFERING_CONTENT_LENGTHS);
    check_refused("HTTP/1.1 200 OK\nContent-Length : 4\n\n", H1_SPACE_BEFORE_COLON);
    check_refused("HTTP/1.1 200 OK\n folded\nContent-Length: 4\n\n", H1_BAD_FIELD_NAME);
    check_refused("HTTP/1.1 200 OK\nnonsense\n\n", H1_BAD_FIELD_NAME);
    check_refused("HTTP/2.0 200 OK\n\n", H1_VERSION_NOT_SUPPORTED);
}

static void a_head_without_end_is_incomplete_up_to_the_limit(void **state)
{
    char text[HEAD_LIMIT + 1];
    struct judged judged;
    (void)state;
    for (size_t bytes = 20; bytes <= sizeof text; bytes++) {
        memset(text, 'a', sizeof text);
        memcpy(text, "HTTP/1.1 200 OK\nX: ", 19);
        judge(&judged, text, bytes);
        assert_int_equal(judged.result, bytes < HEAD_LIMIT ? H1_INCOMPLETE : H1_HEAD_TOO_LARGE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bare_lf_ends_a_line),
        cmocka_unit_test(a_folded_line_is_one),
        cmocka_unit_test(a_folded_length_is_no_length),
        cmocka_unit_test(control_bytes_become_spaces),
        cmocka_unit_test(a_bare_cr_stays_refused),
        cmocka_unit_test(chunked_is_understood_in_1_0),
        cmocka_unit_test(what_means_two_things_stays_refused),
        cmocka_unit_test(a_head_without_end_is_incomplete_up_to_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
