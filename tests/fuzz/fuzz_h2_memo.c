/*
 * Field blocks that come again (h2_memo.h): a session that gets them whole, and so may know them, tells and sends the same as one that
 * gets the same bytes in pieces, where nghttp2 unpacks each of them. Every difference aborts.
 *
 * An input is a list of acts, a byte each: its low bits say what is done, the others with which of eight blocks. A block is written by
 * an act that is followed by its length and its bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "proxy/http1/h1_parse.h"
#include "proxy/http2/h2_session.h"
#include "steady/check.h"
#include "steady/container_of.h"
#include "steady/hash.h"

#define STREAMS 8
#define BLOCKS 8
#define BLOCK_BYTES 127
#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
/* No HEADERS frame is as short. */
#define PIECE_BYTES 5

#define END_STREAM 0x01
#define END_HEADERS 0x04
#define PRIORITY 0x20

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length_bytes);

struct reader;

struct reader_stream {
    struct h2_stream stream;
    struct reader *reader;
    bool used;
};

/* A session, and a sum of all that it has told and sent. */
struct reader {
    struct h2_session *session;
    struct reader_stream streams[STREAMS];
    size_t piece_bytes;
    uint64_t told;
    bool over;
    char frame_space[H2_FRAME_BYTES];
};

struct block {
    uint8_t bytes[BLOCK_BYTES];
    size_t length;
};

static struct buf_pool *bufs;
static struct bound bound;

static void tell(struct reader *reader, const void *bytes, size_t length)
{
    reader->told = hash_bytes(reader->told, bytes, length);
}

static struct reader_stream *stream_of(struct h2_stream *stream)
{
    return container_of(stream, struct reader_stream, stream);
}

static struct h2_stream *on_opened(void *owner)
{
    struct reader *reader = owner;
    for (unsigned i = 0; i < STREAMS; i++) {
        if (!reader->streams[i].used) {
            reader->streams[i] = (struct reader_stream){.reader = reader, .used = true};
            return &reader->streams[i].stream;
        }
    }
    return NULL;
}

static void on_request(struct h2_stream *stream, struct http_head *head, enum h2_fault fault,
                       bool last)
{
    struct reader *reader = stream_of(stream)->reader;
    const uint32_t facts[] = {(uint32_t)stream->id, head->facts, head->framing, fault, last};
    tell(reader, facts, sizeof facts);
    tell(reader, head->base, head->head_bytes);
    for (unsigned i = 0; i < head->field_count; i++) {
        tell(reader, &head->fields[i], sizeof head->fields[i]);
    }
}

static void on_payload(struct h2_stream *stream, const struct payload *payload)
{
    struct reader *reader = stream_of(stream)->reader;
    tell(reader, "payload", 7);
    if (payload->trailers != NULL) {
        tell(reader, payload->trailers->base, payload->trailers->head_bytes);
    }
}

static void on_drained(struct h2_stream *stream)
{
    (void)stream;
}

static void on_closed(struct h2_stream *stream, struct h2_end end)
{
    struct reader_stream *of = stream_of(stream);
    tell(of->reader, &end.code, sizeof end.code);
    of->used = false;
}

static void on_wants_pull(void *owner)
{
    (void)owner;
}

static const struct h2_events events = {.opened = on_opened,
                                        .request = on_request,
                                        .payload = on_payload,
                                        .drained = on_drained,
                                        .closed = on_closed,
                                        .wants_pull = on_wants_pull};

static void begin(struct reader *reader, size_t piece_bytes)
{
    static const struct h2_limits limits = {.streams_count = STREAMS,
                                            .window_bytes = 65535,
                                            .head_bytes = 2048,
                                            .fields_count = 24,
                                            .memory_bytes = 1024 * 1024};
    memset(reader, 0, offsetof(struct reader, frame_space));
    const struct h2_env env = {.bufs = bufs, .frame_space = reader->frame_space};
    reader->session = h2_session_create(H2_ROLE_SERVER, &limits, &env, &events, reader);
    CHECK(reader->session != NULL);
    reader->piece_bytes = piece_bytes;
}

static void take(struct reader *reader, const void *bytes, size_t length)
{
    for (size_t at = 0, n; at < length && !reader->over; at += n) {
        n = length - at < reader->piece_bytes ? length - at : reader->piece_bytes;
        reader->over = h2_session_take(reader->session, (const char *)bytes + at, n, 0) == H2_OVER;
    }
}

/* Requests that are whole are answered. */
static void answer(struct reader *reader)
{
    static const char text[] = "HTTP/1.1 204 No Content\r\n\r\n";
    static const struct h1_limits limits = {1024, 8};
    struct http_field fields[8];
    struct http_head head = {.fields = fields, .field_limit = 8};
    size_t scanned = 0;
    CHECK(h1_parse_response(text, sizeof text - 1, &limits, METHOD_GET, &scanned, &head) == H1_OK);
    for (unsigned i = 0; i < STREAMS; i++) {
        struct h2_stream *stream = &reader->streams[i].stream;
        if (reader->streams[i].used && stream->state == H2_STREAM_SEND_ONLY) {
            CHECK(h2_stream_answer(stream, &head, NULL, true));
        }
    }
}

static void send(struct reader *reader)
{
    static char space[H2_PULL_BYTES];
    size_t length = h2_session_pull(reader->session, space, sizeof space);
    tell(reader, space, length);
}

static size_t put_headers(uint8_t *frame, unsigned flags, uint32_t id, const struct block *block)
{
    static const uint8_t depends[] = {0, 0, 0, 0, 9};
    size_t before = flags & PRIORITY ? sizeof depends : 0;
    const uint8_t head[] = {0,
                            0,
                            (uint8_t)(before + block->length),
                            1,
                            (uint8_t)flags,
                            0,
                            0,
                            (uint8_t)(id >> 8),
                            (uint8_t)id};
    memcpy(frame, head, sizeof head);
    memcpy(frame + sizeof head, depends, before);
    memcpy(frame + sizeof head + before, block->bytes, block->length);
    return sizeof head + before + block->length;
}

/* Returns how many bytes of the input were read. */
static size_t write_block(struct block *block, const uint8_t *input, size_t length)
{
    size_t wanted = length > 0 ? input[0] & BLOCK_BYTES : 0;
    block->length = wanted < length ? wanted : length > 0 ? length - 1 : 0;
    memcpy(block->bytes, input + 1, block->length);
    return length > 0 ? 1 + block->length : 0;
}

static unsigned flags_of(uint8_t act)
{
    switch (act & 7) {
    case 0: return END_HEADERS;
    case 1: return END_HEADERS | END_STREAM | PRIORITY;
    case 2: return END_STREAM; /* CONTINUATION would have to follow */
    default: return END_HEADERS | END_STREAM;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length_bytes)
{
    static struct reader whole, pieces;
    struct block blocks[BLOCKS] = {{.length = 0}};
    uint8_t frame[BLOCK_BYTES + 16];
    uint32_t id = 1;
    if (bufs == NULL) {
        bound_init(&bound, "buffers_bytes", NULL, 16 * 1024 * 1024);
        bufs = buf_pool_create(&bound);
    }
    begin(&whole, SIZE_MAX);
    begin(&pieces, PIECE_BYTES);
    take(&whole, PREFACE, sizeof PREFACE - 1);
    take(&pieces, PREFACE, sizeof PREFACE - 1);
    for (size_t at = 0; at < length_bytes && !whole.over;) {
        uint8_t act = input[at++];
        struct block *block = &blocks[act >> 3 & 7];
        if ((act & 7) == 7) {
            at += write_block(block, input + at, length_bytes - at);
            continue;
        }
        id += act & 0x40 ? 0 : 2; /* else trailers, or of a stream that is over */
        size_t length = put_headers(frame, flags_of(act), id, block);
        take(&whole, frame, length);
        take(&pieces, frame, length);
        answer(&whole);
        answer(&pieces);
        send(&whole);
        send(&pieces);
        CHECK(whole.told == pieces.told && whole.over == pieces.over);
    }
    h2_session_free(&whole.session);
    h2_session_free(&pieces.session);
    CHECK(bound_used(&bound) == 0);
    return 0;
}
