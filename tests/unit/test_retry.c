/* Whether an attempt may be repeated, by the request and the settings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/http/proxy_status.h"
#include "proxy/http1/h1_parse.h"
#include "proxy/policy/retry.h"

static struct http_head response_of(const char *lines)
{
    static char text[1024];
    static struct http_field fields[16];
    struct http_head head = {.fields = fields, .field_limit = 16};
    const struct h1_limits limits = {4096, 16};
    size_t scanned = 0;
    int length = snprintf(text, sizeof text, "HTTP/1.1 503 No\r\n%s\r\n", lines);
    assert_int_equal(h1_parse_response(text, (size_t)length, &limits, METHOD_GET, &scanned, &head),
                     H1_OK);
    return head;
}

static const struct retry_settings three = {
    .attempts_count = 3,
    .on = RETRY_CONNECT_FAILURE | RETRY_RESET | RETRY_503,
};

/* Everything speaks for a retry. */
static const struct retry_case fine = {
    .condition = RETRY_RESET,
    .body_at_hand = true,
    .idempotent = true,
};

static void what_speaks_against_a_retry_is_named(void **state)
{
    struct retry_case this;
    (void)state;
    assert_int_equal(retry_judge(&three, &fine), RETRY_MADE_VERDICT);
    this = fine;
    this.condition = RETRY_504;
    assert_int_equal(retry_judge(&three, &this), RETRY_NOT_ASKED_VERDICT);
    this = fine;
    this.retries_count = 1;
    assert_int_equal(retry_judge(&three, &this), RETRY_MADE_VERDICT);
    this.retries_count = 2;
    assert_int_equal(retry_judge(&three, &this), RETRY_ATTEMPTS_VERDICT);
    this = fine;
    this.idempotent = false;
    assert_int_equal(retry_judge(&three, &this), RETRY_UNSAFE_VERDICT);
    this.untouched = true;
    assert_int_equal(retry_judge(&three, &this), RETRY_MADE_VERDICT);
    this = fine;
    this.body_at_hand = false;
    assert_int_equal(retry_judge(&three, &this), RETRY_BODY_VERDICT);
}

static void what_another_hop_decided_is_retried_only_on_request(void **state)
{
    struct retry_settings settings = three;
    struct retry_case this = fine;
    (void)state;
    this.condition = RETRY_503;
    this.other_hop = true;
    assert_int_equal(retry_judge(&settings, &this), RETRY_OTHER_HOP_VERDICT);
    settings.on |= RETRY_OTHER_HOP;
    assert_int_equal(retry_judge(&settings, &this), RETRY_MADE_VERDICT);
    settings.on = RETRY_OTHER_HOP; /* it is a permission, not a condition */
    assert_int_equal(retry_judge(&settings, &this), RETRY_NOT_ASKED_VERDICT);
}

static void a_server_that_pushes_back_is_asked_no_more(void **state)
{
    struct retry_settings settings = three;
    struct retry_case this = fine;
    (void)state;
    settings.on |= retry_condition_of_call(GRPC_UNAVAILABLE);
    this.condition = retry_condition_of_call(GRPC_UNAVAILABLE);
    assert_int_equal(retry_judge(&settings, &this), RETRY_MADE_VERDICT);
    this.pushback = true;
    assert_int_equal(retry_judge(&settings, &this), RETRY_PUSHBACK_VERDICT);
    this.condition = retry_condition_of_call(GRPC_INTERNAL);
    assert_int_equal(retry_judge(&settings, &this), RETRY_NOT_ASKED_VERDICT);
    assert_int_equal(retry_condition_of_call(GRPC_OK), 0);
}

static void a_wait_is_read_from_seconds_and_dates(void **state)
{
    static const struct {
        const char *lines;
        uint64_t wait_ms;
    } cases[] = {
        {"", 0},
        {"Retry-After: 3\r\n", 3000},
        {"Retry-After: 0\r\n", 0},
        {"Retry-After: soon\r\n", 0},
        {"Retry-After: -1\r\n", 0},
        {"Retry-After: 1.5\r\n", 0},
        {"Retry-After: 99999999999\r\n", 0},
        {"Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 7000},
        {"Retry-After: Sun, 06 Nov 1994 08:49:20 GMT\r\n", 0},
        {"Retry-After: Sunday, 06-Nov-94 08:49:37 GMT\r\n", 7000},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct http_head head = response_of(cases[i].lines);
        assert_int_equal(retry_after_ms(&head, UINT64_C(784111770) * 1000), cases[i].wait_ms);
    }
}

static void an_error_in_proxy_status_is_found_whatever_stands_around_it(void **state)
{
    static const struct {
        const char *value;
        bool error;
    } cases[] = {
        {"evenkeel; error=connection_timeout; details=\"breaker_open\"", true},
        {"a;error=x", true},
        {"\"a \\\"b\\\";error=x\"", false},
        {"a; details=\"; error=x\"", false},
        {"a, b; received-status=503, c;error=dns_error", true},
        {"a; received-status=503; next-hop=\"b:1\"", false},
        {"a;error", true},
        {"a;errors=x", false},
        {"a; x=?1; y=:YWJj:; z=-1.5; error=t", true},
        {"", false},
        {"a;", false},
        {"a;error=", false},
        {"a;error=x,", false},
        {"a;error=x b", false},
        {"a;details=\"unterminated;error=x", false},
        {"a;ERROR=x", false},
        {"1.;error=x", false},
        {"@;error=x", false},
    };
    char line[256];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(proxy_status_has_error(cases[i].value, strlen(cases[i].value)),
                         cases[i].error);
        /* never reads past the end, whatever is cut off */
        for (size_t cut = 0; cut < strlen(cases[i].value); cut++) {
            char *exact = memcpy(malloc(cut + 1), cases[i].value, cut);
            (void)proxy_status_has_error(exact, cut);
            free(exact);
        }
    }
    snprintf(line, sizeof line, "Proxy-Status: a\r\nproxy-status: b;error=x\r\n");
    struct http_head head = response_of(line);
    assert_true(head_has_error(&head));
    head = response_of("X-Proxy-Status: b;error=x\r\n");
    assert_false(head_has_error(&head));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_speaks_against_a_retry_is_named),
        cmocka_unit_test(a_server_that_pushes_back_is_asked_no_more),
        cmocka_unit_test(what_another_hop_decided_is_retried_only_on_request),
        cmocka_unit_test(a_wait_is_read_from_seconds_and_dates),
        cmocka_unit_test(an_error_in_proxy_status_is_found_whatever_stands_around_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
