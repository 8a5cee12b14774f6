/* Spans: never invalid JSON and never longer than their room whatever the bytes; whom the sampler believes; rings that are full. */
#include "tests/unit/unit.h"

#include "proxy/log/line.h"
#include "proxy/trace/batch.h"
#include "proxy/trace/sampler.h"
#include "proxy/trace/span.h"
#include "proxy/trace/span_rings.h"
#include "steady/rng.h"
#include "tests/unit/json_line.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"

static struct trace_span span(void)
{
    return (struct trace_span){.trace_id = TRACE,
                               .id = 0x00f067aa0ba902b7,
                               .kind = SPAN_SERVER,
                               .start_ns = 1795434700906000000,
                               .end_ns = 1795434700907000000};
}

/* ---- the text ---- */

static void a_span_is_what_otlp_wants(void **state)
{
    char line[SPAN_LINE_BYTES + 1];
    struct trace_span one = span();
    (void)state;
    one.parent_id = 1;
    one.failed = true;
    one.state = "a=1";
    one.state_bytes = 3;
    span_add_string(&one, SPAN_METHOD, "GET");
    span_add_string(&one, SPAN_ROUTE, "all");
    span_add(&one, SPAN_STATUS, 502);
    span_add(&one, SPAN_QUEUE, 1234);
    span_add(&one, SPAN_REUSED, 1);
    line[span_write(&one, line)] = '\0';
    assert_string_equal(
        line,
        "{\"traceId\":\"" TRACE
        "\",\"spanId\":\"00f067aa0ba902b7\",\"parentSpanId\":\"0000000000000001\",\"traceState\":\"a=1\",\"name\":\"GET "
        "all\",\"kind\":2,\"startTimeUnixNano\":\"1795434700906000000\",\"endTimeUnixNano\":\"1795434700907000000\",\"attributes\":["
        "{\"key\":\"http.request.method\",\"value\":{\"stringValue\":\"GET\"}},{\"key\":\"http.route\",\"value\":{\"stringValue\":\"all\"}},"
        "{\"key\":\"http.response.status_code\",\"value\":{\"intValue\":\"502\"}},{\"key\":\"evenkeel.queue_ms\",\"value\":{\"doubleValue\":1.234}},"
        "{\"key\":\"evenkeel.reused\",\"value\":{\"boolValue\":true}}],\"status\":{\"code\":2}}\n");
}

static void a_span_of_the_least_is_whole(void **state)
{
    char line[SPAN_LINE_BYTES + 1];
    struct trace_span one = span();
    (void)state;
    one.kind = SPAN_CLIENT;
    one.end_ns = one.start_ns - 1; /* the clock was set back */
    line[span_write(&one, line)] = '\0';
    assert_string_equal(
        line,
        "{\"traceId\":\"" TRACE
        "\",\"spanId\":\"00f067aa0ba902b7\",\"name\":\"HTTP\",\"kind\":3,\"startTimeUnixNano\":"
        "\"1795434700906000000\",\"endTimeUnixNano\":\"1795434700906000000\",\"attributes\":[],\"status\":{}}\n");
}

static const char *const keys[] = {
#define X(id, key, form, room) [id] = (form) == SPAN_TEXT ? "text" : "",
    SPAN_KEYS(X)
#undef X
};

/* Every attribute with a text that takes all of its room and more. */
static void fill(struct trace_span *one, const char *text, size_t bytes)
{
    for (unsigned key = 0; key < SPAN_KEY_COUNT; key++) {
        if (keys[key][0] != '\0') {
            span_add_text(one, (enum span_key)key, text, bytes);
        } else {
            span_add(one, (enum span_key)key, UINT64_MAX);
        }
    }
    one->state = text;
    one->state_bytes = bytes;
}

static void whatever_the_bytes_a_span_is_one_line_of_json(void **state)
{
    static char text[8192], line[SPAN_LINE_BYTES];
    struct rng rng;
    (void)state;
    rng_init(&rng, unit_seed());
    for (unsigned round = 0; round < 2000; round++) {
        size_t bytes = rng_below(&rng, sizeof text + 1);
        bool escapes = round % 3 == 0;
        for (size_t i = 0; i < bytes; i++) {
            text[i] = escapes ? '\n' : (char)rng_next(&rng);
        }
        struct trace_span one = span();
        fill(&one, text, bytes);
        size_t length = span_write(&one, line);
        assert_true(length < sizeof line);
        assert_true(json_line_valid(line, length));
        assert_ptr_equal(memchr(line, '\n', length), line + length - 1);
    }
}

static void places_are_split(void **state)
{
    static const struct {
        const char *place, *host;
        unsigned port;
    } rows[] = {{"shop.example", "shop.example", 0},
                {"shop.example:8080", "shop.example", 8080},
                {"[2001:db8::1]:443", "2001:db8::1", 443},
                {"[2001:db8::1]", "2001:db8::1", 0},
                {"2001:db8::1", "2001:db8::1", 0},
                {"10.0.0.7:80", "10.0.0.7", 80},
                {"host:", "host", 0},
                {"host:99999", "host", 0},
                {"host:http", "host:http", 0},
                {"unix:/run/x.sock", "unix:/run/x.sock", 0},
                {":80", NULL, 80},
                {"", NULL, 0}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct trace_span one = span();
        unsigned at = 0;
        span_add_place(&one, SPAN_SERVER_ADDRESS, SPAN_SERVER_PORT, rows[i].place,
                       strlen(rows[i].place));
        if (rows[i].host != NULL) {
            assert_int_equal(one.attributes[at].value, strlen(rows[i].host));
            assert_memory_equal(one.attributes[at++].text, rows[i].host, strlen(rows[i].host));
        }
        if (rows[i].port != 0) {
            assert_int_equal(one.attributes[at++].value, rows[i].port);
        }
        assert_int_equal(one.attribute_count, at);
    }
}

/* ---- the sampler ---- */

static void who_is_believed_decides(void **state)
{
    (void)state;
    for (unsigned parent = TRACE_PARENT_TRUSTED; parent <= TRACE_PARENT_NONE; parent++) {
        for (unsigned trusted = 0; trusted < 2; trusted++) {
            bool believed =
                parent == TRACE_PARENT_ANY || (parent == TRACE_PARENT_TRUSTED && trusted);
            struct tracing_settings none = {.parent = (enum trace_parent)parent};
            struct tracing_settings all = {.parent = (enum trace_parent)parent,
                                           .sample_numbers = UINT64_C(1) << 63};
            assert_int_equal(trace_samples(&none, TRACE_SAYS_SAMPLED, trusted, 0), believed);
            assert_int_equal(trace_samples(&all, TRACE_SAYS_UNSAMPLED, trusted, UINT64_MAX),
                             !believed);
            assert_false(trace_samples(&none, TRACE_SAYS_NOTHING, trusted, 0));
            assert_true(trace_samples(&all, TRACE_SAYS_NOTHING, trusted, UINT64_MAX));
        }
    }
    for (const char *digit = "0123456789abcdef"; *digit != '\0'; digit++) {
        unsigned value = (unsigned)strtoul((const char[]){*digit, '\0'}, NULL, 16);
        assert_int_equal(trace_word_of(*digit),
                         value % 2 == 1 ? TRACE_SAYS_SAMPLED : TRACE_SAYS_UNSAMPLED);
    }
}

/* ---- rings and batches ---- */

static void take_one(struct span_rings *rings, char *space, size_t *ret_bytes)
{
    assert_int_equal(span_rings_take(rings, space, BATCH_SPANS_BYTES, 1, ret_bytes), 1);
}

static void a_full_ring_drops_and_counts(void **state)
{
    static char space[BATCH_SPANS_BYTES], line[SPAN_LINE_BYTES];
    struct bound_registry registry;
    struct trace_span one = span();
    uint64_t put_count = 0;
    size_t bytes;
    (void)state;
    bound_registry_init(&registry);
    struct span_rings *rings = span_rings_create(2, &registry);
    assert_non_null(rings);
    span_rings_put(rings, 0, &one);
    assert_int_equal(span_rings_lost(rings), 1); /* it has no memory yet */
    assert_int_equal(span_rings_take(rings, space, sizeof space, 10, &bytes), 0);
    assert_true(span_rings_open(rings));
    while (span_rings_lost(rings) == 1) {
        span_rings_put(rings, 0, &one);
        put_count++;
    }
    span_rings_put(rings, 1, &one); /* the other worker's ring has room */
    assert_int_equal(span_rings_lost(rings), 2);
    assert_int_equal(span_rings_waiting(rings), put_count);
    span_rings_look(rings);
    take_one(rings, space, &bytes);
    assert_int_equal(bytes, span_write(&one, line));
    line[bytes - 1] = ',';
    assert_memory_equal(space, line, bytes);
    uint64_t rest = 0, got;
    while ((got = span_rings_take(rings, space, 100000, 1000000, &bytes)) > 0) {
        assert_true(bytes <= 100000 && space[bytes - 1] == ',');
        rest += got;
    }
    assert_int_equal(rest, put_count - 1);
    assert_int_equal(span_rings_waiting(rings), 0);
    span_rings_free(&rings);
}

static void what_surrounds_spans_is_json(void **state)
{
    static char text[BATCH_SPANS_BYTES + 8192];
    static struct batch batch;
    struct bound_registry registry;
    struct trace_span one = span();
    struct iovec pieces[BATCH_PIECES];
    char name[4096];
    memset(name, '"', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    const struct tracing_settings settings = {.collector = {.text = "http://[::1]:4318/v1/traces"},
                                              .path = "/v1/traces",
                                              .service_name = name};
    const struct batch_source source = {"1.2.3", name, "0123456789abcdef0123456789abcdef", 4321};
    (void)state;
    bound_registry_init(&registry);
    struct span_rings *rings = span_rings_create(1, &registry);
    assert_true(rings != NULL && span_rings_open(rings) && batch_open(&batch));
    span_rings_put(rings, 0, &one);
    span_rings_put(rings, 0, &one);
    batch_describe(&batch, &source, &settings);
    batch_fill(&batch, rings, 10);
    assert_int_equal(batch.count, 2);
    batch_pieces(&batch, &settings, "1.2.3", pieces);
    assert_non_null(memmem(pieces[0].iov_base, pieces[0].iov_len, "\r\nHost: [::1]:4318\r\n", 19));
    struct line line = {text, text + sizeof text};
    for (unsigned i = 1; i < BATCH_PIECES; i++) {
        line_put(&line, pieces[i].iov_base, pieces[i].iov_len);
    }
    char length[64];
    snprintf(length, sizeof length, "\r\nContent-Length: %zu\r\n", (size_t)(line.at - text));
    assert_non_null(memmem(pieces[0].iov_base, pieces[0].iov_len, length, strlen(length)));
    line_put_literal(&line, "\n");
    assert_true(json_line_valid(text, (size_t)(line.at - text)));
    batch_release(&batch);
    span_rings_free(&rings);
}

static void an_answer_says_what_it_rejects(void **state)
{
    static const struct {
        const char *answer;
        unsigned count;
    } rows[] = {{"{}", 0},
                {"", 0},
                {"{\"partialSuccess\":{\"rejectedSpans\":\"12\",\"errorMessage\":\"x\"}}", 12},
                {"{\"partialSuccess\": {\"rejectedSpans\" : 3}}", 3},
                {"{\"rejectedSpans\":", 0},
                {"{\"rejectedSpans\"", 0},
                {"{\"rejectedSpans\":\"-4\"", 0}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *exact = malloc(strlen(rows[i].answer) + 1); /* so that a read beyond it is seen */
        memcpy(exact, rows[i].answer, strlen(rows[i].answer));
        assert_int_equal(batch_rejected(exact, strlen(rows[i].answer)), rows[i].count);
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_span_is_what_otlp_wants),
        cmocka_unit_test(a_span_of_the_least_is_whole),
        cmocka_unit_test(whatever_the_bytes_a_span_is_one_line_of_json),
        cmocka_unit_test(places_are_split),
        cmocka_unit_test(who_is_believed_decides),
        cmocka_unit_test(a_full_ring_drops_and_counts),
        cmocka_unit_test(what_surrounds_spans_is_json),
        cmocka_unit_test(an_answer_says_what_it_rejects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
