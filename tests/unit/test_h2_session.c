/* HTTP/2 sessions: a client's and a server's understand each other, and each survives what the other may do. */
#include "tests/unit/h2_talk.h"

#include "proxy/http2/h2_state.h"
#include "steady/rng.h"

/* ---- messages ---- */

static void exchange_in_steps(size_t step)
{
    begin();
    rig.step = step;
    assert_non_null(rig_open(&rig, GET, true));
    rig_pump(&rig);
    assert_told(&rig.server, "0 request GET /a?b none last\n" GET_TOLD);
    rig_answer(served(0),
               "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\n", false);
    assert_int_equal(rig_give(served(0), "hello", 5, true), SINK_OPEN);
    rig_pump(&rig);
    assert_told(&rig.server, "0 closed NO_ERROR\n");
    assert_told(&rig.client, "0 response 200 length 5\n"
                             "  content-type: text/plain\n"
                             "  [content-length: 5]\n"
                             "0 payload 5 hello\n"
                             "0 closed NO_ERROR\n");
    rig_end(&rig);
}

static void messages_arrive_as_sent_in_steps_of_any_size(void **state)
{
    (void)state;
    for (size_t step = 0; step < 40; step++) {
        exchange_in_steps(step);
    }
}

static void payload_and_trailers_go_both_ways(void **state)
{
    struct rig_head trailers;
    (void)state;
    begin();
    rig_parse(&trailers, "HTTP/1.1 200 OK\r\nGrpc-Status: 0\r\nContent-Type: no\r\n\r\n", true);
    for (unsigned i = 0; i < trailers.head.field_count; i++) { /* as the trailers of HTTP/1 */
        trailers.fields[i].drop = trailers.fields[i].id != FIELD_OTHER;
    }
    const struct iovec piece = {(void *)(uintptr_t) "abc", 3};
    const struct payload payload = {&piece, 1, true, &trailers.head};
    const struct payload no_bytes = {NULL, 0, true, &trailers.head};
    struct h2_stream *stream = rig_open(&rig, POST, false);
    rig_pump(&rig);
    assert_told(&rig.server, "0 request POST /up chunked\n  [host: example.org]\n");
    assert_int_equal(h2_stream_give(stream, &payload), SINK_OPEN);
    rig_pump(&rig);
    assert_told(&rig.server, "0 payload 3 abc\n  grpc-status: 0\n");
    rig_answer(served(0), OK, false);
    rig_pump(&rig);
    assert_told(&rig.client, "0 response 200 chunked\n");
    assert_int_equal(h2_stream_give(served(0), &no_bytes), SINK_OPEN);
    rig_pump(&rig);
    assert_told(&rig.client, "0 payload 0 \n  grpc-status: 0\n0 closed NO_ERROR\n");
    assert_told(&rig.server, "0 closed NO_ERROR\n");
    rig_end(&rig);
}

static void much_payload_is_sent_while_it_is_given(void **state)
{
    static char space[RIG_MUCH_BYTES], payload[H2_PULL_BYTES];
    (void)state;
    begin();
    rig.server.much = space;
    rig_open(&rig, GET, true);
    rig_pump(&rig);
    ignore_told(&rig.server);
    rig_answer(served(0), OK, false);
    assert_int_equal(rig_give(served(0), payload, 24 * 1024, false), SINK_OPEN);
    assert_int_equal(rig.server.much_bytes, 0);
    assert_int_equal(rig_give(served(0), payload, 24 * 1024, false), SINK_OPEN);
    assert_in_range(rig.server.much_bytes, 48 * 1024, 49 * 1024);
    rig_feed(&rig, &rig.client, space, rig.server.much_bytes);
    assert_int_equal(rig_give(served(0), payload, 15 * 1024, true), SINK_OPEN);
    rig_pump(&rig);
    assert_int_equal(rig.client.payload_bytes, 63 * 1024);
    assert_told(&rig.server, "0 closed NO_ERROR\n");
    rig_end(&rig);
}

/* What is not sent at once is copied: its owner uses the bytes for something else then. */
static void payload_of_several_pieces_is_sent_from_them_and_the_rest_is_kept(void **state)
{
    static char space[RIG_MUCH_BYTES], bytes[90 * 1024];
    struct rng rng;
    (void)state;
    rng_init(&rng, unit_seed());
    begin();
    rig.server.much = space;
    rig_open(&rig, GET, true);
    rig_pump(&rig);
    ignore_told(&rig.server);
    rig_answer(served(0), OK, false);
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (char)rng_next(&rng);
    }
    uint32_t hash = rig_hash(0, bytes, sizeof bytes);
    const size_t kept = 20000, second = kept + 1 + rng_next(&rng) % 30000;
    const struct iovec pieces[] = {
        {bytes + kept, second - kept}, {bytes, 0}, {bytes + second, sizeof bytes - second}};
    const struct payload rest = {pieces, 3, true, NULL};
    assert_int_equal(rig_give(served(0), bytes, kept, false), SINK_OPEN);
    memset(bytes, 0, kept);
    assert_int_equal(h2_stream_give(served(0), &rest), SINK_OPEN);
    memset(bytes, 0, sizeof bytes);
    assert_in_range(rig.server.much_bytes, RIG_MUCH_BYTES - 2048, RIG_MUCH_BYTES);
    rig_feed(&rig, &rig.client, space, rig.server.much_bytes);
    rig_pump(&rig);
    assert_int_equal(rig.client.payload_bytes, sizeof bytes);
    assert_int_equal(rig.client.payload_hash, hash);
    assert_told(&rig.server, "0 closed NO_ERROR\n");
    rig_end(&rig);
}

/* A frame each of two streams between others: nothing is told of the wrong one, or twice. */
static void payload_of_a_response_is_told_once_for_frames_that_follow_each_other(void **state)
{
    static char bytes[20000];
    (void)state;
    begin();
    for (unsigned i = 0; i < 2; i++) {
        rig_open(&rig, GET, true);
        rig_pump(&rig);
        rig_answer(served(i), OK, false);
    }
    rig_pump(&rig);
    ignore_told(&rig.client);
    ignore_told(&rig.server);
    assert_int_equal(rig_give(served(0), bytes, sizeof bytes, false), SINK_OPEN);
    rig_move(&rig, &rig.server, &rig.client);
    assert_int_equal(rig.client.payloads_count, 1);
    assert_int_equal(rig.client.payload_bytes, sizeof bytes);
    assert_int_equal(rig_give(served(1), "hello", 5, false), SINK_OPEN);
    assert_int_equal(rig_give(served(0), bytes, 1, true), SINK_OPEN);
    rig_move(&rig, &rig.server, &rig.client);
    assert_int_equal(rig_give(served(1), "", 0, true), SINK_OPEN);
    rig_pump(&rig);
    assert_int_equal(rig.client.payloads_count, 4);
    assert_told(&rig.client, "0 payload 20001 \n0 closed NO_ERROR\n"
                             "1 payload 5 hello\n1 closed NO_ERROR\n");
    rig_end(&rig);
}

/* Its owner hears of the end within the call, and gets no answer that asks for `drained`. */
static void a_stream_may_end_while_its_payload_is_given(void **state)
{
    static char space[RIG_MUCH_BYTES], payload[48 * 1024];
    (void)state;
    begin();
    rig.server.much = space;
    rig_open(&rig, GET, true);
    rig_pump(&rig);
    ignore_told(&rig.server);
    rig_answer(served(0), OK, false);
    assert_int_equal(rig_give(served(0), payload, sizeof payload, true), SINK_OPEN);
    assert_told(&rig.server, "0 closed NO_ERROR\n");
    rig_feed(&rig, &rig.client, space, rig.server.much_bytes);
    rig_pump(&rig);
    assert_int_equal(rig.client.payload_bytes, sizeof payload);
    rig_end(&rig);
}

/* RFC 9113 8.1: an interim response is none. */
static void payload_without_a_head_is_malformed(void **state)
{
    (void)state;
    for (unsigned end = 0; end < 2; end++) { /* a byte, or the end alone */
        static const char interim[] = "\0\0\5\1\4\0\0\0\1\10\003103";
        const char frame[] = {0, 0, (char)!end, 0, (char)end, 0, 0, 0, 1, 'x'};
        begin();
        rig_open(&rig, GET, true);
        rig_pump(&rig);
        ignore_told(&rig.server);
        rig_feed(&rig, &rig.client, interim, sizeof interim - 1);
        rig_feed(&rig, &rig.client, frame, sizeof frame - end);
        rig_pump(&rig);
        assert_told(&rig.client, "0 response 103 none\n0 closed PROTOCOL_ERROR\n");
        rig_end(&rig);
    }
}

static void a_response_that_is_only_a_head_ends_its_stream(void **state)
{
    (void)state;
    begin();
    rig_open(&rig, GET, true);
    rig_pump(&rig);
    ignore_told(&rig.server);
    rig_answer(served(0), "HTTP/1.1 200 OK\r\nGrpc-Status: 5\r\nContent-Length: 0\r\n\r\n", true);
    rig_pump(&rig);
    assert_told(&rig.client, "0 response 200 length last\n  grpc-status: 5\n"
                             "  [content-length: 0]\n0 closed NO_ERROR\n");
    assert_told(&rig.server, "0 closed NO_ERROR\n");
    rig_end(&rig);
}

static void interim_responses_come_before_the_final_one(void **state)
{
    (void)state;
    begin();
    rig_open(&rig,
             "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n",
             false);
    rig_pump(&rig);
    assert_told(&rig.server, "0 request POST / length 3\n  [host: a]\n  [content-length: 3]\n"
                             "  expect: 100-continue\n");
    rig_answer(served(0), "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", false);
    rig_answer(served(0), "HTTP/1.1 100 Continue\r\n\r\n", false);
    rig_pump(&rig);
    rig_answer(served(0), OK, false);
    rig_give(served(0), "x", 1, true);
    rig_pump(&rig);
    assert_told(&rig.client, "0 response 103 none\n  link: </x>\n"
                             "0 response 100 none\n"
                             "0 response 200 chunked\n"
                             "0 payload 1 x\n");
    rig_end(&rig);
}

static void the_answer_to_head_tells_a_length_and_has_no_payload(void **state)
{
    (void)state;
    begin();
    rig_open(&rig, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", true);
    rig_pump(&rig);
    ignore_told(&rig.server);
    struct rig_head parsed;
    const struct h1_limits limits = {1024, 16};
    size_t scanned = 0;
    const char *text = "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n";
    parsed.head = (struct http_head){.fields = parsed.fields, .field_limit = 16};
    assert_int_equal(
        h1_parse_response(text, strlen(text), &limits, METHOD_HEAD, &scanned, &parsed.head), H1_OK);
    assert_true(h2_stream_answer(served(0), &parsed.head, "Sun, 06 Nov 1994 08:49:37 GMT", true));
    rig_pump(&rig);
    assert_told(&rig.client, "0 response 200 none 99 last\n"
                             "  date: Sun, 06 Nov 1994 08:49:37 GMT\n"
                             "  [content-length: 99]\n"
                             "0 closed NO_ERROR\n");
    rig_end(&rig);
}

static void extended_connect_is_the_upgrade_that_asks_for_the_same(void **state)
{
    /* RFC 8441 4 */
    static const nghttp2_nv fields[] = {
        {(uint8_t *)":method", (uint8_t *)"CONNECT", 7, 7, 0},
        {(uint8_t *)":protocol", (uint8_t *)"websocket", 9, 9, 0},
        {(uint8_t *)":scheme", (uint8_t *)"https", 7, 5, 0},
        {(uint8_t *)":path", (uint8_t *)"/chat", 5, 5, 0},
        {(uint8_t *)":authority", (uint8_t *)"a", 10, 1, 0},
        {(uint8_t *)"sec-websocket-version", (uint8_t *)"13", 21, 2, 0},
    };
    (void)state;
    begin();
    assert_int_equal(
        nghttp2_submit_headers(rig.client.session->frames, 0, -1, NULL, fields, 6, NULL), 1);
    rig_pump(&rig);
    assert_told(&rig.server, "0 request GET /chat none extended\n"
                             "  [host: a]\n"
                             "  sec-websocket-version: 13\n"
                             "  [upgrade: websocket]\n");
    rig_end(&rig);
}

/* ---- ends ---- */

static void a_reset_of_the_client_is_told_the_server(void **state)
{
    (void)state;
    begin();
    struct h2_stream *stream = rig_open(&rig, POST, false);
    rig_pump(&rig);
    rig_give(stream, "abc", 3, false);
    h2_stream_reset(stream, H2_CANCEL);
    assert_null(stream->session);
    rig_pump(&rig);
    assert_told(&rig.server, "0 request POST /up chunked\n  [host: example.org]\n"
                             "0 closed CANCEL remote\n");
    assert_told(&rig.client, "");
    assert_int_equal(h2_session_streams_count(rig.server.session), 0);
    rig_end(&rig);
}

static void a_request_reset_before_it_was_sent_is_never_seen(void **state)
{
    (void)state;
    begin();
    struct h2_stream *stream = rig_open(&rig, GET, true);
    h2_stream_reset(stream, H2_CANCEL);
    rig_pump(&rig);
    assert_told(&rig.server, "");
    rig_end(&rig);
}

static void a_reset_of_the_server_is_told_the_client(void **state)
{
    (void)state;
    begin();
    rig_open(&rig, GET, true);
    rig_open(&rig, GET, true);
    rig_pump(&rig);
    h2_stream_reset(served(0), H2_INTERNAL_ERROR);
    h2_stream_reset(served(1), H2_REFUSED_STREAM);
    rig_pump(&rig);
    assert_told(&rig.client,
                "0 closed INTERNAL_ERROR remote\n1 closed REFUSED_STREAM remote unsent\n");
    rig_end(&rig);
}

static void a_request_without_a_place_is_refused(void **state)
{
    (void)state;
    begin();
    rig.server.refuses = true;
    rig_open(&rig, GET, true);
    rig_pump(&rig);
    assert_told(&rig.client, "0 closed REFUSED_STREAM remote unsent\n");
    rig_end(&rig);
}

static void an_early_whole_response_stops_the_upload_behind_itself(void **state)
{
    /* RFC 9113 8.1 */
    (void)state;
    begin();
    struct h2_stream *stream = rig_open(&rig, POST, false);
    rig_pump(&rig);
    ignore_told(&rig.server);
    rig_answer(served(0), "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\n", false);
    rig_give(served(0), "big", 3, true);
    h2_stream_reset(served(0), H2_NO_ERROR);
    assert_non_null(served(0)->session);
    rig_pump(&rig);
    assert_told(&rig.client, "0 response 413 length 3\n  [content-length: 3]\n0 payload 3 big\n"
                             "0 closed NO_ERROR remote\n");
    assert_told(&rig.server, "0 closed NO_ERROR\n");
    assert_null(stream->session);
    rig_end(&rig);
}

static void a_refusal_by_the_last_frame_of_a_stream_is_told(void **state)
{
    /* ":status: 099", which nghttp2 lets pass; with END_STREAM it closes the stream by itself */
    static const char response[] = "\0\0\xd\1\5\0\0\0\1\0\7:status\3"
                                   "099";
    (void)state;
    begin();
    rig_open(&rig, GET, true);
    rig_pump(&rig);
    rig_feed(&rig, &rig.client, response, sizeof response - 1);
    rig_move(&rig, &rig.client, &rig.server);
    assert_told(&rig.client, "0 closed PROTOCOL_ERROR\n");
    rig_end(&rig);
}

static void goaway_comes_twice_and_fails_nothing(void **state)
{
    /* RFC 9113 6.8 */
    (void)state;
    begin();
    rig_open(&rig, GET, true);
    rig_pump(&rig);
    h2_session_warn(rig.server.session);
    rig_open(&rig, GET, true); /* on its way when the warning comes */
    rig_pump(&rig);
    assert_told(&rig.client, "going away NO_ERROR\n");
    assert_int_equal(rig.server.streams_count, 2);
    assert_null(rig_open(&rig, GET, true));
    h2_session_go_away(rig.server.session, H2_NO_ERROR);
    rig_pump(&rig);
    assert_told(&rig.client, "going away NO_ERROR\n");
    ignore_told(&rig.server);
    for (unsigned i = 0; i < 2; i++) {
        rig_answer(served(i), "HTTP/1.1 204 No Content\r\n\r\n", true);
    }
    rig_pump(&rig);
    assert_told(&rig.client, "0 response 204 none last\n0 closed NO_ERROR\n"
                             "1 response 204 none last\n1 closed NO_ERROR\n");
    assert_false(h2_session_is_over(rig.server.session));
    rig_end(&rig);
}

/* A client's GOAWAY names the last stream that its server has opened, which is none. */
static void a_client_that_goes_away_is_served_to_the_end(void **state)
{
    static const char goaway[] = "\0\0\x8\7\0\0\0\0\0\0\0\0\0\0\0\0\0";
    (void)state;
    begin();
    rig_open(&rig, GET, true);
    rig_pump(&rig);
    rig_feed(&rig, &rig.server, goaway, sizeof goaway - 1);
    ignore_told(&rig.server);
    rig_answer(served(0), "HTTP/1.1 204 No Content\r\n\r\n", true);
    rig_pump(&rig);
    assert_told(&rig.server, "0 closed NO_ERROR\n");
    assert_told(&rig.client, "0 response 204 none last\n0 closed NO_ERROR\n");
    rig_end(&rig);
}

static void streams_beyond_goaway_are_surely_unsent(void **state)
{
    (void)state;
    begin();
    rig_open(&rig, GET, true);
    rig_pump(&rig);
    h2_session_go_away(rig.server.session, H2_NO_ERROR);
    rig_open(&rig, GET, true); /* crosses the GOAWAY */
    rig_move(&rig, &rig.client, &rig.server);
    rig_pump(&rig);
    assert_told(&rig.client, "going away NO_ERROR\n1 closed REFUSED_STREAM remote unsent\n");
    assert_int_equal(rig.server.streams_count, 1);
    rig_end(&rig);
}

/* A server warns with the highest stream (RFC 9113 6.8); what was opened before and is still to be written does not go out behind that. */
static void a_request_that_a_warning_overtakes_is_surely_unsent(void **state)
{
    (void)state;
    begin();
    rig_pump(&rig);
    ignore_told(&rig.client);
    h2_session_warn(rig.server.session);
    struct h2_stream *late = rig_open(&rig, GET, true), *larger = rig_open(&rig, POST, false);
    assert_non_null(late);
    assert_non_null(larger);
    rig_move(&rig, &rig.server, &rig.client);
    rig_pump(&rig);
    assert_told(&rig.client, "going away NO_ERROR\n0 closed REFUSED_STREAM unsent\n"
                             "1 closed REFUSED_STREAM unsent\n");
    assert_int_equal(rig.server.streams_count, 0);
    rig_end(&rig);
}

static void a_connection_error_is_told_at_once_or_once_it_is_written(void **state)
{
    static const char settings_on_a_stream[] = "\0\0\0\4\0\0\0\0\1";
    static const char too_large[] = "\0\x40\1\0\0\0\0\0\1";
    (void)state;
    begin();
    rig_feed(&rig, &rig.server, settings_on_a_stream, 9);
    rig_move(&rig, &rig.server, &rig.client);
    assert_true(h2_session_is_over(rig.server.session));
    assert_string_equal(h2_session_why(rig.server.session), "PROTOCOL_ERROR");
    assert_told(&rig.client, "going away PROTOCOL_ERROR\n");
    assert_false(h2_session_has_output(rig.server.session));
    assert_int_equal(h2_session_take(rig.server.session, "", 0, 0), H2_OVER);
    rig_end(&rig);
    begin();
    rig_feed(&rig, &rig.server, too_large, 9);
    rig_move(&rig, &rig.server, &rig.client);
    assert_true(h2_session_is_over(rig.server.session));
    assert_told(&rig.client, "going away FRAME_SIZE_ERROR\n");
    rig_end(&rig);
}

static void feed_priority_update(unsigned on, unsigned of)
{
    const char frame[] = {0, 0, 7, 16, 0, 0, 0, 0, (char)on, 0, 0, 0, (char)of, 'u', '=', '1'};
    rig_feed(&rig, &rig.server, frame, sizeof frame);
}

/* nghttp2 must not be given what comes behind it: some of its releases abort then. */
static void a_faulty_priority_update_ends_the_connection_at_once(void **state)
{
    (void)state;
    begin(); /* of a stream */
    feed_priority_update(1, 1);
    assert_true(h2_session_is_over(rig.server.session));
    rig_move(&rig, &rig.server, &rig.client);
    assert_told(&rig.client, "going away PROTOCOL_ERROR\n");
    rig_end(&rig);
    begin(); /* of a stream that only a server can open */
    feed_priority_update(0, 2);
    assert_true(h2_session_is_over(rig.server.session));
    rig_end(&rig);
    begin(); /* of more streams than there may be */
    for (unsigned i = 0; i < rig_limits.streams_count; i++) {
        feed_priority_update(0, 2 * i + 1);
    }
    assert_false(h2_session_is_over(rig.server.session));
    feed_priority_update(0, 2 * rig_limits.streams_count + 1);
    assert_true(h2_session_is_over(rig.server.session));
    rig_end(&rig);
}

static void what_is_no_preface_ends_the_connection(void **state)
{
    (void)state;
    rig_begin(&rig, &rig_limits);
    rig_feed(&rig, &rig.server, "GET / HTTP/1.1\r\n", 16);
    assert_true(rig.server.over);
    assert_string_equal(h2_session_why(rig.server.session), "bad_preface");
    rig_end(&rig);
}

static void a_ping_is_answered(void **state)
{
    (void)state;
    begin();
    h2_session_ping(rig.client.session);
    rig_pump(&rig);
    assert_told(&rig.client, "pong\n");
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_arrive_as_sent_in_steps_of_any_size),
        cmocka_unit_test(payload_and_trailers_go_both_ways),
        cmocka_unit_test(much_payload_is_sent_while_it_is_given),
        cmocka_unit_test(payload_of_several_pieces_is_sent_from_them_and_the_rest_is_kept),
        cmocka_unit_test(payload_of_a_response_is_told_once_for_frames_that_follow_each_other),
        cmocka_unit_test(a_stream_may_end_while_its_payload_is_given),
        cmocka_unit_test(payload_without_a_head_is_malformed),
        cmocka_unit_test(a_response_that_is_only_a_head_ends_its_stream),
        cmocka_unit_test(interim_responses_come_before_the_final_one),
        cmocka_unit_test(the_answer_to_head_tells_a_length_and_has_no_payload),
        cmocka_unit_test(extended_connect_is_the_upgrade_that_asks_for_the_same),
        cmocka_unit_test(a_reset_of_the_client_is_told_the_server),
        cmocka_unit_test(a_request_reset_before_it_was_sent_is_never_seen),
        cmocka_unit_test(a_reset_of_the_server_is_told_the_client),
        cmocka_unit_test(a_request_without_a_place_is_refused),
        cmocka_unit_test(an_early_whole_response_stops_the_upload_behind_itself),
        cmocka_unit_test(a_refusal_by_the_last_frame_of_a_stream_is_told),
        cmocka_unit_test(goaway_comes_twice_and_fails_nothing),
        cmocka_unit_test(a_client_that_goes_away_is_served_to_the_end),
        cmocka_unit_test(streams_beyond_goaway_are_surely_unsent),
        cmocka_unit_test(a_request_that_a_warning_overtakes_is_surely_unsent),
        cmocka_unit_test(a_connection_error_is_told_at_once_or_once_it_is_written),
        cmocka_unit_test(a_faulty_priority_update_ends_the_connection_at_once),
        cmocka_unit_test(what_is_no_preface_ends_the_connection),
        cmocka_unit_test(a_ping_is_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
