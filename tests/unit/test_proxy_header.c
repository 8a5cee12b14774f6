/* PROXY headers: who is told is who is taken, and nothing half or wrong is believed. */
#include "tests/unit/unit.h"

#include <arpa/inet.h>

#include "pool/proxy_header.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

static enum proxy_header_result parse(const char *bytes, size_t length, struct proxy_header *header,
                                      size_t *bytes_used)
{
    /* a copy of exactly that size: what is read beyond it is seen */
    char *copy = malloc(length + 1);
    memcpy(copy, bytes, length);
    enum proxy_header_result result = proxy_header_parse(copy, length, header, bytes_used);
    free(copy);
    return result;
}

static void told(const char *bytes, size_t length, size_t header_bytes, const char *source)
{
    struct proxy_header header;
    size_t used = 0;
    char text[ADDRESS_TEXT_BYTES];
    assert_int_equal(parse(bytes, length, &header, &used), PROXY_HEADER_OK);
    assert_int_equal(used, header_bytes);
    assert_int_equal(header.known, source != NULL);
    if (source != NULL) {
        address_format(&header.source.any, text);
        assert_string_equal(text, source);
    }
    for (size_t cut = 0; cut < header_bytes; cut++) {
        assert_int_equal(parse(bytes, cut, &header, &used), PROXY_HEADER_INCOMPLETE);
    }
}
#define TOLD(bytes, rest, source) told(bytes rest, sizeof(bytes rest) - 1, sizeof bytes - 1, source)

static void addresses_are_taken_from_both_versions(void **state)
{
    (void)state;
    TOLD("PROXY TCP4 192.0.2.7 198.51.100.1 51234 443\r\n", "GET /", "192.0.2.7:51234");
    TOLD("PROXY TCP6 2001:db8::7 2001:db8::1 1 65535\r\n", "", "[2001:db8::7]:1");
    TOLD(SIGNATURE "\x21\x11\x00\x0c\xc0\x00\x02\x07\xc6\x33\x64\x01\xc8\x22\x01\xbb", "\x16\x03",
         "192.0.2.7:51234");
    /* extensions behind the addresses are passed over */
    TOLD(SIGNATURE
         "\x21\x11\x00\x10\xc0\x00\x02\x07\xc6\x33\x64\x01\xc8\x22\x01\xbb\x04\x00\x01\x00",
         "x", "192.0.2.7:51234");
}

static void what_tells_nothing_is_a_header_all_the_same(void **state)
{
    (void)state;
    TOLD("PROXY UNKNOWN\r\n", "GET", NULL);
    TOLD("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", "", NULL);
    TOLD(SIGNATURE "\x20\x00\x00\x00", "rest", NULL);
    TOLD(SIGNATURE "\x20\x11\x00\x0c............", "", NULL);
    TOLD(SIGNATURE "\x21\x31\x00\x03...", "", NULL);
}

static void what_is_wrong_is_refused(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
        enum proxy_header_result result;
    } rows[] = {
#define ROW(bytes, result) {bytes, sizeof bytes - 1, PROXY_HEADER_##result}
        ROW("GET / HTTP/1.1\r\n", INVALID),
        ROW("PROXY\r\n", INVALID),
        ROW("PROXY \r\n", INVALID),
        ROW("PROXY TCP4\r\n", INVALID),
        ROW("PROXY UNKNOWNX\r\n", INVALID),
        ROW("PROXY TCP4 192.0.2.7 198.51.100.1 51234 443\n", INVALID),
        ROW("PROXY TCP4 192.0.2.7 198.51.100.1 51234\r\n", INVALID),
        ROW("PROXY TCP4 192.0.2.7 198.51.100.1 51234 443 \r\n", INVALID),
        ROW("PROXY TCP4 192.0.2.7  198.51.100.1 51234 443\r\n", INVALID),
        ROW("PROXY TCP4 192.0.2.7 198.51.100.1 51234 65536\r\n", INVALID),
        ROW("PROXY TCP4 192.0.2.7 198.51.100.1 051 443\r\n", INVALID),
        ROW("PROXY TCP4 192.0.2.7 198.51.100.1 -1 443\r\n", INVALID),
        ROW("PROXY TCP4 2001:db8::7 2001:db8::1 1 2\r\n", INVALID),
        ROW("PROXY TCP4 192.0.2.256 198.51.100.1 1 2\r\n", INVALID),
        ROW("PROXY TCP6 192.0.2.7 198.51.100.1 1 2\r\n", INVALID),
        ROW("proxy TCP4 192.0.2.7 198.51.100.1 1 2\r\n", INVALID),
        ROW("PROXY UNKNOWN 67890123456789012345678901234567890123456789012345678901234567890123456789"
            "01234567890123456789\r\n",
            TOO_LONG),
        ROW(SIGNATURE "\x11\x11\x00\x0c............", INVALID),
        ROW(SIGNATURE "\x22\x11\x00\x0c............", INVALID),
        ROW(SIGNATURE "\x21\x11\x00\x0b...........", INVALID),
        ROW(SIGNATURE "\x21\x21\x00\x0c............", INVALID),
        ROW(SIGNATURE "\x21\x11\x0f\xf1", TOO_LONG),
#undef ROW
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct proxy_header header;
        size_t used = 77;
        enum proxy_header_result result = parse(rows[i].bytes, rows[i].length, &header, &used);
        if (result != rows[i].result) {
            fail_msg("row %zu: %d", i, result);
        }
        assert_int_equal(used, 77);
    }
}

static void what_is_written_is_read_back(void **state)
{
    /* what is told, and what arrives where that differs */
    static const char *const pairs[][3] = {
        {"192.0.2.7:51234", "198.51.100.1:443", "192.0.2.7:51234"},
        {"[2001:db8::7]:1", "[2001:db8::1]:65535", "[2001:db8::7]:1"},
        {"192.0.2.7:51234", "[2001:db8::1]:443", "[::ffff:192.0.2.7]:51234"},
    };
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct address source, destination;
        struct proxy_header header;
        char room[PROXY_HEADER_WRITE_BYTES], text[ADDRESS_TEXT_BYTES];
        size_t used = 0;
        assert_true(address_parse(pairs[i][0], &source) &&
                    address_parse(pairs[i][1], &destination));
        size_t length = proxy_header_write(&source.any, &destination.any, room);
        assert_int_equal(parse(room, length, &header, &used), PROXY_HEADER_OK);
        assert_int_equal(used, length);
        assert_true(header.known);
        address_format(&header.source.any, text);
        assert_string_equal(text, pairs[i][2]);
        address_format(&header.destination.any, text);
        assert_string_equal(text, pairs[i][1]);
    }
}

static void what_has_no_address_is_nobody(void **state)
{
    static const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    struct address source;
    struct proxy_header header;
    char room[PROXY_HEADER_WRITE_BYTES];
    size_t used = 0;
    (void)state;
    assert_true(address_parse("192.0.2.7:51234", &source));
    size_t length = proxy_header_write(&source.any, &nobody, room);
    assert_int_equal(parse(room, length, &header, &used), PROXY_HEADER_OK);
    assert_int_equal(used, length);
    assert_false(header.known);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_taken_from_both_versions),
        cmocka_unit_test(what_tells_nothing_is_a_header_all_the_same),
        cmocka_unit_test(what_is_wrong_is_refused),
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(what_has_no_address_is_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
