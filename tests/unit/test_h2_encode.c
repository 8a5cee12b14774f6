/* Field blocks that Evenkeel writes: nghttp2's decoder reads them as they were meant, whatever it is told of its table. */
#include <nghttp2/nghttp2.h>

#include "proxy/http2/h2_encode.h"
#include "steady/rng.h"
#include "tests/unit/h2_talk.h"

#define FIELDS 40
#define TEXT_BYTES 3000

static const char long_text[TEXT_BYTES + 1];

struct field {
    char name[64];
    size_t name_bytes;
    const char *value;
    size_t value_bytes;
    bool secret;
};

struct decoded {
    struct field fields[FIELDS];
    unsigned count;
};

struct writer {
    struct bound bytes;
    struct buf_pool *pool;
    struct h2_encoder encoder;
};

static void writer_begin(struct writer *writer)
{
    bound_init(&writer->bytes, "bytes", NULL, 1 << 24);
    writer->pool = buf_pool_create(&writer->bytes);
    writer->encoder = (struct h2_encoder){.pool = writer->pool};
}

static void writer_end(struct writer *writer)
{
    buf_give(writer->pool, &writer->encoder.buf);
    buf_pool_free(writer->pool);
}

/* Each value is compared while the decoder has it. */
static void expect_decoded(const struct writer *writer, const struct decoded *wanted)
{
    nghttp2_hd_inflater *inflater;
    const struct buf *buf = writer->encoder.buf;
    const uint8_t *at = (const uint8_t *)buf->bytes + buf->begin;
    size_t left = buf_length(buf);
    assert_int_equal(nghttp2_hd_inflate_new(&inflater), 0);
    for (unsigned i = 0;;) {
        nghttp2_nv nv;
        int flags = 0;
        ssize_t taken = nghttp2_hd_inflate_hd2(inflater, &nv, &flags, at, left, 1);
        assert_true(taken >= 0);
        at += taken;
        left -= (size_t)taken;
        if (flags & NGHTTP2_HD_INFLATE_EMIT) {
            const struct field *field = &wanted->fields[i++];
            assert_true(i <= wanted->count);
            assert_int_equal(nv.namelen, field->name_bytes);
            assert_memory_equal(nv.name, field->name, nv.namelen);
            assert_int_equal(nv.valuelen, field->value_bytes);
            assert_memory_equal(nv.value, field->value, nv.valuelen);
            assert_int_equal((nv.flags & NGHTTP2_NV_FLAG_NO_INDEX) != 0, field->secret);
        }
        if (flags & NGHTTP2_HD_INFLATE_FINAL) {
            assert_int_equal(i, wanted->count);
            break;
        }
    }
    assert_int_equal(left, 0);
    assert_int_equal(nghttp2_hd_inflate_get_num_table_entries(inflater), 61);
    nghttp2_hd_inflate_del(inflater);
}

static void want(struct decoded *decoded, const char *name, const char *value, size_t value_bytes,
                 bool secret)
{
    struct field *field = &decoded->fields[decoded->count++];
    assert_true(decoded->count <= FIELDS);
    *field = (struct field){.value = value, .value_bytes = value_bytes, .secret = secret};
    field->name_bytes = strlen(name);
    assert_true(field->name_bytes < sizeof field->name);
    for (size_t i = 0; i <= field->name_bytes; i++) {
        field->name[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] + 32 : name[i]);
    }
}

static void every_known_name_is_read_as_itself(void **state)
{
    (void)state;
    for (unsigned id = 1; id < FIELD_ID_COUNT; id++) {
        struct writer writer;
        struct decoded wanted = {.count = 0};
        char name[FIELD_TEXT_BYTES];
        size_t bytes = strcspn(field_texts[id], ":");
        memcpy(name, field_texts[id], bytes);
        name[bytes] = '\0';
        writer_begin(&writer);
        h2_encode_field(&writer.encoder, id, "no", bytes, "some value", 10);
        want(&wanted, name, "some value", 10,
             id == FIELD_AUTHORIZATION || id == FIELD_PROXY_AUTHORIZATION || id == FIELD_COOKIE);
        expect_decoded(&writer, &wanted);
        writer_end(&writer);
    }
}

static void pseudo_header_fields_have_their_numbers(void **state)
{
    struct writer writer;
    struct decoded wanted = {.count = 0};
    (void)state;
    writer_begin(&writer);
    h2_encode_known(&writer.encoder, H2_STATIC_METHOD);
    h2_encode_known(&writer.encoder, H2_STATIC_METHOD + 1);
    h2_encode_known(&writer.encoder, H2_STATIC_PATH);
    h2_encode_known(&writer.encoder, H2_STATIC_HTTP);
    h2_encode_known(&writer.encoder, H2_STATIC_HTTPS);
    h2_encode_named(&writer.encoder, H2_STATIC_AUTHORITY, "a.example", 9);
    want(&wanted, ":method", "GET", 3, false);
    want(&wanted, ":method", "POST", 4, false);
    want(&wanted, ":path", "/", 1, false);
    want(&wanted, ":scheme", "http", 4, false);
    want(&wanted, ":scheme", "https", 5, false);
    want(&wanted, ":authority", "a.example", 9, false);
    expect_decoded(&writer, &wanted);
    writer_end(&writer);
}

static void every_status_is_read_as_itself(void **state)
{
    (void)state;
    for (unsigned status = 100; status < 600; status++) {
        struct writer writer;
        struct decoded wanted = {.count = 0};
        char digits[16];
        snprintf(digits, sizeof digits, "%u", status);
        writer_begin(&writer);
        h2_encode_status(&writer.encoder, status);
        want(&wanted, ":status", digits, 3, false);
        expect_decoded(&writer, &wanted);
        writer_end(&writer);
    }
}

/* Lengths on both sides of where a number takes another byte (RFC 7541 5.1), also where the buffer has to grow. */
static void lengths_of_any_number_of_bytes_are_read(void **state)
{
    static const size_t lengths[] = {0, 1, 126, 127, 128, 254, 255, 256, 900, 2999};
    struct writer writer;
    struct decoded wanted = {.count = 0};
    (void)state;
    writer_begin(&writer);
    for (unsigned i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        h2_encode_field(&writer.encoder, FIELD_OTHER, "X-Some_Name", 11, long_text, lengths[i]);
        h2_encode_field(&writer.encoder, FIELD_COOKIE, "no", 6, long_text, lengths[i]);
        want(&wanted, "x-some_name", long_text, lengths[i], false);
        want(&wanted, "cookie", long_text, lengths[i], lengths[i] < 20);
    }
    expect_decoded(&writer, &wanted);
    writer_end(&writer);
}

static void any_names_and_values_are_read_as_they_were_meant(void **state)
{
    static char values[64 * 1024];
    struct rng rng;
    (void)state;
    rng_init(&rng, unit_seed());
    for (size_t i = 0; i < sizeof values; i++) {
        values[i] = (char)rng_next(&rng);
    }
    for (unsigned round = 0; round < 300; round++) {
        struct writer writer;
        struct decoded wanted = {.count = 0};
        writer_begin(&writer);
        unsigned count = 1 + (unsigned)rng_below(&rng, FIELDS);
        for (unsigned i = 0; i < count; i++) {
            char name[64];
            size_t bytes = 1 + rng_next(&rng) % 40, value_bytes = rng_next(&rng) % TEXT_BYTES;
            const char *value = values + rng_next(&rng) % (sizeof values - TEXT_BYTES);
            for (size_t at = 0; at < bytes; at++) {
                name[at] = "!#$%&'*+-.^_`|~09azAZ"[rng_next(&rng) % 21];
            }
            name[bytes] = '\0';
            h2_encode_field(&writer.encoder, FIELD_OTHER, name, bytes, value, value_bytes);
            want(&wanted, name, value, value_bytes, false);
        }
        assert_false(writer.encoder.failed);
        expect_decoded(&writer, &wanted);
        writer_end(&writer);
    }
}

static void without_memory_the_encoder_fails_and_goes_on(void **state)
{
    struct writer writer;
    (void)state;
    writer_begin(&writer);
    h2_encode_status(&writer.encoder, 200);
    static const char huge[BUF_MAX_BYTES + 1];
    h2_encode_field(&writer.encoder, FIELD_OTHER, "x", 1, huge, sizeof huge);
    h2_encode_field(&writer.encoder, FIELD_OTHER, "x", 1, "a", 1);
    assert_true(writer.encoder.failed);
    assert_int_equal(buf_length(writer.encoder.buf), 1);
    writer_end(&writer);
}

/* ---- in frames ---- */

#define LARGE_BYTES 40000

/* RFC 9113 6.10: more than one frame, and nothing of another stream in between. */
static void a_large_head_goes_on_in_continuation(void **state)
{
    static char text[LARGE_BYTES + 100];
    (void)state;
    rig_begin(&rig, &(struct h2_limits){.streams_count = 100,
                                        .window_bytes = 65535,
                                        .head_bytes = 64 * 1024,
                                        .fields_count = 100,
                                        .memory_bytes = 1024 * 1024});
    rig_pump(&rig);
    ignore_told(&rig.client);
    int length = snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: a\r\nX-Large: ");
    memset(text + length, 'x', LARGE_BYTES);
    memcpy(text + length + LARGE_BYTES, "\r\n\r\n", sizeof "\r\n\r\n");
    rig.step = 1000;
    assert_non_null(rig_open(&rig, text, true));
    assert_non_null(rig_open(&rig, GET, true));
    rig_pump(&rig);
    assert_int_equal(rig.server.streams_count, 2);
    assert_non_null(strstr(rig.server.told, "x-large: xxx"));
    assert_non_null(strstr(rig.server.told, "1 request GET /a?b none last\n" GET_TOLD));
    rig_end(&rig);
}

/* Of a stream that is reset before its head is sent nothing is sent, and the next block is still read. */
static void a_head_that_is_not_sent_leaves_no_trace(void **state)
{
    (void)state;
    begin();
    struct h2_stream *stream = rig_open(&rig, GET, true);
    h2_stream_reset(stream, H2_CANCEL);
    assert_null(stream->heads);
    assert_non_null(rig_open(&rig, POST, true));
    rig_pump(&rig);
    assert_told(&rig.server, "0 request POST /up none last\n  [host: example.org]\n");
    rig_answer(served(0), "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", false);
    rig_answer(served(0), OK, false);
    h2_stream_reset(served(0), H2_INTERNAL_ERROR);
    rig_pump(&rig);
    assert_told(&rig.client, "1 closed INTERNAL_ERROR remote\n");
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_known_name_is_read_as_itself),
        cmocka_unit_test(pseudo_header_fields_have_their_numbers),
        cmocka_unit_test(every_status_is_read_as_itself),
        cmocka_unit_test(lengths_of_any_number_of_bytes_are_read),
        cmocka_unit_test(any_names_and_values_are_read_as_they_were_meant),
        cmocka_unit_test(without_memory_the_encoder_fails_and_goes_on),
        cmocka_unit_test(a_large_head_goes_on_in_continuation),
        cmocka_unit_test(a_head_that_is_not_sent_leaves_no_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
