/* What is written is HTTP, byte for byte, and never more than there is room for. */
#include "tests/unit/unit.h"

#include "proxy/http1/h1_parse.h"
#include "proxy/http1/h1_write.h"
#include "steady/rng.h"

#define FIELDS 16
#define ROOM 1024

static const struct h1_limits limits = {1024, FIELDS};

struct parsed {
    struct http_head head;
    struct http_field fields[FIELDS];
};

static void parse(struct parsed *parsed, const char *text, bool response)
{
    size_t scanned = 0;
    parsed->head = (struct http_head){.fields = parsed->fields, .field_limit = FIELDS};
    enum h1_result result =
        response
            ? h1_parse_response(text, strlen(text), &limits, METHOD_GET, &scanned, &parsed->head)
            : h1_parse_request(text, strlen(text), &limits, &scanned, &parsed->head);
    assert_int_equal(result, H1_OK);
}

static void write_head(struct h1_writer *writer, const struct http_head *head)
{
    if (head->status) {
        h1_write_status_line(writer, head);
    } else {
        h1_write_request_line(writer, head);
    }
    h1_write_fields(writer, head);
    h1_write_framing(writer, (enum http_framing)head->framing, head->content_length);
    h1_write_end(writer);
}

/* What a head becomes; also with less room than it needs. */
static void assert_written(const struct http_head *head, const char *wanted)
{
    char room[ROOM];
    struct h1_writer writer;
    h1_writer_init(&writer, room, sizeof room);
    write_head(&writer, head);
    assert_true(h1_writer_ok(&writer));
    room[h1_writer_length(&writer)] = '\0';
    assert_string_equal(room, wanted);
    for (size_t less = 0; less < strlen(wanted); less++) {
        char *tight = malloc(less ? less : 1); /* a sanitizer sees a byte too many */
        assert_non_null(tight);
        h1_writer_init(&writer, tight, less);
        write_head(&writer, head);
        assert_false(h1_writer_ok(&writer));
        assert_true(h1_writer_length(&writer) <= less);
        assert_memory_equal(tight, wanted, h1_writer_length(&writer));
        free(tight);
    }
}

static void assert_becomes(const char *text, bool response, const char *wanted)
{
    struct parsed parsed;
    parse(&parsed, text, response);
    assert_written(&parsed.head, wanted);
}

static void a_request_is_written_anew(void **state)
{
    (void)state;
    assert_becomes("GET /a?b HTTP/1.1\r\nHost: h\r\nX-A: 1\r\n\r\n", false,
                   "GET /a?b HTTP/1.1\r\nHost: h\r\nX-A: 1\r\n\r\n");
    assert_becomes("PUT /a HTTP/1.0\r\nX-A:1\r\nContent-Length: 007\r\nHost:  h\r\n\r\n", false,
                   "PUT /a HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nContent-Length: 7\r\n\r\n");
    assert_becomes("BREW / HTTP/1.3\r\nTransfer-Encoding: Chunked\r\nHost: h\r\n\r\n", false,
                   "BREW / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
}

static void a_request_without_a_host_is_written_without(void **state)
{
    (void)state;
    assert_becomes("GET / HTTP/1.0\r\nX-A: 1\r\n\r\n", false, "GET / HTTP/1.1\r\nX-A: 1\r\n\r\n");
}

static void absolute_form_is_written_as_origin_form(void **state)
{
    (void)state;
    assert_becomes("GET http://a:8/b HTTP/1.1\r\nHost: h\r\n\r\n", false,
                   "GET /b HTTP/1.1\r\nHost: a:8\r\n\r\n");
    assert_becomes("GET https://a HTTP/1.1\r\nHost: h\r\n\r\n", false,
                   "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_becomes("OPTIONS http://a HTTP/1.1\r\nHost: h\r\n\r\n", false,
                   "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_becomes("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", false,
                   "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n");
}

static void a_response_is_written_anew(void **state)
{
    (void)state;
    assert_becomes("HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 3\r\nX-A: 1\r\n\r\n", true,
                   "HTTP/1.1 200 OK\r\nServer: x\r\nX-A: 1\r\nContent-Length: 3\r\n\r\n");
    assert_becomes("HTTP/1.0 404 Gone fishing\r\nX-A:\t1\r\n\r\n", true,
                   "HTTP/1.1 404 Gone fishing\r\nX-A: 1\r\n\r\n");
    assert_becomes("HTTP/1.1 404\r\n\r\n", true, "HTTP/1.1 404 Not Found\r\n\r\n");
    assert_becomes("HTTP/1.1 404 \r\n\r\n", true, "HTTP/1.1 404 Not Found\r\n\r\n");
    assert_becomes("HTTP/1.1 299 \r\n\r\n", true, "HTTP/1.1 299 \r\n\r\n");
    assert_becomes("HTTP/1.9 200 OK\r\n\r\n", true, "HTTP/1.1 200 OK\r\n\r\n");
}

static void hop_by_hop_fields_stay_here(void **state)
{
    (void)state;
    assert_becomes(
        "GET / HTTP/1.1\r\nConnection: x-b, close\r\nX-A: 1\r\nX-B: 2\r\nTE: trailers\r\n"
        "Host: h\r\nX-C: 3\r\nX-D: 4\r\nKeep-Alive: 5\r\nX-E: 6\r\nUpgrade: x\r\n\r\n",
        false, "GET / HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nX-C: 3\r\nX-D: 4\r\nX-E: 6\r\n\r\n");
}

static void odd_lines_are_written_straight(void **state)
{
    (void)state;
    assert_becomes("GET / HTTP/1.1\r\nHost: h\r\nX-A: 1 \r\nX-B: 2\r\n\r\n", false,
                   "GET / HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nX-B: 2\r\n\r\n");
    assert_becomes("GET / HTTP/1.1\r\nHost: h\r\nX-A:1\r\nX-B: 2\r\n\r\n", false,
                   "GET / HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nX-B: 2\r\n\r\n");
    assert_becomes(
        "GET / HTTP/1.1\r\nHost: h\r\nX-A:1\r\nX-B: 2 \r\nX-C:\t3\r\nX-D:\r\nX-E: 5\r\n\r\n", false,
        "GET / HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nX-B: 2\r\nX-C: 3\r\nX-D: \r\nX-E: 5\r\n\r\n");
}

static void a_field_may_be_dropped_after_parsing(void **state)
{
    (void)state;
    struct parsed parsed;
    parse(&parsed, "GET / HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nVia: 2\r\nX-B: 3\r\n\r\n", false);
    parsed.fields[2].drop = 1;
    assert_written(&parsed.head, "GET / HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nX-B: 3\r\n\r\n");
    parsed.fields[1].drop = 1;
    parsed.fields[3].drop = 1;
    assert_written(&parsed.head, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
}

static void a_head_of_our_own_is_written_without_having_been_read(void **state)
{
    (void)state;
    static const char text[] = "Retry-After3Proxy-Statusevenkeel";
    struct http_field fields[] = {
        {.name_at = 0, .name_bytes = 11, .value_at = 11, .value_bytes = 1},
        {.name_at = 12, .name_bytes = 12, .value_at = 24, .value_bytes = 8},
    };
    struct http_head head = {.base = text,
                             .head_bytes = sizeof text - 1,
                             .status = 503,
                             .framing = FRAMING_LENGTH,
                             .content_length = 0,
                             .fields = fields,
                             .field_count = 2};
    assert_written(&head, "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 3\r\n"
                          "Proxy-Status: evenkeel\r\nContent-Length: 0\r\n\r\n");
}

static void a_copied_head_is_written_like_its_original(void **state)
{
    (void)state;
    struct parsed parsed;
    struct http_head copy;
    uint64_t room[128];
    parse(&parsed, "GET /a HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nTE: x\r\nX-B: 2\r\n\r\n", false);
    assert_true(head_copy_bytes(&parsed.head) <= sizeof room);
    head_copy(&parsed.head, &copy, room);
    assert_written(&copy, "GET /a HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nX-B: 2\r\n\r\n");
}

static void numbers_are_written_in_full(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, unit_seed());
    for (unsigned round = 0; round < 20000; round++) {
        char room[32], wanted[32];
        struct h1_writer writer;
        uint64_t number = round < 1200 ? round : rng_next(&rng) >> rng_below(&rng, 64);
        if (round == 1200) {
            number = UINT64_MAX;
        }
        h1_writer_init(&writer, room, sizeof room);
        h1_write_uint(&writer, number);
        snprintf(wanted, sizeof wanted, "%" PRIu64, number);
        assert_int_equal(h1_writer_length(&writer), strlen(wanted));
        assert_memory_equal(room, wanted, strlen(wanted));
    }
}

static void chunk_heads_are_written_in_full(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, unit_seed());
    for (unsigned round = 0; round < 20000; round++) {
        char room[H1_CHUNK_HEAD_BYTES], wanted[32];
        uint64_t number = round < 1200 ? round : rng_next(&rng) >> rng_below(&rng, 64);
        if (round == 1200) {
            number = UINT64_MAX;
        }
        snprintf(wanted, sizeof wanted, "%" PRIx64 "\r\n", number);
        assert_int_equal(h1_chunk_head(room, number), strlen(wanted));
        assert_memory_equal(room, wanted, strlen(wanted));
    }
}

static void nothing_is_written_after_what_did_not_fit(void **state)
{
    (void)state;
    char room[8];
    struct h1_writer writer;
    h1_writer_init(&writer, room, sizeof room);
    h1_write_bytes(&writer, "12345678", 8);
    assert_true(h1_writer_ok(&writer));
    h1_write_bytes(&writer, "", 0);
    assert_true(h1_writer_ok(&writer));
    h1_writer_init(&writer, room, sizeof room);
    h1_write_bytes(&writer, "123456789", 9);
    h1_write_bytes(&writer, "1", 1);
    h1_write_field_literal(&writer, "A", "b");
    assert_false(h1_writer_ok(&writer));
    assert_int_equal(h1_writer_length(&writer), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_written_anew),
        cmocka_unit_test(a_request_without_a_host_is_written_without),
        cmocka_unit_test(absolute_form_is_written_as_origin_form),
        cmocka_unit_test(a_response_is_written_anew),
        cmocka_unit_test(hop_by_hop_fields_stay_here),
        cmocka_unit_test(odd_lines_are_written_straight),
        cmocka_unit_test(a_field_may_be_dropped_after_parsing),
        cmocka_unit_test(a_head_of_our_own_is_written_without_having_been_read),
        cmocka_unit_test(a_copied_head_is_written_like_its_original),
        cmocka_unit_test(numbers_are_written_in_full),
        cmocka_unit_test(chunk_heads_are_written_in_full),
        cmocka_unit_test(nothing_is_written_after_what_did_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
