/* The words of gRPC: what is a call, how it ended, what its server says about another attempt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/http/grpc_words.h"
#include "proxy/http1/h1_parse.h"

#define COUNT(list) (sizeof(list) / sizeof(list)[0])

static struct http_head response_of(const char *line)
{
    static char text[1024];
    static struct http_field fields[16];
    struct http_head head = {.fields = fields, .field_limit = 16};
    const struct h1_limits limits = {4096, 16};
    size_t scanned = 0;
    int length = snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\n%s\r\n", line);
    assert_int_equal(h1_parse_response(text, (size_t)length, &limits, METHOD_GET, &scanned, &head),
                     H1_OK);
    return head;
}

static void a_call_is_known_by_its_content_type(void **state)
{
    static const struct {
        const char *line;
        bool call;
    } cases[] = {
        {"Content-Type: application/grpc\r\n", true},
        {"content-type: application/grpc+proto\r\n", true},
        {"Content-Type: Application/GRPC+json\r\n", true},
        {"Content-Type: application/grpc;charset=utf-8\r\n", true},
        {"Content-Type: application/grpc ; a=b\r\n", true},
        {"Content-Type: application/grpc-web\r\n", false},
        {"Content-Type: application/grpc-web+proto\r\n", false},
        {"Content-Type: application/grpcx\r\n", false},
        {"Content-Type: application/grp\r\n", false},
        {"Content-Type: text/plain\r\n", false},
        {"Content-Type: \r\n", false},
        {"", false},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct http_head head = response_of(cases[i].line);
        assert_int_equal(grpc_is_call(&head), cases[i].call);
    }
}

static void a_status_that_is_none_of_grpc_is_unknown(void **state)
{
    static const struct {
        const char *line;
        enum grpc_status status;
    } cases[] = {
        {"grpc-status: 0\r\n", GRPC_OK},
        {"Grpc-Status: 14\r\n", GRPC_UNAVAILABLE},
        {"grpc-status: 16\r\n", GRPC_UNAUTHENTICATED},
        {"grpc-status: 17\r\n", GRPC_UNKNOWN},
        {"grpc-status: 4294967296\r\n", GRPC_UNKNOWN},
        {"grpc-status: -1\r\n", GRPC_UNKNOWN},
        {"grpc-status: \r\n", GRPC_UNKNOWN},
        {"grpc-status: 1x\r\n", GRPC_UNKNOWN},
    };
    enum grpc_status status;
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct http_head head = response_of(cases[i].line);
        assert_true(grpc_status_find(&head, &status));
        assert_int_equal(status, cases[i].status);
    }
    struct http_head head = response_of("grpc-message: no\r\n");
    assert_false(grpc_status_find(&head, &status));
}

static void pushback_is_a_wait_or_a_stop(void **state)
{
    static const struct {
        const char *line;
        enum grpc_pushback pushback;
        uint64_t wait_ms;
    } cases[] = {
        {"", GRPC_PUSHBACK_NONE, 1},
        {"grpc-retry-pushback-ms: 0\r\n", GRPC_PUSHBACK_WAIT, 0},
        {"grpc-retry-pushback-ms: 250\r\n", GRPC_PUSHBACK_WAIT, 250},
        {"grpc-retry-pushback-ms: -1\r\n", GRPC_PUSHBACK_STOP, 1},
        {"grpc-retry-pushback-ms: soon\r\n", GRPC_PUSHBACK_STOP, 1},
        {"grpc-retry-pushback-ms: \r\n", GRPC_PUSHBACK_STOP, 1},
        {"grpc-retry-pushback-ms: 9999999999999\r\n", GRPC_PUSHBACK_STOP, 1},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint64_t wait_ms = 1;
        struct http_head head = response_of(cases[i].line);
        assert_int_equal(grpc_pushback_find(&head, &wait_ms), cases[i].pushback);
        assert_int_equal(wait_ms, cases[i].wait_ms);
    }
}

static void a_message_is_percent_encoded_and_never_cut_within_a_byte(void **state)
{
    char space[16];
    (void)state;
    grpc_message_encode(space, sizeof space, "a b%c\n\xff");
    assert_string_equal(space, "a b%25c%0A%FF");
    grpc_message_encode(space, 5, "ab%c");
    assert_string_equal(space, "ab");
    grpc_message_encode(space, 5, "abcdefg");
    assert_string_equal(space, "abcd");
    grpc_message_encode(space, 1, "a");
    assert_string_equal(space, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_is_known_by_its_content_type),
        cmocka_unit_test(a_status_that_is_none_of_grpc_is_unknown),
        cmocka_unit_test(pushback_is_a_wait_or_a_stop),
        cmocka_unit_test(a_message_is_percent_encoded_and_never_cut_within_a_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
