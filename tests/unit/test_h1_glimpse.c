/* What the log says of refused requests: what was there, wherever it breaks off, and never a byte beyond. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "proxy/http1/h1_glimpse.h"
#include "steady/rng.h"

static const struct {
    const char *bytes, *method, *target, *host, *agent;
} rows[] = {
    {"GET /a?b HTTP/1.1\r\nHost: h\r\nHost: other\r\nUser-Agent: curl/8\r\n\r\n", "GET", "/a?b",
     "h", "curl/8"},
    {"GET /a HTTP/1.1\nuser-AGENT : x y \nhost:h\n\nHost: body\n", "GET", "/a", "h", "x y"},
    {"GET  /two  HTTP/1.0\r\n", "GET", "/two", "", ""},
    {"G\x01T /a\xff HTTP/9.9\r\nHost h\r\nUser-Agent:\r\n", "G\x01T", "/a\xff", "", ""},
    {"GET /endless", "GET", "/endless", "", ""},
    {"GET", "GET", "", "", ""},
    {"", "", "", "", ""},
    {"\n\n", "", "", "", ""},
    {"GET / HTTP/1.1\r\nHost: cut of", "GET", "/", "cut of", ""},
    {"GET / HTTP/1.1\r\n\r\nHost: behind\r\n", "GET", "/", "", ""},
};

static void check_span(const char *base, struct span span, const char *expected)
{
    assert_int_equal(span.bytes, strlen(expected));
    assert_memory_equal(base + span.at, expected, span.bytes);
}

static struct http_head glimpse(const char *bytes, size_t length, struct http_field *field)
{
    struct http_head head = {.fields = field, .field_limit = 1};
    h1_glimpse(bytes, length, &head);
    return head;
}

static void a_refused_request_is_read_as_far_as_it_goes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct http_field field = {0};
        const struct http_head head = glimpse(rows[i].bytes, strlen(rows[i].bytes), &field);
        check_span(head.base, head.method_text, rows[i].method);
        check_span(head.base, head.target, rows[i].target);
        check_span(head.base, head.host, rows[i].host);
        check_span(head.base, (struct span){field.value_at, field.value_bytes}, rows[i].agent);
        assert_int_equal(head_has(&head, FIELD_USER_AGENT), head.field_count);
        assert_int_equal((head.facts & FACT_HTTP_1_0) != 0, i == 2);
    }
}

/* In a block of its own size, so that a sanitizer sees a read beyond. */
static void random_bytes_are_never_read_beyond(void **state)
{
    static const char alphabet[] = "GET /:\r\n\r\n \thost:user-agent:\xff\0";
    uint64_t seed = (uint64_t)time(NULL);
    struct rng rng;
    (void)state;
    print_message("# seed %llu\n", (unsigned long long)seed);
    rng_init(&rng, seed);
    for (int round = 0; round < 50000; round++) {
        size_t length = rng_below(&rng, 80);
        char *bytes = malloc(length + 1);
        assert_non_null(bytes);
        char *exact = bytes + 1; /* ends where the block does */
        for (size_t i = 0; i < length; i++) {
            exact[i] = alphabet[rng_below(&rng, sizeof alphabet - 1)];
        }
        struct http_field field = {0};
        const struct http_head head = glimpse(exact, length, &field);
        const struct span spans[] = {
            head.method_text, head.target, head.host, {field.value_at, field.value_bytes}};
        for (size_t i = 0; i < sizeof spans / sizeof spans[0]; i++) {
            assert_true(spans[i].at + spans[i].bytes <= length);
        }
        free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refused_request_is_read_as_far_as_it_goes),
        cmocka_unit_test(random_bytes_are_never_read_beyond),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
