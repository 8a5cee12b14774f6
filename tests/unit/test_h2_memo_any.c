/* Whatever field blocks come: what is known means what nghttp2's decoder says. */
#include <nghttp2/nghttp2.h>

#include "steady/rng.h"
#include "tests/unit/h2_frames.h"

#define BLOCK_MOST_BYTES 400

struct block {
    uint8_t bytes[BLOCK_MOST_BYTES];
    size_t length;
    size_t entries; /* that the table must have */
};

/* What is known of the client's table: the same decoder, beside the sessions. */
struct author {
    struct rng rng;
    nghttp2_hd_inflater *table;
    struct block blocks[6]; /* to be sent again */
    unsigned blocks_count;
    uint32_t id;
    bool open;    /* the stream of that id */
    bool pure;    /* the block that is being written shall leave the table as it is */
    bool resized; /* that block begins with another size of the table */
};

static unsigned below(struct author *author, unsigned limit)
{
    return (unsigned)rng_below(&author->rng, limit);
}

static void add(struct block *block, const void *bytes, size_t length)
{
    assert_true(length <= sizeof block->bytes - block->length);
    memcpy(block->bytes + block->length, bytes, length);
    block->length += length;
}
#define ADD(block, text) add(block, text, sizeof text - 1)

static void add_value(struct author *author, struct block *block)
{
    switch (below(author, 5)) {
    case 0: ADD(block, "\x01v"); break;
    case 1: ADD(block, "\x02ww"); break;
    case 2: ADD(block, "\x81\x1f"); break; /* Huffman code of "a" */
    case 3: ADD(block, "\x00"); break;
    default: ADD(block, "\x24some value of a usual length or more"); break;
    }
}

/* In any of the forms of RFC 7541 6. */
static void add_field(struct author *author, struct block *block)
{
    static const uint8_t forms[] = {0x00, 0x10, 0x40};
    size_t entries = nghttp2_hd_inflate_get_num_table_entries(author->table);
    if (entries > 61 && !author->resized && below(author, 2)) {
        const uint8_t index = (uint8_t)(62 + below(author, (unsigned)(entries - 61)));
        if (index < 127) {
            block->entries = index > block->entries ? index : block->entries;
            const uint8_t form = index | 0x80;
            add(block, &form, 1);
        }
        return;
    }
    uint8_t form = forms[below(author, author->pure ? 2 : 3)];
    if (below(author, 2)) {
        add(block, &form, 1);
        add(block, below(author, 2) ? "\x01x" : "\x01z", 2);
    } else {
        form |=
            15; /* accept-charset; where the form leaves four bits for it, it needs a byte more */
        add(block, &form, 1);
        if (form != 0x4f) {
            add(block, "", 1);
        }
    }
    add_value(author, block);
}

static void add_sizes(struct author *author, struct block *block)
{
    switch (below(author, 3)) {
    case 0: ADD(block, "\x20"); break;
    case 1: ADD(block, "\x3f\x31"); break; /* 80 */
    default: ADD(block, "\x20\x3f\xe1\x1f"); break;
    }
}

static void write_block(struct author *author, struct block *block, bool request)
{
    *block = (struct block){.length = 0};
    author->pure = below(author, 4) > 0;
    author->resized = !author->pure && below(author, 3) == 0;
    if (author->resized) {
        add_sizes(author, block);
    }
    if (request) {
        ADD(block, "\x82\x87");
        add(block, author->pure ? "\x84\x01\x01q" : "\x84\x41\x01r", 4);
    }
    for (unsigned count = below(author, 5); count > 0; count--) {
        add_field(author, block);
    }
    if (below(author, 60) == 0) {
        const uint8_t byte = (uint8_t)below(author, 256);
        add(block, &byte, 1);
    }
}

/* One that was sent before, if the table has what it names, or another. */
static const struct block *next_block(struct author *author, bool request)
{
    size_t entries = nghttp2_hd_inflate_get_num_table_entries(author->table);
    struct block *block = &author->blocks[below(author, 6)];
    bool again = author->blocks_count == 6 && below(author, 10) < 8 && block->entries <= entries;
    if (!again) {
        if (author->blocks_count < 6) {
            block = &author->blocks[author->blocks_count++];
        }
        write_block(author, block, request);
    }
    return block;
}

/* The author's own table follows. */
static void note(struct author *author, const struct block *block)
{
    const uint8_t *at = block->bytes;
    size_t left = block->length;
    for (int flags = 0; !(flags & NGHTTP2_HD_INFLATE_FINAL);) {
        nghttp2_nv nv;
        ssize_t taken = nghttp2_hd_inflate_hd2(author->table, &nv, &flags, at, left, 1);
        if (taken < 0) {
            return; /* the connection is over, too */
        }
        at += taken;
        left -= (size_t)taken;
    }
    nghttp2_hd_inflate_end_headers(author->table);
}

static void put_block(struct author *author, struct wire *wire, const struct block *block,
                      unsigned flags)
{
    static const uint8_t depends[] = {0, 0, 0, 0, 9};
    uint8_t payload[BLOCK_MOST_BYTES + 16];
    size_t length = 0, cut = 0;
    if (below(author, 20) == 0) {
        flags |= PADDED;
        payload[length++] = 0;
    }
    if (below(author, 4) == 0) {
        flags |= PRIORITY;
        memcpy(payload + length, depends, sizeof depends);
        length += sizeof depends;
    }
    if (below(author, 20) == 0 && block->length > 1) {
        cut = 1 + below(author, (unsigned)block->length - 1);
    }
    size_t first = cut > 0 ? cut : block->length;
    memcpy(payload + length, block->bytes, first);
    put_frame(wire, 1, (uint8_t)(flags | (cut > 0 ? 0 : END_HEADERS)), author->id, payload,
              length + first);
    if (cut > 0) {
        put_frame(wire, 9, END_HEADERS, author->id, block->bytes + cut, block->length - cut);
    }
}

/* A request, its trailers, or what is neither. */
static void write_frames(struct author *author, struct wire *wire, const struct rig *of,
                         unsigned *known_count)
{
    bool trailers = author->open;
    bool last = trailers || below(author, 4) > 0;
    const struct block *block = next_block(author, !trailers || below(author, 8) == 0);
    *known_count += known_of(of, (const char *)block->bytes, block->length) != NULL;
    author->id += trailers ? 0 : 2;
    author->open = !last;
    put_block(author, wire, block, last ? END_STREAM : 0);
    note(author, block);
}

static void answer_all(struct rig *of)
{
    for (unsigned i = 0; i < of->server.streams_count; i++) {
        struct h2_stream *stream = &of->server.streams[i].stream;
        if (stream->session != NULL && stream->state == H2_STREAM_SEND_ONLY) {
            rig_answer(stream, "HTTP/1.1 204 No Content\r\n\r\n", true);
        }
    }
}

/* Both tell the same, and send the same. */
static void compare(struct rig *whole, struct rig *pieces)
{
    static char said[2][H2_PULL_BYTES];
    answer_all(whole);
    answer_all(pieces);
    size_t length = h2_session_pull(whole->server.session, said[0], H2_PULL_BYTES);
    assert_int_equal(h2_session_pull(pieces->server.session, said[1], H2_PULL_BYTES), length);
    assert_memory_equal(said[0], said[1], length);
    assert_int_equal(whole->server.over, pieces->server.over);
    assert_told(&whole->server, pieces->server.told);
    pieces->server.told_bytes = 0;
    pieces->server.told[0] = '\0';
}

/* What arrives in pieces is never known. */
static unsigned talk(struct author *author)
{
    static struct rig pieces;
    unsigned known_count = 0;
    author->id = UINT32_MAX; /* the first is 1 */
    author->open = false;
    author->blocks_count = 0;
    assert_int_equal(nghttp2_hd_inflate_new(&author->table), 0);
    begin_served(&rig);
    begin_served(&pieces);
    pieces.step = 5; /* of the header of CONTINUATION, nghttp2 takes not many more for one frame */
    for (unsigned i = 0; i < 80 && !rig.server.over; i++) {
        struct wire wire = {.length = 0};
        for (unsigned count = 1 + below(author, 3); count > 0; count--) {
            write_frames(author, &wire, &rig, &known_count);
        }
        rig_feed(&rig, &rig.server, wire.bytes, wire.length);
        rig_feed(&pieces, &pieces.server, wire.bytes, wire.length);
        compare(&rig, &pieces);
    }
    rig_end(&rig);
    rig_end(&pieces);
    nghttp2_hd_inflate_del(author->table);
    return known_count;
}

static void what_is_known_means_what_it_would_unpacked(void **state)
{
    (void)state;
    static struct author author;
    unsigned known_count = 0;
    rng_init(&author.rng, unit_seed());
    for (unsigned i = 0; i < 150; i++) {
        known_count += talk(&author);
    }
    assert_true(known_count > 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_known_means_what_it_would_unpacked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
