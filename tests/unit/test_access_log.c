/* Access lines: never invalid JSON whatever the bytes, never longer than their room, nothing forged in the combined format. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "proxy/log/access_log.h"
#include "steady/rng.h"
#include "tests/unit/json_line.h"

#define WALL_MS 1795434700906u

static struct access_text text(const char *bytes)
{
    return (struct access_text){bytes, (uint32_t)strlen(bytes)};
}

static struct access_record record(void)
{
    return (struct access_record){
        .client = text("10.0.0.7"),
        .client_port = 40123,
        .trace_id = text("00112233445566778899aabbccddeeff"),
        .method = text("GET"),
        .target = text("/a?b=c"),
        .host = text("shop.example"),
        .user_agent = text("curl/8"),
        .referer = text(""),
        .request_id = text("0123"),
        .listener = text("web"),
        .route = text("all"),
        .upstream = text("app"),
        .endpoint = text("10.0.0.9:80"),
        .client_tls = text("TLSv1.3"),
        .client_cipher = text("TLS_AES_128_GCM_SHA256"),
        .client_sni = text("shop.example"),
        .reason = text("complete"),
        .protocol = text("HTTP/1.1"),
        .stream = -1,
        .status = 200,
        .reused = true,
        .resumed = true,
        .shard = 7,
        .tls_us = 2000,
        .attempts_count = 1,
        .response_body_bytes = 128,
        .duration_us = 1234,
        .queue_us = -1,
        .connect_us = 50,
        .first_byte_us = 1000,
        .deadline_left_ms = 59999,
    };
}

static void a_line_says_everything_of_an_exchange(void **state)
{
    char line[ACCESS_LINE_BYTES + 1];
    struct access_record one = record();
    size_t length = access_line_json(&one, WALL_MS, line);
    (void)state;
    line[length] = '\0';
    assert_string_equal(
        line,
        "{\"time\":\"2026-11-23T11:51:40.906Z\",\"client\":\"10.0.0.7\",\"client_port\":40123,\"method\":\"GET\",\"target\":\"/a?b=c\","
        "\"host\":\"shop.example\",\"client_tls\":{\"version\":\"TLSv1.3\",\"cipher\":\"TLS_AES_128_GCM_SHA256\","
        "\"sni\":\"shop.example\",\"resumed\":false},\"protocol\":\"HTTP/1.1\",\"status\":200,\"reason\":\"complete\","
        "\"request_bytes\":0,\"response_bytes\":128,\"duration_ms\":1.234,\"listener\":\"web\",\"route\":\"all\","
        "\"upstream\":\"app\",\"endpoint\":\"10.0.0.9:80\",\"attempts\":1,\"queue_ms\":null,\"connect_ms\":0.050,"
        "\"tls_ms\":2.000,\"first_byte_ms\":1.000,\"deadline_left_ms\":59999,\"reused\":true,\"resumed\":true,\"shard\":7,"
        "\"user_agent\":\"curl/8\","
        "\"referer\":\"\",\"request_id\":\"0123\",\"trace_id\":\"00112233445566778899aabbccddeeff\"}\n");
    length = access_line_combined(&one, WALL_MS, line);
    line[length] = '\0';
    assert_string_equal(
        line,
        "10.0.0.7 - - [23/Nov/2026:11:51:40 +0000] \"GET /a?b=c HTTP/1.1\" 200 128 \"-\" \"curl/8\"\n");
}

static void a_stream_of_http2_is_told_in_json_only(void **state)
{
    char line[ACCESS_LINE_BYTES + 1];
    struct access_record one = record();
    (void)state;
    one.protocol = text("HTTP/2.0");
    one.stream = 5;
    line[access_line_json(&one, WALL_MS, line)] = '\0';
    assert_non_null(strstr(line, ",\"protocol\":\"HTTP/2.0\",\"stream\":5,\"status\":200,"));
    line[access_line_combined(&one, WALL_MS, line)] = '\0';
    assert_non_null(strstr(line, "\"GET /a?b=c HTTP/2.0\" 200 "));
}

static void random_bytes_stay_valid_json_and_one_line(void **state)
{
    uint64_t seed = (uint64_t)time(NULL);
    struct rng rng;
    char line[ACCESS_LINE_BYTES], bytes[4][3000];
    (void)state;
    print_message("# seed %llu\n", (unsigned long long)seed);
    rng_init(&rng, seed);
    for (int round = 0; round < 20000; round++) {
        struct access_record one = record();
        struct access_text *const texts[4] = {&one.target, &one.host, &one.user_agent,
                                              &one.referer};
        for (size_t i = 0; i < 4; i++) {
            size_t length = rng_below(&rng, round % 10 == 0 ? sizeof bytes[i] : 40);
            for (size_t j = 0; j < length; j++) {
                bytes[i][j] =
                    (char)(rng_below(&rng, 4) == 0 ? rng_next(&rng) : 0x20 + rng_below(&rng, 0xe0));
            }
            *texts[i] = (struct access_text){bytes[i], (uint32_t)length};
        }
        size_t length = access_line_json(&one, WALL_MS, line);
        assert_true(length <= sizeof line);
        assert_true(json_line_valid(line, length));
        assert_ptr_equal(memchr(line, '\n', length), line + length - 1);
        length = access_line_combined(&one, WALL_MS, line);
        assert_true(length <= sizeof line);
        assert_ptr_equal(memchr(line, '\n', length), line + length - 1);
        for (size_t j = 0; j + 1 < length; j++) {
            assert_true((unsigned char)line[j] >= 0x20 && (unsigned char)line[j] < 0x7f);
        }
    }
}

static void texts_too_long_are_cut_and_the_rest_is_whole(void **state)
{
    char line[ACCESS_LINE_BYTES], long_text[5000];
    struct access_record one = record();
    (void)state;
    memset(long_text, 1, sizeof long_text); /* six bytes each when escaped */
    one.target = one.host = one.user_agent = one.referer =
        (struct access_text){long_text, sizeof long_text};
    size_t length = access_line_json(&one, WALL_MS, line);
    assert_true(json_line_valid(line, length));
    assert_non_null(memmem(line, length, "\"request_id\":", 13));
}

static void a_long_target_and_an_agent_that_is_no_utf8_push_the_request_id_out(void **state)
{
    char line[ACCESS_LINE_BYTES], target[5000], bad[5000];
    struct access_record one = record();
    (void)state;
    memset(target, 't', sizeof target);
    memset(bad, 0xff, sizeof bad);
    one.target = (struct access_text){target, sizeof target};
    one.host = one.user_agent = one.referer = (struct access_text){bad, sizeof bad};
    one.listener = one.route = one.upstream = one.endpoint = one.host;
    one.client_sni = one.client_cipher = one.client_tls = one.host;
    size_t length = access_line_json(&one, WALL_MS, line);
    assert_true(json_line_valid(line, length));
    static const char last[] =
        "\"request_id\":\"0123\",\"trace_id\":\"00112233445566778899aabbccddeeff\"}";
    assert_non_null(memmem(line, length, last, sizeof last - 1));
    assert_non_null(memmem(line, length, "\"user_agent\":\"\\u00ff", 20));
    assert_non_null(memmem(line, length, target, ACCESS_TEXT_BYTES));
}

static void a_text_is_cut_between_two_characters(void **state)
{
    char line[ACCESS_LINE_BYTES], text_bytes[700];
    (void)state;
    for (size_t shift = 0; shift < 4;
         shift++) { /* each way in which the end of the room meets one of four bytes */
        struct access_record one = record();
        memset(text_bytes, 'x', shift);
        for (size_t i = shift; i + 4 <= sizeof text_bytes; i += 4) {
            memcpy(text_bytes + i, "\xf0\x9f\x92\xa9", 4);
        }
        one.host = (struct access_text){text_bytes, (uint32_t)(sizeof text_bytes - 4)};
        size_t length = access_line_json(&one, WALL_MS, line);
        assert_true(json_line_valid(line, length));
        assert_null(memmem(line, length, "\\u00", 4));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_says_everything_of_an_exchange),
        cmocka_unit_test(a_stream_of_http2_is_told_in_json_only),
        cmocka_unit_test(random_bytes_stay_valid_json_and_one_line),
        cmocka_unit_test(texts_too_long_are_cut_and_the_rest_is_whole),
        cmocka_unit_test(a_long_target_and_an_agent_that_is_no_utf8_push_the_request_id_out),
        cmocka_unit_test(a_text_is_cut_between_two_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
