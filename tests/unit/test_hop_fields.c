/* What hops say of a request's time and attempts is read strictly, and written so that the next one answers in time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/http/hop_fields.h"
#include "proxy/http1/h1_parse.h"

/* The head of a request with these field lines. */
static struct http_head head_of(const char *lines)
{
    static char text[1024];
    static struct http_field fields[16];
    struct http_head head = {.fields = fields, .field_limit = 16};
    const struct h1_limits limits = {4096, 16};
    size_t scanned = 0;
    int length = snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", lines);
    assert_int_equal(h1_parse_request(text, (size_t)length, &limits, &scanned, &head), H1_OK);
    return head;
}

static void assert_wait(const char *lines, uint64_t wait_ms)
{
    struct http_head head = head_of(lines);
    assert_int_equal(hop_wait_ms(&head), wait_ms);
}

static void the_shortest_wait_that_can_be_read_counts(void **state)
{
    (void)state;
    assert_wait("", UINT64_MAX);
    assert_wait("X-Envoy-Expected-Rq-Timeout-Ms: 250\r\n", 250);
    assert_wait("X-Envoy-Expected-Rq-Timeout-Ms: 0\r\n", 0);
    assert_wait("x-envoy-expected-rq-timeout-ms: 250\r\nX-Envoy-Expected-Rq-Timeout-Ms: 40\r\n",
                40);
    assert_wait("grpc-timeout: 2S\r\nX-Envoy-Expected-Rq-Timeout-Ms: 2500\r\n", 2000);
    assert_wait("grpc-timeout: 1H\r\n", 3600000);
    assert_wait("grpc-timeout: 2M\r\n", 120000);
    assert_wait("grpc-timeout: 99999999m\r\n", 99999999);
    assert_wait("grpc-timeout: 1u\r\n", 1);
    assert_wait("grpc-timeout: 2000001n\r\n", 3);
}

static void what_is_no_time_says_nothing(void **state)
{
    static const char *const values[] = {"",   "-1",  "+1",  "1.5",        "10s",
                                         "x1", "0x1", "1 2", "9999999999", "99999999999999999999"};
    static const char *const grpc[] = {"", "m", "10", "10x", "1 m", "100000000m", "-1m", "1mm"};
    char line[128];
    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        snprintf(line, sizeof line, "X-Envoy-Expected-Rq-Timeout-Ms: %s\r\n", values[i]);
        assert_wait(line, UINT64_MAX);
    }
    for (size_t i = 0; i < sizeof grpc / sizeof grpc[0]; i++) {
        snprintf(line, sizeof line, "grpc-timeout: %s\r\n", grpc[i]);
        assert_wait(line, UINT64_MAX);
    }
}

static void a_request_is_its_first_attempt_unless_it_says_otherwise(void **state)
{
    static const struct {
        const char *lines;
        unsigned count;
    } cases[] = {{"", 1},
                 {"X-Envoy-Attempt-Count: 3\r\n", 3},
                 {"X-Envoy-Attempt-Count: 0\r\n", 1},
                 {"X-Envoy-Attempt-Count: many\r\n", 1},
                 {"X-Envoy-Attempt-Count: 70000\r\n", 255}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct http_head head = head_of(cases[i].lines);
        assert_int_equal(hop_attempts_count(&head), cases[i].count);
    }
}

static void the_next_hop_is_given_less_than_is_left(void **state)
{
    (void)state;
    assert_int_equal(hop_next_ms(0), 0);
    assert_int_equal(hop_next_ms(5), 5);
    assert_int_equal(hop_next_ms(50), 45);
    assert_int_equal(hop_next_ms(100), 90);
    assert_int_equal(hop_next_ms(60000), 59990);
}

static void a_grpc_timeout_has_at_most_eight_digits(void **state)
{
    static const struct {
        uint64_t wait_ms;
        const char *text;
    } cases[] = {{0, "0m"},
                 {1500, "1500m"},
                 {99999999, "99999999m"},
                 {100000000, "100000S"},
                 {UINT64_MAX, "99999999S"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[HOP_GRPC_BYTES];
        assert_int_equal(hop_grpc_format(text, cases[i].wait_ms), strlen(cases[i].text));
        assert_string_equal(text, cases[i].text);
    }
}

static void a_grpc_timeout_that_is_none_is_found_among_others(void **state)
{
    static const struct {
        const char *lines;
        bool valid;
    } cases[] = {{"", true},
                 {"grpc-timeout: 99999999H\r\n", true},
                 {"grpc-timeout: 0n\r\n", true},
                 {"grpc-timeout: 5S\r\ngrpc-timeout: 3M\r\n", true},
                 {"grpc-timeout: 5S\r\ngrpc-timeout: soon\r\n", false},
                 {"grpc-timeout: 100000000m\r\n", false},
                 {"grpc-timeout: 5\r\n", false},
                 {"grpc-timeout: 5s\r\n", false},
                 {"grpc-timeout: -5S\r\n", false},
                 {"grpc-timeout: 5.5S\r\n", false},
                 {"grpc-timeout: S\r\n", false},
                 {"grpc-timeout: \r\n", false}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct http_head head = head_of(cases[i].lines);
        assert_int_equal(hop_grpc_valid(&head), cases[i].valid);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_shortest_wait_that_can_be_read_counts),
        cmocka_unit_test(what_is_no_time_says_nothing),
        cmocka_unit_test(a_request_is_its_first_attempt_unless_it_says_otherwise),
        cmocka_unit_test(the_next_hop_is_given_less_than_is_left),
        cmocka_unit_test(a_grpc_timeout_has_at_most_eight_digits),
        cmocka_unit_test(a_grpc_timeout_that_is_none_is_found_among_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
