/* HTTP/2: what a client may make its server do is bounded, and who goes beyond it is told ENHANCE_YOUR_CALM. */
#include "tests/unit/h2_rig.h"

#include "proxy/http2/h2_state.h"

static struct rig rig;

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define POST "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

static void begin(void)
{
    rig_begin(&rig, &rig_limits);
    rig_pump(&rig);
    rig.client.silent = rig.server.silent = true;
}

static void forget(struct rig_side *side)
{
    side->told_bytes = 0;
    side->told[0] = '\0';
}

/* A frame from the client that its own session would not send. */
static void feed_frame(unsigned type, unsigned flags, uint32_t id, const char *payload,
                       size_t bytes)
{
    char frame[9 + 256] = {(char)(bytes >> 16), (char)(bytes >> 8), (char)bytes,
                           (char)type,          (char)flags,        (char)(id >> 24),
                           (char)(id >> 16),    (char)(id >> 8),    (char)id};
    assert_true(bytes <= 256);
    memcpy(frame + 9, payload, bytes);
    rig_feed(&rig, &rig.server, frame, 9 + bytes);
}

/* What the server has to send, to nobody. */
static void drain(void)
{
    static char space[H2_PULL_BYTES];
    while (h2_session_has_output(rig.server.session)) {
        (void)h2_session_pull(rig.server.session, space, sizeof space);
    }
    forget(&rig.server);
    forget(&rig.client);
}

static void assert_calmed(enum h2_abuse_kind kind)
{
    const struct h2_counts *counts = h2_session_counts(rig.server.session);
    assert_true(h2_session_is_over(rig.server.session));
    assert_string_equal(h2_session_why(rig.server.session), h2_abuse_name(kind));
    assert_int_equal(counts->calmed, kind);
    /* GOAWAY is sent, though the session takes nothing any more */
    char space[H2_PULL_BYTES];
    size_t length = h2_session_pull(rig.server.session, space, sizeof space);
    assert_true(length >= 17);
    const unsigned char goaway[] = {7, 0, 0, 0, 0, 0};
    assert_non_null(memmem(space, length, goaway, sizeof goaway));
    assert_false(h2_session_has_output(rig.server.session));
}

/* Sends the frame until the connection is over: that is when the budget is spent, and no later. */
static void flood(unsigned type, unsigned flags, uint32_t id, const char *payload, size_t bytes,
                  enum h2_abuse_kind kind)
{
    uint32_t before = h2_session_counts(rig.server.session)->charged[kind];
    unsigned count = 0;
    while (!rig.server.over && count < 100000) {
        feed_frame(type, flags, id, payload, bytes);
        drain();
        count++;
    }
    assert_int_equal(count, h2_abuse_burst(kind) - before + 1);
    assert_int_equal(h2_session_counts(rig.server.session)->calmed, kind);
    rig_end(&rig);
}

static void floods_of_frames_end_the_connection(void **state)
{
    (void)state;
    begin();
    flood(NGHTTP2_SETTINGS, 0, 0, "", 0, H2_ABUSE_SETTINGS);
    begin();
    flood(NGHTTP2_PING, 0, 0, "12345678", 8, H2_ABUSE_PINGS);
    begin();
    flood(NGHTTP2_PRIORITY, 0, 3, "\0\0\0\1\x10", 5, H2_ABUSE_PRIORITIES);
    begin();
    flood(NGHTTP2_PRIORITY_UPDATE, 0, 0, "\0\0\0\1u=1", 7, H2_ABUSE_PRIORITIES);
    begin();
    flood(0xbb, 0, 0, "", 0, H2_ABUSE_UNKNOWN);
    begin();
    flood(0x0a, 0xff, 1, "skipped", 7, H2_ABUSE_UNKNOWN);
    begin();
    flood(NGHTTP2_WINDOW_UPDATE, 0, 0, "\0\0\0\1", 4, H2_ABUSE_WINDOW_UPDATES);
    begin();
    rig_open(&rig, POST, false);
    rig_pump(&rig);
    flood(NGHTTP2_GOAWAY, 0, 0, "\0\0\0\0\0\0\0\0", 8, H2_ABUSE_GOAWAYS);
    begin();
    rig_open(&rig, POST, false);
    rig_pump(&rig);
    flood(NGHTTP2_DATA, 0, 1, "", 0, H2_ABUSE_EMPTY_DATA);
}

static void a_budget_comes_back_with_time(void **state)
{
    (void)state;
    begin();
    for (unsigned i = 0; i < 200000; i++) {
        rig.now_ms += 5; /* 200 a second */
        feed_frame(NGHTTP2_PING, 0, 0, "12345678", 8);
        drain();
    }
    assert_false(rig.server.over);
    rig_end(&rig);
}

/* Opens a stream and resets it at once, as in CVE-2023-44487. */
static void rapid_reset(bool served)
{
    struct h2_stream *stream = rig_open(&rig, GET, true);
    assert_non_null(stream);
    rig_move(&rig, &rig.client, &rig.server);
    if (served) {
        rig_answer(&rig.server.streams[rig.server.streams_count - 1].stream,
                   "HTTP/1.1 204 No Content\r\n\r\n", true);
    } else {
        h2_stream_reset(stream, H2_CANCEL);
    }
    rig_pump(&rig);
    forget(&rig.client);
    forget(&rig.server);
    rig.client.streams_count = rig.server.streams_count = 0;
}

static void rapid_reset_ends_the_connection(void **state)
{
    (void)state;
    begin();
    unsigned count = 0;
    while (!rig.server.over && count < 1000) {
        rapid_reset(false);
        count++;
    }
    assert_int_equal(count, h2_abuse_burst(H2_ABUSE_RESETS) + 1);
    assert_int_equal(h2_session_counts(rig.server.session)->calmed, H2_ABUSE_RESETS);
    rig_end(&rig);
}

static void a_client_that_is_served_may_reset_as_often(void **state)
{
    (void)state;
    begin();
    for (unsigned i = 0; i < 5000; i++) {
        rapid_reset(false);
        rapid_reset(true);
    }
    assert_false(rig.server.over);
    rig_end(&rig);
}

/* As the libraries of gRPC do: the windows of stream and connection are opened for each of many short messages in a frame, and each
   frame is taken as an occasion to measure the bandwidth. */
static void a_client_that_acknowledges_each_message_is_served(void **state)
{
    static const char payload[1000];
    (void)state;
    begin();
    rig_open(&rig, POST, false);
    rig_pump(&rig);
    struct h2_stream *stream = &rig.server.streams[0].stream;
    rig_answer(stream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", false);
    for (unsigned i = 0; i < 1500 && !rig.server.over; i++) {
        assert_int_equal(rig_give(stream, payload, sizeof payload, false), SINK_OPEN);
        drain();
        for (unsigned message = 0; message < sizeof payload / 10; message++) {
            feed_frame(NGHTTP2_WINDOW_UPDATE, 0, 0, "\0\0\0\x0a", 4);
            feed_frame(NGHTTP2_WINDOW_UPDATE, 0, 1, "\0\0\0\x0a", 4);
        }
        feed_frame(NGHTTP2_PING, 0, 0, "12345678", 8);
        drain();
    }
    assert_false(rig.server.over);
    rig_end(&rig);
}

/* A request that is reset because of what its client does next, as in CVE-2025-8671. */
static void make_you_reset(const char *frame, size_t bytes)
{
    begin();
    unsigned count = 0;
    while (!h2_session_is_over(rig.server.session) && count < 1000) {
        struct h2_stream *stream = rig_open(&rig, POST, false);
        if (stream == NULL) {
            break;
        }
        rig_move(&rig, &rig.client, &rig.server);
        char copy[64];
        memcpy(copy, frame, bytes);
        copy[7] = (char)(stream->id >> 8);
        copy[8] = (char)stream->id;
        rig_feed(&rig, &rig.server, copy, bytes);
        rig_pump(&rig);
        forget(&rig.client);
        forget(&rig.server);
        rig.client.streams_count = rig.server.streams_count = 0;
        count++;
    }
    assert_true(h2_session_is_over(rig.server.session));
    assert_true(count <= h2_abuse_burst(H2_ABUSE_RESETS) + 1);
    rig_end(&rig);
}

static void streams_that_a_client_makes_the_server_reset_end_the_connection(void **state)
{
    (void)state;
    /* the stream's window beyond 2^31-1 (RFC 9113 6.9.1), an increment of zero (6.9) */
    make_you_reset("\0\0\4\x8\0\0\0\0\1\x7f\xff\xff\xff", 13);
    make_you_reset("\0\0\4\x8\0\0\0\0\1\0\0\0\0", 13);
    /* PRIORITY that depends on itself (5.3.1), or has a wrong length (6.3) */
    make_you_reset("\0\0\4\2\0\0\0\0\1\0\0\0\1", 13);
    /* pseudo-header fields in trailers (8.1), trailers that end nothing (8.1) */
    make_you_reset("\0\0\1\1\5\0\0\0\1\x82", 10);
    make_you_reset("\0\0\5\1\4\0\0\0\1\0\1x\1y", 14);
}

static void frames_of_a_stream_that_its_client_has_ended_end_the_connection(void **state)
{
    (void)state;
    begin();
    rig_open(&rig, GET, true);
    rig_pump(&rig);
    feed_frame(NGHTTP2_DATA, 0, 1, "x", 1); /* RFC 9113 5.1, half-closed (remote) */
    drain();
    assert_true(h2_session_is_over(rig.server.session));
    rig_end(&rig);
}

/* One connection has sent many streams at once: they are taken turn by turn, so that others have theirs between them. */
static void many_frames_at_once_are_more_than_one_turn(void **state)
{
    static const char ask_and_reset[] = "\0\0\6\1\5\0\0\0\0\x82\x84\x87\x41\1a"
                                        "\0\0\4\3\0\0\0\0\0\0\0\0\x8";
    enum { BYTES = sizeof ask_and_reset - 1, COUNT = 100 };
    char frames[BYTES * COUNT];
    unsigned turns = 0;
    (void)state;
    begin();
    for (unsigned i = 0; i < COUNT; i++) {
        memcpy(frames + (size_t)i * BYTES, ask_and_reset, BYTES);
        frames[i * BYTES + 8] = frames[i * BYTES + 15 + 8] = (char)(2 * i + 1);
    }
    for (size_t at = 0, taken; at < sizeof frames; at += taken, turns++) {
        taken = h2_session_take_turn(rig.server.session, frames + at, sizeof frames - at, 0);
        assert_in_range(taken, 1, 10 * BYTES);
        forget(&rig.server);
        rig.server.streams_count = 0;
    }
    assert_true(turns >= 10);
    assert_false(h2_session_is_over(rig.server.session));
    assert_true(h2_session_is_suspect(rig.server.session, 0));
    assert_false(h2_session_is_suspect(rig.server.session, 5000));
    rig_end(&rig);
}

/* Who has sent a flood at once may wait for its turns as long as there are others: it is ended all the same. */
static void a_flood_that_waits_for_its_turns_ends_the_connection(void **state)
{
    static const char ask_and_reset[] = "\0\0\6\1\5\0\0\0\0\x82\x84\x87\x41\1a"
                                        "\0\0\4\3\0\0\0\0\0\0\0\0\x8";
    enum { BYTES = sizeof ask_and_reset - 1, COUNT = 300 };
    char frames[BYTES * COUNT];
    uint64_t now_ms = 1000;
    (void)state;
    begin();
    for (unsigned i = 0; i < COUNT; i++) {
        unsigned id = 2 * i + 1;
        memcpy(frames + (size_t)i * BYTES, ask_and_reset, BYTES);
        frames[i * BYTES + 7] = frames[i * BYTES + 15 + 7] = (char)(id >> 8);
        frames[i * BYTES + 8] = frames[i * BYTES + 15 + 8] = (char)id;
    }
    for (size_t at = 0; at < sizeof frames && !h2_session_is_over(rig.server.session);
         now_ms += 1000) {
        at += h2_session_take_turn(rig.server.session, frames + at, sizeof frames - at, now_ms);
        (void)h2_session_is_suspect(rig.server.session, now_ms);
        forget(&rig.server);
        rig.server.streams_count = 0;
    }
    assert_string_equal(h2_session_why(rig.server.session), "reset_flood");
    rig_end(&rig);
}

/* Each stands for 3,800 bytes, and is well within the limits. */
static void heads_that_are_small_as_hpack_are_more_than_one_turn(void **state)
{
    static const char first[] = "\0\0\0\1\5\0\0\0\1\x82\x84\x87\x41\1a\x40\1x\x7f\xd9\x1c";
    static const char next[] = "\0\0\5\1\5\0\0\0\0\x82\x84\x87\xbf\xbe"
                               "\0\0\4\3\0\0\0\0\0\0\0\0\x8";
    enum { FIRST = sizeof first - 1, VALUE = 3800, BYTES = sizeof next - 1, COUNT = 60 };
    static char frames[FIRST + VALUE + BYTES * COUNT];
    size_t block = FIRST - 9 + VALUE, turns = 0;
    (void)state;
    memset(frames, 'v', FIRST + VALUE);
    memcpy(frames, first, FIRST);
    frames[1] = (char)(block >> 8);
    frames[2] = (char)block;
    for (unsigned i = 0; i < COUNT; i++) {
        char *at = frames + FIRST + VALUE + (size_t)i * BYTES;
        memcpy(at, next, BYTES);
        at[8] = at[14 + 8] = (char)(2 * i + 3);
    }
    begin();
    for (size_t at = 0; at < sizeof frames; turns++) {
        at += h2_session_take_turn(rig.server.session, frames + at, sizeof frames - at, 0);
        forget(&rig.server);
        rig.server.streams_count = 1; /* the first goes on */
    }
    assert_false(h2_session_is_over(rig.server.session));
    assert_in_range(turns, 10, 20); /* as short ones they would be 8 turns */
    rig_end(&rig);
}

/* Returns how many turns it takes to take 300 frames of so much payload each. */
static unsigned turns_of_payload(size_t payload_bytes)
{
    static const char ask[] = "\0\0\6\1\4\0\0\0\1\x83\x84\x87\x41\1a";
    enum { COUNT = 300, MOST = 9 + 300 };
    static char frames[sizeof ask - 1 + COUNT * MOST];
    size_t length = sizeof ask - 1;
    unsigned turns = 0;
    begin();
    memcpy(frames, ask, length);
    for (unsigned i = 0; i < COUNT; i++, length += 9 + payload_bytes) {
        memset(frames + length, 0, 9 + payload_bytes);
        frames[length + 1] = (char)(payload_bytes >> 8);
        frames[length + 2] = (char)payload_bytes;
        frames[length + 8] = 1;
    }
    for (size_t at = 0; at < length; turns++) {
        at += h2_session_take_turn(rig.server.session, frames + at, length - at, 0);
    }
    assert_false(h2_session_is_over(rig.server.session));
    assert_int_equal(rig.server.payload_bytes, COUNT * payload_bytes);
    rig_end(&rig);
    return turns;
}

/* What payload costs is in its bytes, unless each has a frame to itself. */
static void payload_in_small_frames_is_more_than_one_turn(void **state)
{
    (void)state;
    assert_int_equal(turns_of_payload(300), 1);
    assert_int_equal(turns_of_payload(1), 3);
}

static void heads_beyond_the_limits_without_end_end_the_connection(void **state)
{
    (void)state;
    struct h2_limits limits = rig_limits;
    limits.head_bytes = 64;
    rig_begin(&rig, &limits);
    rig_pump(&rig);
    rig.client.silent = rig.server.silent = true;
    unsigned count = 0;
    while (!rig.server.over && count < 1000) {
        struct h2_stream *stream = rig_open(&rig,
                                            "GET / HTTP/1.1\r\nHost: a\r\nX-Long: 0123456789"
                                            "0123456789012345678901234567890123456789\r\n\r\n",
                                            true);
        if (stream == NULL) {
            break;
        }
        rig_move(&rig, &rig.client, &rig.server);
        if (!rig.server.over) {
            rig_answer(&rig.server.streams[0].stream,
                       "HTTP/1.1 431 Too Large\r\nContent-Length: 0\r\n\r\n", true);
        }
        rig_pump(&rig);
        forget(&rig.client);
        forget(&rig.server);
        rig.client.streams_count = rig.server.streams_count = 0;
        count++;
    }
    assert_true(h2_session_is_over(rig.server.session));
    assert_true(count > h2_abuse_burst(H2_ABUSE_RESETS));
    rig_end(&rig);
}

static void malformed_requests_without_end_end_the_connection(void **state)
{
    (void)state;
    begin();
    unsigned count = 0;
    for (uint32_t id = 1; !rig.server.over && count < 1000; id += 2, count++) {
        /* no :path */
        feed_frame(NGHTTP2_HEADERS, 5, id, "\x82\x87\x41\1a", 5);
        drain();
    }
    assert_int_equal(rig.server.streams_count, 0);
    assert_int_equal(count, h2_abuse_burst(H2_ABUSE_RESETS) + 1);
    rig_end(&rig);
}

/* Nobody is told of them, but each is unpacked. */
static void heads_that_are_passed_over_end_the_connection(void **state)
{
    static const char request[] = "\x82\x84\x87\x41\1a", malformed[] = "\x82\x87\x41\1a";
    (void)state;
    begin(); /* of a stream that was reset */
    feed_frame(NGHTTP2_HEADERS, 4, 1, malformed, sizeof malformed - 1);
    drain();
    flood(NGHTTP2_HEADERS, 5, 1, request, sizeof request - 1, H2_ABUSE_RESETS);
    begin(); /* of a stream that is about to be, before RST_STREAM is sent */
    feed_frame(NGHTTP2_HEADERS, 4, 1, malformed, sizeof malformed - 1);
    for (unsigned i = 0; i < h2_abuse_burst(H2_ABUSE_RESETS); i++) {
        feed_frame(NGHTTP2_HEADERS, 5, 1, request, sizeof request - 1);
    }
    assert_calmed(H2_ABUSE_RESETS);
    rig_end(&rig);
    begin(); /* of streams beyond GOAWAY */
    rig_open(&rig, POST, false);
    rig_pump(&rig);
    h2_session_go_away(rig.server.session, H2_NO_ERROR);
    drain();
    unsigned count = 0;
    for (uint32_t id = 3; !rig.server.over && count < 1000; id += 2, count++) {
        feed_frame(NGHTTP2_HEADERS, 5, id, request, sizeof request - 1);
        drain();
    }
    assert_int_equal(count, h2_abuse_burst(H2_ABUSE_RESETS) + 1);
    rig_end(&rig);
}

/* ---- field blocks ---- */

/* GET / with an entry of 4,000 bytes in the dynamic table, and references to it: a byte each. */
static void hpack_bomb(size_t references)
{
    static char frame[9 + 16384];
    static const char begin_block[] = "\x82\x84\x87\x41\1a";
    size_t at = 9;
    memcpy(frame + at, begin_block, 6);
    at += 6;
    memcpy(frame + at, "\x40\1x\x7f\xa1\x1e",
           6); /* a literal of 4,000 bytes (RFC 7541 5.1, 6.2.1) */
    at += 6;
    memset(frame + at, 'v', 4000);
    at += 4000;
    memset(frame + at, 0xbe, references); /* index 62 */
    at += references;
    size_t bytes = at - 9;
    const char head[9] = {(char)(bytes >> 16), (char)(bytes >> 8), (char)bytes, 1, 5, 0, 0, 0, 1};
    memcpy(frame, head, 9);
    rig_feed(&rig, &rig.server, frame, at);
}

static void an_hpack_bomb_is_refused_or_ends_the_connection(void **state)
{
    (void)state;
    begin();
    hpack_bomb(3); /* 16,000 bytes: just what is allowed */
    assert_int_equal(rig.server.streams_count, 1);
    assert_null(strstr(rig.server.told, "fault"));
    rig_end(&rig);
    begin();
    hpack_bomb(5); /* answered with 431 */
    assert_non_null(strstr(rig.server.told, "fault head_too_large"));
    assert_true(bound_used(&rig.bytes) < 64 * 1024);
    rig_end(&rig);
    begin();
    hpack_bomb(12000); /* 48 MB of 16 KiB */
    assert_calmed(H2_ABUSE_HEADS);
    assert_int_equal(rig.server.streams_count, 0);
    assert_int_equal(bound_used(&rig.bytes), 0);
    rig_end(&rig);
}

static void continuations_without_end_end_the_connection(void **state)
{
    (void)state;
    begin();
    feed_frame(NGHTTP2_HEADERS, 1, 1, "\x82", 1);
    unsigned count = 0;
    while (!rig.server.over && count < 1000) {
        feed_frame(NGHTTP2_CONTINUATION, 0, 1, "", 0);
        count++;
    }
    assert_true(count <= 9);
    assert_calmed(H2_ABUSE_HEADS);
    rig_end(&rig);
}

static void fields_without_number_end_the_connection(void **state)
{
    (void)state;
    begin();
    static char frame[9 + 16000];
    memcpy(frame, "\0\x3e\x80\1\5\0\0\0\1", 9);
    memset(frame + 9, 0x82, 4); /* :method four times is malformed; regular fields are not */
    memcpy(frame + 9, "\x82\x84\x87\x41\1a", 6);
    memset(frame + 15, 0x90, 16000 - 6); /* accept-encoding: gzip, deflate */
    rig_feed(&rig, &rig.server, frame, sizeof frame);
    assert_calmed(H2_ABUSE_HEADS);
    rig_end(&rig);
}

/* ---- who does not read ---- */

static void answers_that_nobody_reads_end_the_connection(void **state)
{
    (void)state;
    begin();
    unsigned count = 0;
    while (!rig.server.over && count < 1000) {
        feed_frame(NGHTTP2_PING, 0, 0, "12345678", 8);
        count++;
    }
    assert_true(count <= 202);
    assert_calmed(H2_ABUSE_UNREAD);
    rig_end(&rig);
}

static void streams_beyond_their_number_end_the_connection(void **state)
{
    (void)state;
    begin();
    for (unsigned i = 0; i < 100; i++) {
        assert_non_null(rig_open(&rig, POST, false));
    }
    rig_pump(&rig);
    assert_int_equal(rig.server.streams_count, 100);
    feed_frame(NGHTTP2_HEADERS, 5, 201, "\x82\x84\x87\x41\1a", 6);
    drain();
    assert_int_equal(rig.server.streams_count, 100);
    assert_true(h2_session_is_over(rig.server.session));
    rig_end(&rig);
}

/* ---- budgets ---- */

static void spend(struct h2_abuse *abuse, uint32_t count, uint64_t now_ms)
{
    for (uint32_t i = 0; i < count; i++) {
        assert_true(h2_abuse_charge(abuse, H2_ABUSE_EMPTY_DATA, now_ms));
    }
    assert_false(h2_abuse_charge(abuse, H2_ABUSE_EMPTY_DATA, now_ms));
}

static void budgets_are_token_buckets(void **state)
{
    struct h2_abuse abuse = {0};
    uint32_t burst = h2_abuse_burst(H2_ABUSE_EMPTY_DATA);
    (void)state;
    spend(&abuse, burst, 1000);
    /* ten come back in a second */
    spend(&abuse, 0, 1099);
    spend(&abuse, 1, 1100);
    h2_abuse_credit(&abuse, H2_ABUSE_EMPTY_DATA, 2);
    spend(&abuse, 2, 1100);
    /* one budget does not touch another */
    assert_true(h2_abuse_charge(&abuse, H2_ABUSE_PINGS, 1100));
    /* no more than full after a long rest */
    spend(&abuse, burst, 100000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(floods_of_frames_end_the_connection),
        cmocka_unit_test(a_budget_comes_back_with_time),
        cmocka_unit_test(rapid_reset_ends_the_connection),
        cmocka_unit_test(many_frames_at_once_are_more_than_one_turn),
        cmocka_unit_test(a_flood_that_waits_for_its_turns_ends_the_connection),
        cmocka_unit_test(heads_that_are_small_as_hpack_are_more_than_one_turn),
        cmocka_unit_test(payload_in_small_frames_is_more_than_one_turn),
        cmocka_unit_test(a_client_that_is_served_may_reset_as_often),
        cmocka_unit_test(a_client_that_acknowledges_each_message_is_served),
        cmocka_unit_test(streams_that_a_client_makes_the_server_reset_end_the_connection),
        cmocka_unit_test(frames_of_a_stream_that_its_client_has_ended_end_the_connection),
        cmocka_unit_test(heads_beyond_the_limits_without_end_end_the_connection),
        cmocka_unit_test(malformed_requests_without_end_end_the_connection),
        cmocka_unit_test(heads_that_are_passed_over_end_the_connection),
        cmocka_unit_test(an_hpack_bomb_is_refused_or_ends_the_connection),
        cmocka_unit_test(continuations_without_end_end_the_connection),
        cmocka_unit_test(fields_without_number_end_the_connection),
        cmocka_unit_test(answers_that_nobody_reads_end_the_connection),
        cmocka_unit_test(streams_beyond_their_number_end_the_connection),
        cmocka_unit_test(budgets_are_token_buckets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
