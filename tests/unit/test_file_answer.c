/* What a request for a file is answered: dates, conditions, ranges, codings, and which bytes follow. */
#include "tests/unit/unit.h"

#include "proxy/edge/file_plan.h"
#include "proxy/edge/file_type.h"
#include "proxy/http/accept_encoding.h"
#include "proxy/http/http_date.h"
#include "proxy/http1/h1_parse.h"

#define NOW_S 1700000000
#define MODIFIED_S 784111777
#define MODIFIED_DATE "Sun, 06 Nov 1994 08:49:37 GMT"
#define FILE_BYTES 1000

static const struct file_settings plain = {.root = "/"};

/* The head of a request with these field lines. */
static struct http_head head_of(const char *method, const char *lines)
{
    static char text[2048];
    static struct http_field fields[16];
    struct http_head head = {.fields = fields, .field_limit = 16};
    const struct h1_limits limits = {4096, 16};
    size_t scanned = 0;
    int length = snprintf(text, sizeof text, "%s / HTTP/1.1\r\nHost: a\r\n%s\r\n", method, lines);
    assert_int_equal(h1_parse_request(text, (size_t)length, &limits, &scanned, &head), H1_OK);
    return head;
}

static struct file_plan plan_of(const char *method, const char *lines, uint64_t file_bytes)
{
    static struct file_found found;
    const struct http_head head = head_of(method, lines);
    struct file_plan plan;
    found = (struct file_found){
        .fd = -1, .bytes = file_bytes, .modified_ns = MODIFIED_S * UINT64_C(1000000000)};
    snprintf(found.name, sizeof found.name, "a.txt");
    file_plan_make(&plan, &head, &plain, &found, NOW_S, 7);
    return plan;
}

static unsigned status_of(const char *lines)
{
    return plan_of("GET", lines, FILE_BYTES).status;
}

/* ---- dates ---- */

static void dates_are_read_in_all_three_forms(void **state)
{
    static const char *const same[] = {MODIFIED_DATE, "Sunday, 06-Nov-94 08:49:37 GMT",
                                       "Sun Nov  6 08:49:37 1994"};
    static const char *const none[] = {"",
                                       "now",
                                       "784111777",
                                       "Sun, 06 Nov 1994 08:49:37",
                                       "Sun, 06 Nov 1994 08:49:37 GMT ",
                                       "Sun, 6 Nov 1994 08:49:37 GMT",
                                       "Sun, 06 Nux 1994 08:49:37 GMT",
                                       "Sun, 32 Nov 1994 08:49:37 GMT",
                                       "Sun, 06 Nov 1994 24:49:37 GMT",
                                       "Sun, 06 Nov 1994 08:49:37 UTC",
                                       "Sun, 06 Nov 1994 08:60:37 GMT"};
    int64_t seconds;
    (void)state;
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        assert_true(http_date_read(same[i], strlen(same[i]), NOW_S, &seconds));
        assert_int_equal(seconds, MODIFIED_S);
    }
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        if (http_date_read(none[i], strlen(none[i]), NOW_S, &seconds)) {
            fail_msg("\"%s\" is taken for a date", none[i]);
        }
    }
    static const char near[] = "Friday, 06-Nov-70 08:49:37 GMT",
                      far[] = "Friday, 06-Nov-75 08:49:37 GMT";
    assert_true(http_date_read(near, sizeof near - 1, NOW_S, &seconds));
    assert_true(seconds > NOW_S); /* 2070 */
    assert_true(http_date_read(far, sizeof far - 1, NOW_S, &seconds));
    assert_true(seconds < NOW_S); /* 1975 */
}

static void a_written_date_is_read_again(void **state)
{
    char text[HTTP_DATE_BYTES];
    int64_t seconds;
    (void)state;
    http_date_write(MODIFIED_S, text);
    assert_string_equal(text, MODIFIED_DATE);
    uint64_t seed = unit_seed();
    for (int i = 0; i < 1000; i++) {
        seed = seed * 6364136223846793005U + 1442695040888963407U;
        int64_t at = (int64_t)(seed >> 31);
        http_date_write(at, text);
        assert_true(http_date_read(text, strlen(text), NOW_S, &seconds));
        assert_int_equal(seconds, at);
    }
}

/* ---- conditions ---- */

/* Of the file in plan_of(). */
#define TAG "\"ae1b981bc490a00-3e8\""

static void the_tag_is_that_of_the_file(void **state)
{
    (void)state;
    const struct file_plan plan = plan_of("GET", "", FILE_BYTES);
    char wanted[FILE_ETAG_BYTES];
    snprintf(wanted, sizeof wanted, "\"%llx-3e8\"", MODIFIED_S * 1000000000ULL);
    assert_string_equal(plan.validators.etag, wanted);
    assert_string_equal(wanted, TAG);
}

static void conditions_are_judged_in_the_order_of_the_standard(void **state)
{
    static const struct {
        const char *lines;
        unsigned status;
    } rows[] = {
        {"", 200},
        {"If-None-Match: " TAG "\r\n", 304},
        {"If-None-Match: W/" TAG "\r\n", 304},
        {"If-None-Match: \"x\", " TAG "\r\n", 304},
        {"If-None-Match: \"x,y\" , W/\"z\"\r\nIf-None-Match: " TAG "\r\n", 304},
        {"If-None-Match: *\r\n", 304},
        {"If-None-Match: \"x\"\r\n", 200},
        {"If-None-Match: \"x\"\r\nIf-Modified-Since: " MODIFIED_DATE "\r\n", 200},
        {"If-None-Match: broken\r\n", 200},
        {"If-Modified-Since: " MODIFIED_DATE "\r\n", 304},
        {"If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n", 200},
        {"If-Modified-Since: Mon, 07 Nov 1994 08:49:36 GMT\r\n", 304},
        {"If-Modified-Since: yesterday\r\n", 200},
        {"If-Match: " TAG "\r\n", 200},
        {"If-Match: W/" TAG "\r\n", 412},
        {"If-Match: \"x\"\r\n", 412},
        {"If-Match: *\r\n", 200},
        {"If-Match: \"x\"\r\nIf-None-Match: " TAG "\r\n", 412},
        {"If-Match: " TAG "\r\nIf-None-Match: " TAG "\r\n", 304},
        {"If-Unmodified-Since: " MODIFIED_DATE "\r\n", 200},
        {"If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n", 412},
        {"If-Match: *\r\nIf-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n", 200},
        {"Range: bytes=0-9\r\nIf-None-Match: " TAG "\r\n", 304},
        {"Range: bytes=0-9\r\nIf-Range: " TAG "\r\n", 206},
        {"Range: bytes=0-9\r\nIf-Range: W/" TAG "\r\n", 200},
        {"Range: bytes=0-9\r\nIf-Range: \"x\"\r\n", 200},
        {"Range: bytes=0-9\r\nIf-Range: " MODIFIED_DATE "\r\n", 206},
        {"Range: bytes=0-9\r\nIf-Range: Mon, 07 Nov 1994 08:49:36 GMT\r\n", 200},
        {"Range: bytes=5000-\r\nIf-Range: \"x\"\r\n", 200},
        {"If-None-Match: broken\r\nIf-None-Match: " TAG "\r\n", 304},
        {"If-None-Match: \"x\"\r\nIf-None-Match: *\r\n", 304},
        {"If-Match: \"x\"\r\nIf-Match: \"y\", " TAG "\r\n", 200},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        unsigned status = status_of(rows[i].lines);
        if (status != rows[i].status) {
            fail_msg("%s: %u, not %u", rows[i].lines, status, rows[i].status);
        }
    }
}

/* Fields that are no lists say nothing if there are several (RFC 9110 5.3, 13.1.3, 13.1.4, 14.2). */
static void what_is_said_twice_is_not_said(void **state)
{
    static const struct {
        const char *lines;
        unsigned status;
    } rows[] = {
        {"Range: bytes=0-9\r\n", 206},
        {"Range: bytes=0-9\r\nRange: bytes=20-29\r\n", 200},
        {"Range: bytes=0-9\r\nRange: bytes=0-9\r\n", 200},
        {"Range: bytes=5000-\r\nRange: bytes=0-9\r\n", 200},
        {"Range: bytes=0-9\r\nIf-Range: " TAG "\r\nIf-Range: \"x\"\r\n", 200},
        {"Range: bytes=0-9\r\nIf-Range: " MODIFIED_DATE "\r\nIf-Range: " MODIFIED_DATE "\r\n", 200},
        {"If-Modified-Since: " MODIFIED_DATE "\r\nIf-Modified-Since: " MODIFIED_DATE "\r\n", 200},
        {"If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n"
         "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n",
         200},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        unsigned status = status_of(rows[i].lines);
        if (status != rows[i].status) {
            fail_msg("%s: %u, not %u", rows[i].lines, status, rows[i].status);
        }
    }
}

/* ---- ranges ---- */

static void assert_range(const char *value, uint64_t file_bytes, const char *wanted)
{
    char text[512] = "";
    struct file_ranges ranges;
    size_t bytes = 0;
    switch (file_range_read(value, strlen(value), file_bytes, &ranges)) {
    case FILE_RANGE_NONE: snprintf(text, sizeof text, "whole"); break;
    case FILE_RANGE_BEYOND: snprintf(text, sizeof text, "beyond"); break;
    case FILE_RANGE_PARTS:
        for (size_t i = 0; i < ranges.count; i++) {
            bytes += (size_t)snprintf(text + bytes, sizeof text - bytes, "%s%llu-%llu",
                                      i > 0 ? " " : "", (unsigned long long)ranges.of[i].first,
                                      (unsigned long long)ranges.of[i].last);
        }
    }
    if (strcmp(text, wanted) != 0) {
        fail_msg("%s of %llu: %s, not %s", value, (unsigned long long)file_bytes, text, wanted);
    }
}

static void ranges_are_those_that_were_asked_for(void **state)
{
    static const struct {
        const char *value;
        uint64_t file_bytes;
        const char *wanted;
    } rows[] = {
        {"bytes=0-499", 1000, "0-499"},
        {"bytes=500-", 1000, "500-999"},
        {"bytes=-1", 1000, "999-999"},
        {"bytes=-5000", 1000, "0-999"},
        {"bytes=999-5000", 1000, "999-999"},
        {"BYTES=0-0", 1000, "0-0"},
        {"bytes=0-0,-1", 1000, "0-0 999-999"},
        {"bytes= 0-1 ,\t2-3", 1000, "0-1 2-3"},
        {"bytes=1000-", 1000, "beyond"},
        {"bytes=-0", 1000, "beyond"},
        {"bytes=0-", 0, "beyond"},
        {"bytes=-5", 0, "beyond"},
        {"bytes=5000-,0-1", 1000, "0-1"},
        {"bytes=18446744073709551615-", 1000, "beyond"},
        {"bytes=0-18446744073709551615", 1000, "0-999"},
        {"bytes=0-99999999999999999999999", 1000, "0-999"},
        {"bytes=-99999999999999999999999", 1000, "0-999"},
        {"bytes=2-1", 1000, "whole"},
        {"bytes=", 1000, "whole"},
        {"bytes=-", 1000, "whole"},
        {"bytes=a-b", 1000, "whole"},
        {"bytes=0-1;2-3", 1000, "whole"},
        {"bytes=0-1;", 1000, "whole"},
        {"bytes=0-1x", 1000, "whole"},
        {"bytes=0-1-", 1000, "whole"},
        {"bytes=0-1,2-3 4", 1000, "whole"},
        {"bytes=0-1,", 1000, "whole"},
        {"bytes=,0-1", 1000, "whole"},
        {"bytes=0 - 1", 1000, "whole"},
        {"bytes=+0-1", 1000, "whole"},
        {"lines=0-1", 1000, "whole"},
        {"0-1", 1000, "whole"},
        /* more than the file has */
        {"bytes=0-,0-", 1000, "whole"},
        {"bytes=0-599,400-999", 1000, "whole"},
        {"bytes=0-1,0-1,0-1,0-1,0-1,0-1,0-1,0-1,0-1,0-1,0-1,0-1,0-1,0-1,0-1,0-1,0-1", 1000,
         "whole"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_range(rows[i].value, rows[i].file_bytes, rows[i].wanted);
    }
}

/* Whatever is asked for, no part is outside the file, and all of them together are not more than it. */
static void no_range_leaves_the_file(void **state)
{
    static const char letters[] = "0123456789--,, =b";
    char value[40] = "bytes=";
    struct file_ranges ranges;
    (void)state;
    uint64_t seed = unit_seed();
    for (int i = 0; i < 200000; i++) {
        size_t bytes = 6;
        seed = seed * 6364136223846793005U + 1442695040888963407U;
        uint64_t draw = seed;
        for (; bytes < 6 + (seed >> 33) % 16; bytes++) {
            draw = draw * 6364136223846793005U + 1442695040888963407U;
            value[bytes] = letters[(draw >> 33) % (sizeof letters - 1)];
        }
        uint64_t file_bytes = (seed >> 40) % 200, sum = 0;
        if (file_range_read(value, bytes, file_bytes, &ranges) == FILE_RANGE_PARTS) {
            assert_in_range(ranges.count, 1, FILE_RANGES_MAX);
            for (size_t part = 0; part < ranges.count; part++) {
                assert_true(ranges.of[part].first <= ranges.of[part].last);
                assert_true(ranges.of[part].last < file_bytes);
                sum += ranges.of[part].last - ranges.of[part].first + 1;
            }
            assert_true(sum <= file_bytes);
        }
    }
}

static void a_range_counts_for_get_alone(void **state)
{
    (void)state;
    assert_int_equal(plan_of("GET", "Range: bytes=0-1\r\n", FILE_BYTES).status, 206);
    assert_int_equal(plan_of("HEAD", "Range: bytes=0-1\r\n", FILE_BYTES).status, 200);
    assert_int_equal(plan_of("HEAD", "Range: bytes=5000-\r\n", FILE_BYTES).status, 200);
    assert_int_equal(plan_of("GET", "Range: bytes=5000-\r\n", FILE_BYTES).status, 416);
}

/* ---- what follows ---- */

/* The content, of a file whose byte n is 'a' + n % 26, by reads of at most so many bytes. */
static size_t play(struct file_plan *plan, size_t most_bytes, char *content)
{
    char before[FILE_FRAME_BYTES], behind[FILE_FRAME_BYTES];
    size_t before_bytes, behind_bytes, bytes = 0;
    while (!file_plan_over(plan)) {
        const struct file_range range = file_plan_next(plan, most_bytes);
        size_t count = (size_t)(range.last - range.first + 1);
        assert_in_range(count, 1, most_bytes);
        file_plan_advance(plan, count, before, &before_bytes, behind, &behind_bytes);
        memcpy(content + bytes, before, before_bytes);
        bytes += before_bytes;
        for (uint64_t at = range.first; at <= range.last; at++) {
            content[bytes++] = (char)('a' + at % 26);
        }
        memcpy(content + bytes, behind, behind_bytes);
        bytes += behind_bytes;
    }
    return bytes;
}

static void the_length_is_that_of_what_follows(void **state)
{
    static const char *const lines[] = {"", "Range: bytes=5-\r\n", "Range: bytes=0-0,30-39,-7\r\n",
                                        "Range: bytes=3-3,2-2\r\n"};
    static char content[8192];
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        for (size_t most = 1; most < 2000; most = most * 3 + 1) {
            struct file_plan plan = plan_of("GET", lines[i], FILE_BYTES);
            struct own_response own;
            file_plan_describe(&plan, NOW_S, &own);
            assert_int_equal(play(&plan, most, content), own.head.content_length);
        }
    }
}

static void several_parts_are_those_of_the_standard(void **state)
{
    static char content[8192];
    struct own_response own;
    (void)state;
    struct file_plan plan = plan_of("GET", "Range: bytes=0-2,-1\r\n", FILE_BYTES);
    file_plan_describe(&plan, NOW_S, &own);
    const struct http_field *type = head_find(&own.head, FIELD_CONTENT_TYPE);
    assert_memory_equal(own.head.base + type->value_at,
                        "multipart/byteranges; boundary=part-0000000000000007", type->value_bytes);
    content[play(&plan, 2, content)] = '\0';
    assert_string_equal(content, "--part-0000000000000007\r\n"
                                 "Content-Type: text/plain; charset=utf-8\r\n"
                                 "Content-Range: bytes 0-2/1000\r\n\r\nabc"
                                 "\r\n--part-0000000000000007\r\n"
                                 "Content-Type: text/plain; charset=utf-8\r\n"
                                 "Content-Range: bytes 999-999/1000\r\n\r\nl"
                                 "\r\n--part-0000000000000007--\r\n");
}

static void an_empty_file_has_no_content(void **state)
{
    struct own_response own;
    (void)state;
    struct file_plan plan = plan_of("GET", "", 0);
    file_plan_describe(&plan, NOW_S, &own);
    assert_true(file_plan_over(&plan));
    assert_int_equal(own.head.content_length, 0);
}

static void no_file_is_of_the_future(void **state)
{
    struct own_response own;
    char date[HTTP_DATE_BYTES];
    (void)state;
    struct file_plan plan = plan_of("GET", "", FILE_BYTES);
    file_plan_describe(&plan, MODIFIED_S - 100, &own);
    const struct http_field *field = head_find_name(&own.head, "last-modified", 13);
    http_date_write(MODIFIED_S - 100, date);
    assert_memory_equal(own.head.base + field->value_at, date, field->value_bytes);
}

/* ---- types and codings ---- */

static void a_name_says_what_a_file_is(void **state)
{
    static const char *const rows[][2] = {{"index.html", "text/html; charset=utf-8"},
                                          {"a/b.CSS", "text/css; charset=utf-8"},
                                          {"app.min.js", "text/javascript; charset=utf-8"},
                                          {"a.7z", "application/x-7z-compressed"},
                                          {"a.zst", "application/zstd"},
                                          {"a.json", "application/json"},
                                          {"a.svg", "image/svg+xml"},
                                          {"a.woff", "font/woff"},
                                          {"a.woff2", "font/woff2"},
                                          {"a.htm", "text/html; charset=utf-8"},
                                          {"a", "application/octet-stream"},
                                          {"", "application/octet-stream"},
                                          {"a.", "application/octet-stream"},
                                          {"a.unknown", "application/octet-stream"},
                                          {"folder.html/a", "application/octet-stream"},
                                          {"a.html.gz", "application/gzip"}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_string_equal(file_type_of(rows[i][0]), rows[i][1]);
    }
}

static void codings_are_those_that_the_client_takes(void **state)
{
    static const struct {
        const char *lines;
        unsigned codings;
    } rows[] = {
        {"", 0},
        {"Accept-Encoding: gzip, deflate, br, zstd\r\n",
         CODING_BIT(CODING_GZIP) | CODING_BIT(CODING_BR) | CODING_BIT(CODING_ZSTD)},
        {"Accept-Encoding: GZIP;q=0.5\r\n", CODING_BIT(CODING_GZIP)},
        {"Accept-Encoding: gzip;q=0, br;q=0.001\r\n", CODING_BIT(CODING_BR)},
        {"Accept-Encoding: gzip ; q=0.000, zstd\r\n", CODING_BIT(CODING_ZSTD)},
        {"Accept-Encoding: gzip\r\nAccept-Encoding: br\r\n",
         CODING_BIT(CODING_GZIP) | CODING_BIT(CODING_BR)},
        {"Accept-Encoding: xgzip, gzipx, *\r\n", 0},
        {"Accept-Encoding: \r\n", 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct http_head head = head_of("GET", rows[i].lines);
        assert_int_equal(accept_encodings(&head), rows[i].codings);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dates_are_read_in_all_three_forms),
        cmocka_unit_test(a_written_date_is_read_again),
        cmocka_unit_test(the_tag_is_that_of_the_file),
        cmocka_unit_test(conditions_are_judged_in_the_order_of_the_standard),
        cmocka_unit_test(what_is_said_twice_is_not_said),
        cmocka_unit_test(ranges_are_those_that_were_asked_for),
        cmocka_unit_test(no_range_leaves_the_file),
        cmocka_unit_test(a_range_counts_for_get_alone),
        cmocka_unit_test(the_length_is_that_of_what_follows),
        cmocka_unit_test(several_parts_are_those_of_the_standard),
        cmocka_unit_test(an_empty_file_has_no_content),
        cmocka_unit_test(no_file_is_of_the_future),
        cmocka_unit_test(a_name_says_what_a_file_is),
        cmocka_unit_test(codings_are_those_that_the_client_takes),
    };
    return cmocka_run_group_tests_name("file_answer", tests, NULL, NULL);
}
