/* Bodies come out as they went in, however they arrive and however little room there is. */
#include "tests/unit/unit.h"

#include "proxy/http1/h1_body.h"
#include "proxy/http1/h1_write.h"
#include "steady/rng.h"

#define ROOM 65536

static const struct h1_limits limits = {1024, 8};

struct decoded {
    struct h1_body body;
    char payload[ROOM];
    size_t payload_bytes;
    size_t consumed;
};

/* Takes what it can of the bytes, with room for so many pieces at once. */
static enum h1_result take(struct decoded *decoded, const char *bytes, size_t length, size_t room)
{
    size_t at = 0;
    for (;;) {
        struct iovec pieces[8];
        size_t count = 99;
        size_t consumed = 99;
        enum h1_result result =
            h1_body_take(&decoded->body, bytes + at, length - at, pieces, room, &count, &consumed);
        if (result != H1_OK) {
            assert_int_equal(count, 99); /* untouched */
            assert_int_equal(consumed, 99);
            return result;
        }
        assert_true(count <= room);
        for (size_t i = 0; i < count; i++) {
            memcpy(decoded->payload + decoded->payload_bytes, pieces[i].iov_base,
                   pieces[i].iov_len);
            decoded->payload_bytes += pieces[i].iov_len;
        }
        at += consumed;
        decoded->consumed += consumed;
        if (consumed == 0) {
            return H1_OK;
        }
    }
}

static void begin(struct decoded *decoded, enum http_framing framing, uint64_t length)
{
    h1_body_init(&decoded->body, framing, length);
    decoded->payload_bytes = 0;
    decoded->consumed = 0;
}

/* Takes a text as chunks. */
static enum h1_result take_chunks(struct decoded *decoded, const char *text)
{
    begin(decoded, FRAMING_CHUNKED, 0);
    return take(decoded, text, strlen(text), 4);
}

static enum h1_result take_trailers(struct h1_body *body, const char *text,
                                    struct http_head *ret_head, struct http_field fields[8],
                                    size_t *ret_consumed)
{
    *ret_head = (struct http_head){.fields = fields, .field_limit = 8};
    return h1_body_trailers(body, text, strlen(text), &limits, ret_head, ret_consumed);
}

static void a_message_without_a_body_is_done_before_a_byte(void **state)
{
    (void)state;
    struct decoded decoded;
    begin(&decoded, FRAMING_NONE, 7);
    assert_true(h1_body_done(&decoded.body));
    assert_int_equal(take(&decoded, "GET", 3, 1), H1_OK);
    assert_int_equal(decoded.consumed, 0);
    begin(&decoded, FRAMING_LENGTH, 0);
    assert_true(h1_body_done(&decoded.body));
}

static void a_length_ends_a_body_exactly(void **state)
{
    (void)state;
    struct decoded decoded;
    begin(&decoded, FRAMING_LENGTH, 5);
    assert_int_equal(take(&decoded, "abc", 3, 1), H1_OK);
    assert_false(h1_body_done(&decoded.body));
    assert_int_equal(decoded.body.left_bytes, 2);
    assert_int_equal(take(&decoded, "deGET", 5, 1), H1_OK);
    assert_true(h1_body_done(&decoded.body));
    assert_int_equal(decoded.consumed, 5);
    assert_int_equal(decoded.body.total_bytes, 5);
    assert_memory_equal(decoded.payload, "abcde", 5);
}

static void a_body_until_the_close_is_never_done(void **state)
{
    (void)state;
    struct decoded decoded;
    begin(&decoded, FRAMING_CLOSE, 0);
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(take(&decoded, "abc", 3, 1), H1_OK);
    }
    assert_false(h1_body_done(&decoded.body));
    assert_int_equal(decoded.body.total_bytes, 300);
}

static void without_room_no_payload_is_taken(void **state)
{
    (void)state;
    struct decoded decoded;
    begin(&decoded, FRAMING_CHUNKED, 0);
    assert_int_equal(take(&decoded, "3\r\nabc\r\n0\r\n", 11, 0), H1_OK);
    assert_int_equal(decoded.consumed, 3);
    assert_int_equal(decoded.body.left_bytes, 3);
}

static void a_chunk_size_is_known_before_its_payload(void **state)
{
    (void)state;
    struct decoded decoded;
    assert_int_equal(take_chunks(&decoded, "7fffffffffffffff\r\n"), H1_OK);
    assert_int_equal(decoded.body.state, H1_BODY_CHUNK_PAYLOAD);
    assert_int_equal(decoded.body.left_bytes, INT64_MAX);
}

static void chunks_arrive_as_they_were_sent(void **state)
{
    (void)state;
    struct rng rng;
    struct decoded decoded;
    static char sent[ROOM];
    static char wire[2 * ROOM];
    rng_init(&rng, unit_seed());
    for (unsigned round = 0; round < 500; round++) {
        size_t sent_bytes = 0;
        size_t tls_bio_bytes = 0;
        for (uint64_t chunks = rng_below(&rng, 20); chunks > 0; chunks--) {
            size_t chunk_bytes = 1 + rng_below(&rng, 600);
            tls_bio_bytes += h1_chunk_head(wire + tls_bio_bytes, chunk_bytes);
            if (rng_below(&rng, 4) == 0) {
                tls_bio_bytes -= 2;
                tls_bio_bytes += (size_t)sprintf(wire + tls_bio_bytes, "%*s;a=\"b\"\r\n",
                                                 (int)rng_below(&rng, 3), "");
            }
            for (size_t i = 0; i < chunk_bytes; i++) {
                wire[tls_bio_bytes++] = sent[sent_bytes++] = (char)rng_below(&rng, 256);
            }
            tls_bio_bytes += (size_t)sprintf(wire + tls_bio_bytes, "\r\n");
        }
        tls_bio_bytes += (size_t)sprintf(wire + tls_bio_bytes, "0\r\n");
        begin(&decoded, FRAMING_CHUNKED, 0);
        for (size_t there = 0; there < tls_bio_bytes;) {
            size_t piece = 1 + rng_below(&rng, 1 + (round % 300));
            if (piece > tls_bio_bytes - there) {
                piece = tls_bio_bytes - there;
            }
            assert_int_equal(take(&decoded, wire + there, piece, 1 + rng_below(&rng, 4)), H1_OK);
            there += piece;
            assert_int_equal(decoded.consumed, there);
        }
        assert_int_equal(decoded.body.state, H1_BODY_TRAILERS);
        assert_int_equal(decoded.payload_bytes, sent_bytes);
        assert_memory_equal(decoded.payload, sent, sent_bytes);
    }
}

static void a_chunk_line_of_4096_bytes_is_the_longest(void **state)
{
    (void)state;
    for (int extension_bytes = 4091; extension_bytes <= 4093; extension_bytes++) {
        char text[5000];
        struct decoded decoded;
        memcpy(text, "1;", 2);
        memset(text + 2, 'e', (size_t)extension_bytes);
        memcpy(text + 2 + extension_bytes, "\r\nx\r\n1\r\ny\r\n", 12);
        enum h1_result result = take_chunks(&decoded, text);
        assert_int_equal(result, extension_bytes <= 4092 ? H1_OK : H1_BAD_CHUNK);
    }
}

static void the_body_ends_behind_its_trailers(void **state)
{
    (void)state;
    struct decoded decoded;
    struct http_head head;
    struct http_field fields[8];
    size_t consumed = 0;
    assert_int_equal(take_chunks(&decoded, "0\r\n\r\nGET"), H1_OK);
    assert_int_equal(decoded.consumed, 3);
    assert_int_equal(take_trailers(&decoded.body, "\r\nGET", &head, fields, &consumed), H1_OK);
    assert_int_equal(consumed, 2);
    assert_int_equal(head.field_count, 0);
    assert_true(h1_body_done(&decoded.body));
}

static void trailers_that_may_not_be_forwarded_are_dropped(void **state)
{
    (void)state;
    struct decoded decoded;
    struct http_head head;
    struct http_field fields[8];
    size_t consumed = 0;
    assert_int_equal(take_chunks(&decoded, "0\r\n"), H1_OK);
    assert_int_equal(
        take_trailers(&decoded.body, "X-A: b\r\nHost: h\r\n\r\n", &head, fields, &consumed), H1_OK);
    assert_int_equal(head.field_count, 2);
    assert_int_equal(fields[0].drop, 0);
    assert_int_equal(fields[1].drop, 1);
    assert_true(head_has(&head, FIELD_HOST));
}

static void trailers_wait_until_they_are_whole(void **state)
{
    (void)state;
    static const char text[] = "X-A: b\r\nX-B: c\r\n\r\nGET";
    struct decoded decoded;
    struct http_head head;
    struct http_field fields[8];
    size_t consumed = 99;
    assert_int_equal(take_chunks(&decoded, "0\r\n"), H1_OK);
    for (size_t there = 0; there < 18; there++) {
        char part[32] = "";
        memcpy(part, text, there);
        assert_int_equal(take_trailers(&decoded.body, part, &head, fields, &consumed),
                         H1_INCOMPLETE);
        assert_int_equal(consumed, 99);
        assert_int_equal(decoded.body.state, H1_BODY_TRAILERS);
    }
    assert_int_equal(take_trailers(&decoded.body, text, &head, fields, &consumed), H1_OK);
    assert_int_equal(consumed, 18);
}

static void trailers_have_the_limits_of_a_head(void **state)
{
    (void)state;
    struct decoded decoded;
    struct http_head head;
    struct http_field fields[8];
    char text[2048];
    size_t consumed;
    assert_int_equal(take_chunks(&decoded, "0\r\n"), H1_OK);
    memset(text, 'a', sizeof text);
    text[sizeof text - 1] = '\0';
    assert_int_equal(take_trailers(&decoded.body, text, &head, fields, &consumed),
                     H1_HEAD_TOO_LARGE);
    static const char nine_fields[] = "A: y\r\nB: y\r\nC: y\r\nD: y\r\nE: y\r\n"
                                      "F: y\r\nG: y\r\nH: y\r\nI: y\r\n\r\n";
    assert_int_equal(take_chunks(&decoded, "0\r\n"), H1_OK);
    assert_int_equal(take_trailers(&decoded.body, nine_fields, &head, fields, &consumed),
                     H1_TOO_MANY_FIELDS);
}

/* Whoever takes some of the body, wherever that stops, sees whether what follows makes it whole, and how little may. */
static void expect_end(enum http_framing framing, uint64_t length, const char *wire)
{
    size_t wire_bytes = strlen(wire);
    for (size_t given = 0; given < wire_bytes; given++) {
        struct decoded decoded;
        begin(&decoded, framing, length);
        assert_int_equal(take(&decoded, wire, given, 4), H1_OK);
        size_t at = decoded.consumed;
        assert_true(h1_body_least_bytes(&decoded.body) <= wire_bytes - at);
        for (size_t end = at; end < wire_bytes; end++) {
            assert_false(h1_body_ends_within(&decoded.body, wire + at, end - at));
        }
        assert_true(h1_body_ends_within(&decoded.body, wire + at, wire_bytes - at));
    }
}

static void where_a_body_ends_is_seen_ahead(void **state)
{
    (void)state;
    expect_end(FRAMING_LENGTH, 5, "abcde");
    expect_end(FRAMING_CHUNKED, 0, "0\r\n\r\n");
    expect_end(FRAMING_CHUNKED, 0, "000\r\n\r\n");
    expect_end(FRAMING_CHUNKED, 0, "0;a=\"\\\"\" ; b\r\n\r\n");
    expect_end(FRAMING_CHUNKED, 0, "3\r\nabc\r\na;d\r\n0\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n");
    expect_end(FRAMING_CHUNKED, 0, "1\r\na\r\n0\r\nA: b\r\nC: d\r\n\r\n");
}

static void the_least_that_may_follow_is_known(void **state)
{
    (void)state;
    struct decoded decoded;
    begin(&decoded, FRAMING_LENGTH, 5);
    assert_int_equal(h1_body_least_bytes(&decoded.body), 5);
    assert_int_equal(take_chunks(&decoded, "a\r\nb"), H1_OK);
    assert_int_equal(h1_body_least_bytes(&decoded.body), 9 + strlen("\r\n0\r\n\r\n"));
    begin(&decoded, FRAMING_NONE, 0);
    assert_int_equal(h1_body_least_bytes(&decoded.body), 0);
}

static void malformed_chunks_are_left_to_who_takes_them(void **state)
{
    (void)state;
    struct decoded decoded;
    begin(&decoded, FRAMING_CHUNKED, 0);
    assert_true(h1_body_ends_within(&decoded.body, "x", 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_without_a_body_is_done_before_a_byte),
        cmocka_unit_test(a_length_ends_a_body_exactly),
        cmocka_unit_test(a_body_until_the_close_is_never_done),
        cmocka_unit_test(without_room_no_payload_is_taken),
        cmocka_unit_test(a_chunk_size_is_known_before_its_payload),
        cmocka_unit_test(chunks_arrive_as_they_were_sent),
        cmocka_unit_test(a_chunk_line_of_4096_bytes_is_the_longest),
        cmocka_unit_test(the_body_ends_behind_its_trailers),
        cmocka_unit_test(trailers_that_may_not_be_forwarded_are_dropped),
        cmocka_unit_test(trailers_wait_until_they_are_whole),
        cmocka_unit_test(trailers_have_the_limits_of_a_head),
        cmocka_unit_test(where_a_body_ends_is_seen_ahead),
        cmocka_unit_test(the_least_that_may_follow_is_known),
        cmocka_unit_test(malformed_chunks_are_left_to_who_takes_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
