/* Flow control, priorities and memory of HTTP/2 sessions. */
#include "tests/unit/h2_talk.h"

#include "proxy/http2/h2_state.h"
#include "steady/sanitize.h"

/* ---- flow control ---- */

static char block[256 * 1024];

/* Gives as much as there is room for until `bytes` are given; returns what was not. */
static size_t give_what_fits(struct h2_stream *stream, size_t bytes)
{
    while (bytes > 0) {
        size_t room = h2_stream_room(stream);
        if (room == 0) {
            break;
        }
        size_t n = bytes < room ? bytes : room;
        bytes -= n;
        assert_int_not_equal(rig_give(stream, block, n, false), SINK_BROKEN);
    }
    return bytes;
}

static void who_does_not_take_is_sent_one_window_and_no_more(void **state)
{
    (void)state;
    begin();
    rig.server.keeps = true;
    struct h2_stream *stream = rig_open(&rig, POST, false);
    struct h2_stream *other = rig_open(&rig, POST, false);
    rig_pump(&rig);
    ignore_told(&rig.server);
    size_t left = give_what_fits(stream, sizeof block);
    rig_pump(&rig);
    left = give_what_fits(stream, left);
    rig_pump(&rig);
    assert_int_equal(rig.server.payload_bytes, 65535);
    assert_int_equal(served(0)->held_bytes, 65535);
    assert_int_equal(h2_stream_room(stream), 0);
    /* the connection's window was given back: another stream is not blocked behind it */
    assert_int_equal(give_what_fits(other, 30000), 0);
    rig_pump(&rig);
    assert_int_equal(rig.server.payload_bytes, 65535 + 30000);
    /* what is taken opens the window again, and the sender is told */
    ignore_told(&rig.client);
    h2_stream_taken(served(0), 65535);
    rig_pump(&rig);
    assert_told(&rig.client, "0 drained\n");
    give_what_fits(stream, left);
    rig_pump(&rig);
    give_what_fits(stream, left);
    rig_pump(&rig);
    assert_int_equal(rig.server.payload_bytes, 65535 + 30000 + 65535);
    rig_end(&rig);
}

static void a_large_payload_passes_with_bounded_memory(void **state)
{
    (void)state;
    begin();
    rig.client.silent = true;
    struct h2_stream *stream = rig_open(&rig, POST, false);
    size_t left = 64 * 1024 * 1024;
    for (unsigned round = 0; left > 0; round++) {
        assert_true(round < 10000);
        left = give_what_fits(stream, left);
        assert_true(bound_used(&rig.bytes) <= 256 * 1024);
        rig_move(&rig, &rig.client, &rig.server);
        rig_move(&rig, &rig.server, &rig.client);
    }
    rig_give(stream, NULL, 0, true);
    rig_pump(&rig);
    assert_int_equal(rig.server.payload_bytes, 64 * 1024 * 1024);
    assert_int_equal(bound_used(&rig.bytes), 0);
    rig_end(&rig);
}

static void set_window(uint32_t window)
{
    const nghttp2_settings_entry entry = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window};
    assert_int_equal(nghttp2_submit_settings(rig.client.session->frames, 0, &entry, 1), 0);
    rig_move(&rig, &rig.client, &rig.server);
}

static void windows_of_zero_one_and_the_most_are_kept_to(void **state)
{
    (void)state;
    begin();
    rig.client.keeps = true;
    rig_open(&rig, GET, true);
    rig_pump(&rig);
    set_window(0);
    rig_answer(served(0), OK, false);
    assert_int_equal(h2_stream_room(served(0)), 0);
    ignore_told(&rig.server);
    set_window(1);
    assert_told(&rig.server, "0 drained\n");
    assert_int_equal(h2_stream_room(served(0)), 1);
    assert_int_equal(rig_give(served(0), "ab", 2, false),
                     SINK_FULL); /* more than there is room for is kept */
    rig_pump(&rig);
    assert_int_equal(rig.client.payload_bytes, 1);
    set_window(0); /* RFC 9113 6.9.2: below zero now */
    rig_pump(&rig);
    assert_int_equal(rig.client.payload_bytes, 1);
    set_window(INT32_MAX);
    /* the window allows more than may be kept */
    assert_int_equal(h2_stream_room(served(0)), 62 * 1024 - 1);
    rig_pump(&rig);
    assert_int_equal(rig.client.payload_bytes, 2);
    /* RFC 9113 6.5.2 */
    rig_feed(&rig, &rig.server, "\0\0\6\4\0\0\0\0\0\0\4\x80\0\0\0", 15);
    rig_move(&rig, &rig.server, &rig.client);
    assert_true(h2_session_is_over(rig.server.session));
    rig_end(&rig);
}

static void a_stalled_reader_of_many_streams_holds_its_bound_and_blocks_nobody(void **state)
{
    (void)state;
    begin();
    rig.server.silent = rig.client.silent = true;
    rig.client.keeps = true;
    for (unsigned i = 0; i < 100; i++) {
        rig_open(&rig, GET, true);
    }
    rig_pump(&rig);
    for (unsigned i = 0; i < 100; i++) {
        rig_answer(served(i), OK, false);
    }
    for (unsigned round = 0; round < 500; round++) {
        for (unsigned i = 0; i < 100; i++) {
            give_what_fits(served(i), sizeof block);
        }
        /* what all streams hold fits into the connection's window, but for the rounding of each one's buffer: nothing is read that
           would have to be kept */
        assert_true(bound_used(&rig.bytes) <= 2560 * 1024);
        rig_move(&rig, &rig.server, &rig.client);
        rig_move(&rig, &rig.client, &rig.server);
    }
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(rig.client.streams[i].stream.held_bytes, 65535);
    }
    rig_end(&rig);
}

static void the_servers_limit_of_streams_is_told_with_every_change(void **state)
{
    static const char three[] = "\0\0\6\4\0\0\0\0\0\0\3\0\0\0\3";
    (void)state;
    begin();
    rig_feed(&rig, &rig.client, three, 15);
    assert_told(&rig.client, "allowed 3\n");
    rig_end(&rig);
}

/* ---- priorities (RFC 9218) ---- */

#define GET_WITH(priority) "GET / HTTP/1.1\r\nHost: a\r\nPriority: " priority "\r\n\r\n"

/* Gives the last stream that was opened 40,000 bytes of response. */
static void answer_at_length(unsigned number)
{
    rig_answer(served(number), OK, false);
    assert_int_not_equal(rig_give(served(number), block, 40000, true), SINK_BROKEN);
}

static void the_urgent_stream_is_written_first(void **state)
{
    (void)state;
    begin();
    rig.client.silent = rig.client.keeps = true;
    rig_open(&rig, GET_WITH("u=5"), true);
    rig_open(&rig, GET, true);
    rig_open(&rig, GET_WITH("u=1"), true);
    rig_pump(&rig);
    for (unsigned i = 0; i < 3; i++) {
        answer_at_length(i);
    }
    rig_move(&rig, &rig.server, &rig.client); /* 32 KiB */
    assert_int_equal(rig.client.streams[0].stream.received_bytes, 0);
    assert_int_equal(rig.client.streams[1].stream.received_bytes, 0);
    assert_true(rig.client.streams[2].stream.received_bytes > 30000);
    /* RFC 9218 7.1: what it says later counts from then on */
    rig_feed(&rig, &rig.server, "\0\0\7\x10\0\0\0\0\0\0\0\0\1u=0", 16);
    rig_move(&rig, &rig.server, &rig.client);
    assert_true(rig.client.streams[0].stream.received_bytes > 30000);
    rig_end(&rig);
}

/* How many bytes of two responses come with the first 32 KiB. */
static void begin_two(const char *head)
{
    begin();
    rig.client.silent = rig.client.keeps = true;
    rig_open(&rig, head, true);
    rig_open(&rig, head, true);
    rig_pump(&rig);
    answer_at_length(0);
    answer_at_length(1);
    rig_move(&rig, &rig.server, &rig.client);
}

static void streams_without_a_priority_take_turns(void **state)
{
    (void)state;
    begin_two(GET);
    assert_true(rig.client.streams[0].stream.received_bytes > 10000);
    assert_true(rig.client.streams[1].stream.received_bytes > 10000);
    rig_end(&rig);
}

/* RFC 9218 10: a client that uses priorities gets what is not incremental one after the other. */
static void streams_with_a_priority_come_one_after_the_other(void **state)
{
    (void)state;
    begin_two(GET_WITH("u=3"));
    assert_true(rig.client.streams[0].stream.received_bytes > 30000);
    assert_int_equal(rig.client.streams[1].stream.received_bytes, 0);
    rig_end(&rig);
}

/* ---- one pull for many frames ---- */

static void wants_pull_is_called_once_until_it_is_pulled(void **state)
{
    (void)state;
    begin();
    unsigned before = rig.client.pulls_wanted;
    rig_open(&rig, GET, true);
    rig_open(&rig, GET, true);
    h2_session_ping(rig.client.session);
    assert_int_equal(rig.client.pulls_wanted, before + 1);
    rig_pump(&rig);
    assert_false(h2_session_has_output(rig.client.session));
    rig_open(&rig, GET, true);
    assert_int_equal(rig.client.pulls_wanted, before + 2);
    rig_end(&rig);
}

/* What waited is gone before it was pulled, so its owner has found nothing to pull. */
static void what_comes_behind_a_reset_response_is_pulled(void **state)
{
    static const char reset[] = {0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, H2_CANCEL};
    (void)state;
    begin();
    assert_non_null(rig_open(&rig, GET, true));
    assert_non_null(rig_open(&rig, GET, true));
    rig_pump(&rig);
    rig_answer(served(0), OK, false);
    rig_pump(&rig);
    rig.server.pulls_wanted = 0;
    assert_int_equal(rig_give(served(0), "hello", 5, false), SINK_OPEN);
    assert_int_equal(rig.server.pulls_wanted, 1);
    assert_int_equal(h2_session_take(rig.server.session, reset, sizeof reset, rig.now_ms), H2_OK);
    assert_false(h2_session_has_output(rig.server.session));
    rig_answer(served(1), OK, false);
    assert_int_equal(rig.server.pulls_wanted, 2);
    rig_end(&rig);
}

/* `fields_count`: of 4,800 bytes each; 24 are as large as limits.head allows at the most. */
static const char *large_head(const char *first_lines, unsigned fields_count)
{
    static char text[120 * 1024];
    int length = snprintf(text, sizeof text, "%s", first_lines);
    for (unsigned i = 0; i < fields_count; i++) {
        length += snprintf(text + length, sizeof text - (size_t)length, "X%u: ", i);
        memset(text + length, '~', 4800); /* HPACK has a long code for it */
        length += 4800;
        length += snprintf(text + length, sizeof text - (size_t)length, "\r\n");
    }
    snprintf(text + length, sizeof text - (size_t)length, "\r\n");
    return text;
}

static void a_head_larger_than_the_space_is_pulled_in_pieces(void **state)
{
    (void)state;
    struct h2_limits limits = rig_limits;
    limits.head_bytes = 128 * 1024;
    rig_begin(&rig, &limits);
    rig_pump(&rig);
    assert_non_null(rig_open(&rig, large_head("GET / HTTP/1.1\r\nHost: a\r\n", 24), true));
    rig_pump(&rig);
    assert_int_equal(rig.server.streams_count, 1);
    assert_non_null(strstr(rig.server.told, "x23: ~~~"));
    rig_answer(&rig.server.streams[0].stream, large_head("HTTP/1.1 200 OK\r\n", 24), true);
    rig_pump(&rig);
    assert_non_null(strstr(rig.client.told, "x23: ~~~"));
    assert_false(h2_session_is_over(rig.server.session));
    assert_false(h2_session_is_over(rig.client.session));
    rig_end(&rig);
}

/* ---- memory ---- */

static void nghttp2_gets_no_more_than_its_limit(void **state)
{
    (void)state;
    rig_begin(&rig, &rig_limits);
    rig_pump(&rig);
    struct h2_memory *memory = &rig.server.session->memory;
    memory->limit_bytes = memory->bytes + 8 * 1024;
    for (unsigned i = 0; i < 100 && !rig.server.over; i++) {
        assert_non_null(rig_open(&rig, GET, false));
        rig_pump(&rig);
    }
    assert_true(h2_session_is_over(rig.server.session));
    assert_true(memory->peak_bytes <= memory->limit_bytes);
    rig_end(&rig);
}

/* As many streams as there may be, with heads as large as they may be, all in one pass. */
static void heads_that_wait_do_not_end_the_connection(void **state)
{
    (void)state;
    struct h2_limits limits = rig_limits;
    limits.head_bytes = 10 * 1024;
    limits.memory_bytes = h2_memory_for(&limits);
    rig_begin(&rig, &limits);
    rig_pump(&rig);
    for (unsigned i = 0; i < limits.streams_count; i++) {
        assert_non_null(rig_open(&rig, large_head("GET / HTTP/1.1\r\nHost: a\r\n", 2), true));
    }
    rig_pump(&rig);
    assert_int_equal(rig.server.streams_count, limits.streams_count);
    for (unsigned i = 0; i < limits.streams_count; i++) {
        rig_answer(&rig.server.streams[i].stream, large_head("HTTP/1.1 200 OK\r\n", 2), true);
    }
    rig_pump(&rig);
    assert_false(h2_session_is_over(rig.server.session));
    assert_false(h2_session_is_over(rig.client.session));
    assert_non_null(strstr(rig.client.told, "99 response 200"));
    rig_end(&rig);
}

/* So that a request finds another connection before this one ends with all that it carries. */
static void no_stream_is_opened_where_memory_is_short(void **state)
{
    unsigned opened_count = 0;
    (void)state;
    rig_begin(&rig, &rig_limits);
    rig_pump(&rig);
    rig.client.session->memory.limit_bytes = rig.client.session->memory.bytes + 16 * 1024;
    while (opened_count < 100 && rig_open(&rig, GET, true) != NULL) {
        opened_count++;
    }
    assert_in_range(opened_count, 10, 90);
    rig_pump(&rig);
    assert_int_equal(rig.server.streams_count, opened_count);
    assert_false(h2_session_is_over(rig.client.session));
    rig_end(&rig);
}

static void a_session_that_lacks_a_buffer_for_a_head_still_takes_streams(void **state)
{
    (void)state;
    rig_begin(&rig, &rig_limits);
    rig_pump(&rig);
    bound_set_limit(&rig.bytes, 0);
    assert_null(rig_open(&rig, GET, true));
    assert_true(h2_session_takes_streams(rig.client.session));
    bound_set_limit(&rig.bytes, 1024 * 1024);
    assert_non_null(rig_open(&rig, GET, true));
    h2_session_go_away(rig.server.session, H2_NO_ERROR);
    rig_pump(&rig);
    assert_false(h2_session_takes_streams(rig.client.session));
    rig_end(&rig);
}

static void an_idle_session_gives_back_what_it_took(void **state)
{
    (void)state;
    begin();
    uint64_t before = 0;
    for (unsigned i = 0; i < 40; i++) {
        rig.client.streams_count = rig.server.streams_count = 0;
        rig_open(&rig, GET, true);
        rig_pump(&rig);
        rig_answer(served(0), "HTTP/1.1 204 No Content\r\n\r\n", true);
        rig_pump(&rig);
        before = i == 20 ? rig.server.session->memory.bytes : before;
    }
    assert_int_equal(rig.server.session->memory.bytes, before);
    assert_int_equal(bound_used(&rig.bytes), 0);
    print_message("# an idle server session: %zu bytes and %llu of nghttp2\n",
                  sizeof(struct h2_session), (unsigned long long)before);
    h2_session_rest(rig.server.session);
    assert_int_equal(rig.server.session->memory.kept_bytes, 0);
    assert_true(SANITIZE_ADDRESS || rig.server.session->memory.bytes < before);
    rig_end(&rig);
}

static uint64_t resident_bytes(void)
{
    FILE *file = fopen("/proc/self/smaps_rollup", "r");
    char line[256];
    unsigned long long kib = 0;
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL && sscanf(line, "Anonymous: %llu", &kib) != 1) {
    }
    fclose(file);
    return kib * 1024;
}

RIG_UNUSED static void serve_once(void)
{
    rig.client.streams_count = rig.server.streams_count = 0;
    rig_open(&rig, GET, true);
    rig_pump(&rig);
    rig_answer(served(0), "HTTP/1.1 204 No Content\r\n\r\n", true);
    rig_pump(&rig);
    ignore_told(&rig.client);
    ignore_told(&rig.server);
}

/* RFC 9113 has nothing to say of it; an idle client may cost 8 KiB, with its socket's and its own state. */
static void a_session_at_rest_costs_little_memory(void **state)
{
    enum { COUNT = 500 };
    static struct h2_session *sessions[COUNT];
    (void)state;
#if !SANITIZE_ADDRESS && !SANITIZE_THREAD
    uint64_t before = 0;
    begin();
    struct h2_session *own = rig.server.session;
    const struct h2_env env = {rig.bufs, rig.frame_space};
    for (unsigned i = 0; i < COUNT; i++) {
        before = i == COUNT / 5 ? resident_bytes() : before;
        sessions[i] =
            h2_session_create(H2_ROLE_SERVER, &rig_limits, &env, &rig_events, &rig.server);
        rig.server.session = sessions[i];
        h2_session_free(&rig.client.session);
        rig.client.session =
            h2_session_create(H2_ROLE_CLIENT, &rig_limits, &(struct h2_env){rig.bufs, NULL},
                              &rig_events, &rig.client);
        serve_once();
        h2_session_rest(sessions[i]);
    }
    uint64_t each = (resident_bytes() - before) / (COUNT - COUNT / 5);
    print_message("# a session at rest: %llu bytes\n", (unsigned long long)each);
    assert_true(each < 6 * 1024 + 512);
    /* it serves on as before */
    rig.server.session = sessions[COUNT - 1];
    serve_once();
    assert_int_equal(rig.server.streams_count, 1);
    rig.server.session = own;
    for (unsigned i = 0; i < COUNT; i++) {
        h2_session_free(&sessions[i]);
    }
    rig_end(&rig);
#else
    (void)sessions, (void)resident_bytes;
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_does_not_take_is_sent_one_window_and_no_more),
        cmocka_unit_test(a_large_payload_passes_with_bounded_memory),
        cmocka_unit_test(windows_of_zero_one_and_the_most_are_kept_to),
        cmocka_unit_test(a_stalled_reader_of_many_streams_holds_its_bound_and_blocks_nobody),
        cmocka_unit_test(the_servers_limit_of_streams_is_told_with_every_change),
        cmocka_unit_test(the_urgent_stream_is_written_first),
        cmocka_unit_test(streams_without_a_priority_take_turns),
        cmocka_unit_test(streams_with_a_priority_come_one_after_the_other),
        cmocka_unit_test(wants_pull_is_called_once_until_it_is_pulled),
        cmocka_unit_test(what_comes_behind_a_reset_response_is_pulled),
        cmocka_unit_test(a_head_larger_than_the_space_is_pulled_in_pieces),
        cmocka_unit_test(nghttp2_gets_no_more_than_its_limit),
        cmocka_unit_test(heads_that_wait_do_not_end_the_connection),
        cmocka_unit_test(no_stream_is_opened_where_memory_is_short),
        cmocka_unit_test(a_session_that_lacks_a_buffer_for_a_head_still_takes_streams),
        cmocka_unit_test(an_idle_session_gives_back_what_it_took),
        cmocka_unit_test(a_session_at_rest_costs_little_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
