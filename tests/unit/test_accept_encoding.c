/* Which coding a client gets, by what it accepts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/http/accept_encoding.h"
#include "proxy/http1/h1_parse.h"

#define COUNT(list) (sizeof(list) / sizeof(list)[0])

static enum content_coding choose(const char *lines, const enum content_coding *offered,
                                  size_t count)
{
    char text[1024];
    struct http_field fields[16];
    struct http_head head = {.fields = fields, .field_limit = 16};
    const struct h1_limits limits = {4096, 16};
    size_t scanned = 0;
    int length = snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: h\r\n%s\r\n", lines);
    assert_int_equal(h1_parse_request(text, (size_t)length, &limits, &scanned, &head), H1_OK);
    return accept_encoding_choose(&head, offered, count);
}

static void the_highest_weight_decides_then_the_order_of_the_offer(void **state)
{
    static const enum content_coding both[] = {CODING_ZSTD, CODING_GZIP};
    static const struct {
        const char *lines;
        enum content_coding coding;
    } cases[] = {
        {"", CODING_IDENTITY},
        {"Accept-Encoding:\r\n", CODING_IDENTITY},
        {"Accept-Encoding: ,, ,\r\n", CODING_IDENTITY},
        {"Accept-Encoding: gzip\r\n", CODING_GZIP},
        {"accept-encoding: GZip\r\n", CODING_GZIP},
        {"Accept-Encoding: x-gzip\r\n", CODING_GZIP},
        {"Accept-Encoding: gzip, deflate, br, zstd\r\n", CODING_ZSTD},
        {"Accept-Encoding: gzip, deflate, br\r\n", CODING_GZIP},
        {"Accept-Encoding: gzip\r\nAccept-Encoding: zstd\r\n", CODING_ZSTD},
        {"Accept-Encoding: zstd;q=0.5, gzip;q=0.8\r\n", CODING_GZIP},
        {"Accept-Encoding: zstd ; q=0.5 , gzip\t;\tQ=0.499\r\n", CODING_ZSTD},
        {"Accept-Encoding: gzip;q=0\r\n", CODING_IDENTITY},
        {"Accept-Encoding: gzip;q=0.000\r\n", CODING_IDENTITY},
        {"Accept-Encoding: gzip;q=0.001\r\n", CODING_GZIP},
        {"Accept-Encoding: *\r\n", CODING_ZSTD},
        {"Accept-Encoding: *;q=0\r\n", CODING_IDENTITY},
        {"Accept-Encoding: zstd;q=0, *\r\n", CODING_GZIP},
        {"Accept-Encoding: gzip, *;q=0\r\n", CODING_GZIP},
        {"Accept-Encoding: identity\r\n", CODING_IDENTITY},
        {"Accept-Encoding: identity;q=1, gzip;q=0.9\r\n", CODING_IDENTITY},
        {"Accept-Encoding: identity;q=0.5, gzip;q=0.5\r\n", CODING_GZIP},
        {"Accept-Encoding: identity;q=0, br\r\n", CODING_IDENTITY},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        if (choose(cases[i].lines, both, COUNT(both)) != cases[i].coding) {
            fail_msg("%s", cases[i].lines);
        }
    }
}

static void a_weight_that_is_none_takes_the_coding_out(void **state)
{
    static const enum content_coding gzip[] = {CODING_GZIP};
    static const char *const wrong[] = {"2",   "1.001", "0.0001", "-1",  ".5", "0,5",
                                        "0.x", "1.00a", "",       "0x1", "10", "1;a"};
    (void)state;
    for (size_t i = 0; i < COUNT(wrong); i++) {
        char lines[64];
        snprintf(lines, sizeof lines, "Accept-Encoding: gzip;q=%s\r\n", wrong[i]);
        if (choose(lines, gzip, 1) != CODING_IDENTITY) {
            fail_msg("%s", lines);
        }
    }
    assert_int_equal(choose("Accept-Encoding: gzip;level=3\r\n", gzip, 1), CODING_IDENTITY);
    assert_int_equal(choose("Accept-Encoding: gzip x\r\n", gzip, 1), CODING_IDENTITY);
}

static void what_is_not_offered_is_not_chosen(void **state)
{
    static const enum content_coding gzip[] = {CODING_GZIP};
    (void)state;
    assert_int_equal(choose("Accept-Encoding: zstd\r\n", gzip, 1), CODING_IDENTITY);
    assert_int_equal(choose("Accept-Encoding: zstd, gzip;q=0.1\r\n", gzip, 1), CODING_GZIP);
    assert_int_equal(choose("Accept-Encoding: gzip\r\n", NULL, 0), CODING_IDENTITY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_highest_weight_decides_then_the_order_of_the_offer),
        cmocka_unit_test(a_weight_that_is_none_takes_the_coding_out),
        cmocka_unit_test(what_is_not_offered_is_not_chosen),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
