/* Field blocks that have arrived before: they mean what they would if they were unpacked, and cost a turn as much. */
#include "tests/unit/h2_frames.h"

/* ---- what leaves the table as it is ---- */

struct row {
    const char *name;
    const char *packed;
    size_t packed_bytes;
    bool pure;
};
#define ROW(name, packed, pure)               \
    {                                         \
        name, packed, sizeof packed - 1, pure \
    }

static void expect_rows(const struct row *rows, size_t count, uint32_t table_bytes)
{
    struct h2_memory memory;
    struct h2_memo memo;
    h2_memory_init(&memory, 1024 * 1024, NULL);
    for (size_t i = 0; i < count; i++) {
        /* of its own length, so that ASan sees who reads on */
        uint8_t *packed = malloc(rows[i].packed_bytes);
        memcpy(packed, rows[i].packed, rows[i].packed_bytes);
        h2_memo_init(&memo);
        memo.table_bytes = table_bytes;
        if (h2_memo_admit(&memo, &memory, packed, rows[i].packed_bytes) != rows[i].pure) {
            fail_msg("%s", rows[i].name);
        }
        free(packed);
    }
}

static void what_may_change_the_table_is_not_kept(void **state)
{
    (void)state;
    static const struct row rows[] = {
        ROW("of the static table", "\x82\x86\x84", true),
        ROW("of the dynamic table", "\x82\xbe\xff\x80\x01", true),
        ROW("without indexing", "\x04\x02/a", true),
        ROW("without indexing, a new name", "\0\x01x\x01y\x82", true),
        ROW("without indexing, a name by a long number", "\x0f\x20\x01y", true),
        ROW("never indexed", "\x10\x01x\x01y", true),
        ROW("never indexed, a name by its number", "\x17\x01y", true),
        ROW("a value of Huffman code", "\x04\x81\x1f", true),
        ROW("with indexing", "\x44\x02/a", false),
        ROW("with indexing, a new name", "\x82\x40\x01x\x01y", false),
        ROW("another size of the table", "\x20\x82", false),
        ROW("another size of the table where there may be none", "\x82\x20", false),
        ROW("a number that does not end", "\x82\xff", false),
        ROW("a number that goes on too long", "\xff\x80\x80\x80\x80\x80\x01", false),
        ROW("a length that does not end", "\x04\x7f\x80", false),
        ROW("no length", "\x04", false),
        ROW("no value", "\0\x01x", false),
        ROW("a text that does not end", "\x04\x03/a", false),
        ROW("a name that does not end", "\0\x05x\x01y", false),
    };
    expect_rows(rows, sizeof rows / sizeof *rows, 4096);
}

static void what_is_put_into_an_empty_table_is_not_there(void **state)
{
    (void)state;
    static const struct row rows[] = {
        ROW("with indexing", "\x44\x02/a", true),
        ROW("with indexing, a new name", "\x82\x40\x01x\x01y", true),
        ROW("with indexing, a text that does not end", "\x40\x01x\x02y", false),
        ROW("another size of the table", "\x3f\x01", false),
    };
    expect_rows(rows, sizeof rows / sizeof *rows, 0);
}

/* ---- a client's frames ---- */

#define BLOCK "\x82\x87\x84\x41\x01q\0\x01x\x01y"
#define KNOWN "\x82\x87\x84\xbe\0\x01x\x01y"
#define TOLD "request GET / none last\n  [host: q]\n  x: y\n"

#define is_known(block) (known_of(&rig, block, sizeof block - 1) != NULL)

static void ask(uint32_t id, const char *block, size_t length)
{
    struct wire wire = {.length = 0};
    put_request(&wire, id, block, length);
    serve(&rig, &wire);
}
#define ASK(id, block) ask(id, block, sizeof block - 1)

/* One that the client's table is needed for. */
static void begin_with_a_known_block(void)
{
    begin_served(&rig);
    ASK(1, BLOCK);
    ASK(3, KNOWN);
    assert_false(is_known(KNOWN));
    ASK(5, KNOWN);
    assert_true(is_known(KNOWN));
    ASK(7, KNOWN);
    assert_told(&rig.server, "0 " TOLD "1 " TOLD "2 " TOLD "3 " TOLD);
}

static void what_comes_again_is_known(void **state)
{
    (void)state;
    begin_with_a_known_block();
    rig_end(&rig);
}

static void a_block_that_changes_the_table_ends_what_is_known(void **state)
{
    (void)state;
    begin_with_a_known_block();
    ASK(9, "\x82\x87\x84\x41\x01r"); /* the newest field of the table is another now */
    assert_false(is_known(KNOWN));
    ASK(11, KNOWN);
    assert_told(&rig.server, "4 request GET / none last\n  [host: r]\n"
                             "5 request GET / none last\n  [host: r]\n  x: y\n");
    rig_end(&rig);
}

static void another_size_of_the_table_ends_what_is_known(void **state)
{
    (void)state;
    begin_with_a_known_block();
    ASK(9, "\x20\x3f\xe1\x1f" BLOCK);
    assert_false(is_known(KNOWN));
    ASK(11, KNOWN);
    assert_told(&rig.server, "4 " TOLD "5 " TOLD);
    rig_end(&rig);
}

static void a_block_in_two_frames_ends_what_is_known(void **state)
{
    (void)state;
    struct wire wire = {.length = 0};
    begin_with_a_known_block();
    put_frame(&wire, 1, END_STREAM, 9, (const uint8_t *)"\x82\x87\x84\x41", 4);
    put_frame(&wire, 9, END_HEADERS, 9, (const uint8_t *)"\x01r", 2);
    serve(&rig, &wire);
    assert_false(is_known(KNOWN));
    ASK(11, KNOWN);
    assert_told(&rig.server, "4 request GET / none last\n  [host: r]\n"
                             "5 request GET / none last\n  [host: r]\n  x: y\n");
    rig_end(&rig);
}

static void a_block_that_arrives_in_pieces_ends_what_is_known(void **state)
{
    (void)state;
    begin_with_a_known_block();
    rig.step = 12;
    ASK(9, "\x82\x87\x84\x41\x01r");
    rig.step = 0;
    assert_false(is_known(KNOWN));
    ASK(11, KNOWN);
    assert_told(&rig.server, "4 request GET / none last\n  [host: r]\n"
                             "5 request GET / none last\n  [host: r]\n  x: y\n");
    rig_end(&rig);
}

static void a_connection_at_rest_keeps_nothing(void **state)
{
    (void)state;
    begin_with_a_known_block();
    for (unsigned i = 0; i < 4; i++) {
        h2_stream_reset(served(i), H2_CANCEL);
    }
    h2_session_rest(rig.server.session);
    assert_false(is_known(KNOWN));
    rig_end(&rig);
}

/* RFC 9113 8.1: trailers have no pseudo-header fields. */
static void a_known_request_is_malformed_as_trailers(void **state)
{
    (void)state;
    struct wire wire = {.length = 0};
    begin_with_a_known_block();
    put_frame(&wire, 1, END_HEADERS, 9, (const uint8_t *)KNOWN, sizeof KNOWN - 1);
    put_frame(&wire, 1, END_HEADERS | END_STREAM, 9, (const uint8_t *)KNOWN, sizeof KNOWN - 1);
    serve(&rig, &wire);
    assert_told(&rig.server, "4 request GET / chunked\n  [host: q]\n  x: y\n"
                             "4 closed PROTOCOL_ERROR\n");
    rig_end(&rig);
}

static void known_trailers_are_malformed_as_a_request(void **state)
{
    (void)state;
    static const char trailers[] = "\0\x01x\x01y";
    begin_served(&rig);
    for (uint32_t id = 1; id <= 5; id += 2) {
        struct wire wire = {.length = 0};
        put_frame(&wire, 1, END_HEADERS, id, (const uint8_t *)"\x82\x87\x84\x01\x01q", 6);
        put_frame(&wire, 1, END_HEADERS | END_STREAM, id, (const uint8_t *)trailers, 5);
        serve(&rig, &wire);
    }
    assert_non_null(known_of(&rig, trailers, 5));
    ignore_told(&rig.server);
    ask(7, trailers, 5);
    assert_told(&rig.server, "");
    assert_int_equal(h2_session_streams_count(rig.server.session), 3);
    rig_end(&rig);
}

/* ---- a server's frames ---- */

/* RFC 9113 6.5.2: SETTINGS_HEADER_TABLE_SIZE. */
static void a_server_is_told_to_use_no_table(void **state)
{
    (void)state;
    static char space[H2_PULL_BYTES];
    rig_begin(&rig, &rig_limits);
    size_t length = h2_session_pull(rig.client.session, space, sizeof space);
    assert_true(length > 24 + 9 + 6);
    assert_int_equal(space[24 + 3], NGHTTP2_SETTINGS);
    assert_memory_equal(space + 24 + 9, "\0\1\0\0\0\0", 6);
    rig_end(&rig);
}

static void answer_with(uint32_t id, const char *block, size_t length)
{
    struct wire wire = {.length = 0};
    put_request(&wire, id, block, length);
    rig_feed(&rig, &rig.client, wire.bytes, wire.length);
}
#define ANSWER(id, block) answer_with(id, block, sizeof block - 1)

static void begin_asked(unsigned count)
{
    static char space[H2_PULL_BYTES];
    struct wire wire = {.length = 0};
    rig_begin(&rig, &rig_limits);
    put(&wire, "\0\0\0\4\0\0\0\0\0", 9);
    rig_feed(&rig, &rig.client, wire.bytes, wire.length);
    for (unsigned i = 0; i < count; i++) {
        assert_non_null(rig_open(&rig, GET, true));
    }
    (void)!h2_session_pull(rig.client.session, space, sizeof space);
    ignore_told(&rig.client);
}

#define STORED "\x88\x40\x01x\x01y"
#define ANSWERED "response 200 length last\n  x: y\n"

static void responses_that_come_again_are_known(void **state)
{
    (void)state;
    begin_asked(4);
    ANSWER(1, "\x20" STORED);
    ANSWER(3, STORED);
    ANSWER(5, STORED);
    assert_non_null(
        h2_memo_find(&rig.client.session->frame.memo, (const uint8_t *)STORED, sizeof STORED - 1));
    ANSWER(7, STORED);
    assert_told(&rig.client, "0 " ANSWERED "0 closed NO_ERROR\n1 " ANSWERED "1 closed NO_ERROR\n"
                             "2 " ANSWERED "2 closed NO_ERROR\n3 " ANSWERED "3 closed NO_ERROR\n");
    rig_end(&rig);
}

#define KNOWN_RESPONSE(packed)                                                                    \
    (h2_memo_find(&rig.client.session->frame.memo, (const uint8_t *)packed, sizeof packed - 1) != \
     NULL)

/* A response in two reads says no more of the table than one that is whole. */
static void responses_are_known_again_behind_one_in_pieces(void **state)
{
    (void)state;
    begin_asked(6);
    ANSWER(1, "\x20" STORED);
    rig.step = 8;
    ANSWER(3, STORED);
    rig.step = 0;
    ANSWER(5, STORED);
    ANSWER(7, STORED);
    assert_true(KNOWN_RESPONSE(STORED));
    rig.step = 8;
    ANSWER(9, "\x3f\x31" STORED); /* now there is a table */
    rig.step = 0;
    ANSWER(11, STORED);
    assert_int_equal(rig.client.session->frame.memo.table_bytes, UINT32_MAX);
    assert_false(KNOWN_RESPONSE(STORED));
    rig_end(&rig);
}

/* It says nothing of its table's size. */
static void a_server_that_uses_its_table_all_the_same_is_understood(void **state)
{
    (void)state;
    begin_asked(5);
    ANSWER(1, STORED);
    ANSWER(3, "\x88\xbe");
    ANSWER(5, "\x88\xbe");
    ANSWER(7, "\x88\x40\x01x\x01z");
    ANSWER(9, "\x88\xbe");
    assert_told(&rig.client, "0 " ANSWERED "0 closed NO_ERROR\n1 " ANSWERED "1 closed NO_ERROR\n"
                             "2 " ANSWERED "2 closed NO_ERROR\n"
                             "3 response 200 length last\n  x: z\n3 closed NO_ERROR\n"
                             "4 response 200 length last\n  x: z\n4 closed NO_ERROR\n");
    rig_end(&rig);
}

/* ---- bounds ---- */

/* Packed, its first fields are a byte each. */
static size_t large_block(uint8_t *block)
{
    static const uint8_t head[] = {0x82, 0x87, 0x84, 0x01, 0x01, 'q'};
    memcpy(block, head, sizeof head);
    memset(block + sizeof head, 0xbe, 40); /* 40 times a field of 64 bytes */
    return sizeof head + 40;
}

static void put_into_table(void)
{
    char block[6 + 3 + 62 + 1] = "\x82\x87\x84\x01\x01q\x40\x02xx\x3c";
    memset(block + 11, 'v', 60);
    ask(1, block, 71);
}

/* How many such requests a turn takes. */
static unsigned taken_in_a_turn(uint32_t id)
{
    struct wire wire = {.length = 0};
    uint8_t block[64];
    size_t length = large_block(block);
    unsigned before = rig.server.streams_count;
    for (unsigned i = 0; i < 30; i++) {
        put_request(&wire, id + 2 * i, (char *)block, length);
    }
    (void)!h2_session_take_turn(rig.server.session, (char *)wire.bytes, wire.length, 0);
    return rig.server.streams_count - before;
}

static void a_turn_takes_no_more_of_what_is_known(void **state)
{
    (void)state;
    uint8_t block[64];
    size_t length = large_block(block);
    begin_served(&rig);
    put_into_table();
    unsigned unknown = taken_in_a_turn(3);
    rig_end(&rig);
    begin_served(&rig);
    put_into_table();
    ask(3, (char *)block, length);
    ask(5, (char *)block, length);
    assert_non_null(known_of(&rig, (char *)block, length));
    unsigned known = taken_in_a_turn(7);
    rig_end(&rig);
    assert_in_range(known, 1, unknown);
}

/* Blocks of any size, each twice: no more is kept than the header says, and it counts. */
static void no_more_is_kept_than_its_bound(void **state)
{
    (void)state;
    char block[700] = "\x82\x87\x84\x01\x01q\0\x01x\x7f";
    begin_served(&rig);
    const struct h2_memory *memory = &rig.server.session->memory;
    uint32_t id = 1;
    for (size_t value_bytes = 127; value_bytes < 640; value_bytes += 3) {
        size_t above = value_bytes - 127;
        size_t at = 10;
        for (; above >= 128; above /= 128) {
            block[at++] = (char)(above % 128 | 128);
        }
        block[at++] = (char)above;
        memset(block + at, 'v', value_bytes);
        for (unsigned i = 0; i < 2; i++, id += 2) {
            ask(id, block, at + value_bytes);
            h2_stream_reset(served(rig.server.streams_count - 1), H2_CANCEL);
            rig.server.streams_count = 0;
        }
        assert_int_equal(known_of(&rig, block, at + value_bytes) != NULL,
                         at + value_bytes <= H2_MEMO_PACKED_BYTES);
    }
    uint64_t held_bytes = memory->bytes;
    h2_memo_forget(&rig.server.session->frame.memo, &rig.server.session->memory);
    h2_memory_release(&rig.server.session->memory);
    assert_true(held_bytes > memory->bytes);
    assert_true(held_bytes - memory->bytes <= H2_MEMO_BLOCKS * H2_MEMO_BYTES + 16 * 1024);
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_may_change_the_table_is_not_kept),
        cmocka_unit_test(what_is_put_into_an_empty_table_is_not_there),
        cmocka_unit_test(what_comes_again_is_known),
        cmocka_unit_test(a_block_that_changes_the_table_ends_what_is_known),
        cmocka_unit_test(another_size_of_the_table_ends_what_is_known),
        cmocka_unit_test(a_block_in_two_frames_ends_what_is_known),
        cmocka_unit_test(a_block_that_arrives_in_pieces_ends_what_is_known),
        cmocka_unit_test(a_connection_at_rest_keeps_nothing),
        cmocka_unit_test(a_known_request_is_malformed_as_trailers),
        cmocka_unit_test(known_trailers_are_malformed_as_a_request),
        cmocka_unit_test(a_server_is_told_to_use_no_table),
        cmocka_unit_test(responses_that_come_again_are_known),
        cmocka_unit_test(responses_are_known_again_behind_one_in_pieces),
        cmocka_unit_test(a_server_that_uses_its_table_all_the_same_is_understood),
        cmocka_unit_test(a_turn_takes_no_more_of_what_is_known),
        cmocka_unit_test(no_more_is_kept_than_its_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
