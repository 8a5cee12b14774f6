/* Heads and trailers as field blocks, and those in frames.

   nghttp2 keeps the order of frames and the states of streams; its own encoder compresses each value bit by bit and takes a fifth of all
   instructions of a small request. So it is given no fields at all, and when it has written the frame without them, the block's own frames
   take its place. */
#include <string.h>

#include "proxy/http/decimal.h"
#include "proxy/http2/h2_encode.h"
#include "proxy/http2/h2_state.h"
#include "steady/check.h"

#define FRAME_HEAD_BYTES 9
#define SETTING_BYTES 6
#define SETTINGS_MOST 8u
#define FRAME_MOST_BYTES 16384u /* RFC 9113 4.2: what everybody takes */

/* In front of each block: its length, and a byte that H2_ENCODE_NO_TABLE may take. */
#define BLOCK_HEAD_BYTES (sizeof(uint32_t) + 1)

/* ---- blocks ---- */

struct block {
    struct h2_encoder encoder;
    uint32_t begin; /* in the buffer, of its head */
};

/* Behind those that wait in *heads, which it takes over until block_end(). */
static void block_begin(struct block *block, struct buf_pool *pool, struct buf **heads)
{
    struct h2_encoder *encoder = &block->encoder;
    *encoder = (struct h2_encoder){.pool = pool, .buf = *heads};
    *heads = NULL;
    block->begin = encoder->buf != NULL ? (uint32_t)buf_length(encoder->buf) : 0;
    encoder->failed = !buf_widen(pool, &encoder->buf, BLOCK_HEAD_BYTES);
    if (!encoder->failed) {
        encoder->buf->end += BLOCK_HEAD_BYTES;
    }
}

/* Takes the block back out of *heads, of which it is the last. */
static void block_drop(const struct block *block, struct buf_pool *pool, struct buf **heads)
{
    if (*heads != NULL) {
        (*heads)->end = (*heads)->begin + block->begin;
    }
    if (block->begin == 0) {
        buf_give(pool, heads);
    }
}

/* False: no memory; nothing of it is left. */
static bool block_end(struct block *block, struct buf **heads)
{
    struct buf *buf = block->encoder.buf;
    *heads = buf;
    if (block->encoder.failed) {
        block_drop(block, block->encoder.pool, heads);
        return false;
    }
    uint32_t begin = buf->begin + block->begin;
    uint32_t length = buf->end - begin - (uint32_t)BLOCK_HEAD_BYTES;
    memcpy(buf->bytes + begin, &length, sizeof length);
    return true;
}

/* ---- fields ---- */

/* RFC 9113 8.2.2, and what is written anew. */
static bool is_own(uint8_t id)
{
    switch (id) {
    case FIELD_CONNECTION:
    case FIELD_KEEP_ALIVE:
    case FIELD_PROXY_CONNECTION:
    case FIELD_TRANSFER_ENCODING:
    case FIELD_UPGRADE:
    case FIELD_HTTP2_SETTINGS:
    case FIELD_TE:
    case FIELD_HOST:
    case FIELD_CONTENT_LENGTH: return true;
    default: return false;
    }
}

static void add_fields(struct h2_encoder *encoder, const struct http_head *head)
{
    for (unsigned i = 0; i < head->field_count; i++) {
        const struct http_field *field = &head->fields[i];
        if (!field->drop && !is_own(field->id)) {
            h2_encode_field(encoder, field->id, head->base + field->name_at, field->name_bytes,
                            head->base + field->value_at, field->value_bytes);
        }
    }
}

/* Splits lines of HTTP/1: no name has a colon in it, no value a line end. */
static void add_lines(struct h2_encoder *encoder, const struct added_fields *added)
{
    const char *at = added->lines, *end = at + added->bytes;
    while (at < end) {
        const char *colon = memchr(at, ':', (size_t)(end - at));
        const char *line_end = memchr(at, '\r', (size_t)(end - at));
        if (colon == NULL || line_end == NULL) {
            return;
        }
        const char *value = colon + 1;
        while (value < line_end && *value == ' ') {
            value++;
        }
        size_t name_bytes = (size_t)(colon - at);
        h2_encode_field(encoder, field_id_of(at, name_bytes), at, name_bytes, value,
                        (size_t)(line_end - value));
        at = line_end + 2;
    }
}

static void add_span(struct h2_encoder *encoder, enum h2_static name, const struct http_head *head,
                     struct span span)
{
    h2_encode_named(encoder, name, head_text(head, span), span.bytes);
}

static void add_length(struct h2_encoder *encoder, uint64_t length)
{
    char digits[DECIMAL_BYTES];
    const char *number = decimal_of(digits, length);
    h2_encode_field(encoder, FIELD_CONTENT_LENGTH, NULL, 0, number,
                    (size_t)(digits + DECIMAL_BYTES - number));
}

/* ---- requests (RFC 9113 8.3.1, 8.5) ---- */

static void add_method(struct h2_encoder *encoder, const struct http_head *head)
{
    switch (head->method) {
    case METHOD_GET: h2_encode_known(encoder, H2_STATIC_METHOD); break;
    case METHOD_POST: h2_encode_known(encoder, H2_STATIC_METHOD + 1); break;
    default: add_span(encoder, H2_STATIC_METHOD, head, head->method_text); break;
    }
}

static void add_path(struct h2_encoder *encoder, const struct http_head *head)
{
    const char *path = head->facts & FACT_ASTERISK ? "*" : head_text(head, head->target);
    size_t bytes = head->facts & FACT_ASTERISK ? 1 : head->target.bytes;
    if (bytes == 1 && *path == '/') {
        h2_encode_known(encoder, H2_STATIC_PATH);
    } else {
        h2_encode_named(encoder, H2_STATIC_PATH, path, bytes);
    }
}

static void add_request_pseudos(struct h2_encoder *encoder, const struct http_head *head,
                                bool secure)
{
    add_method(encoder, head);
    if (head->method == METHOD_CONNECT) {
        add_span(encoder, H2_STATIC_AUTHORITY, head, head->target);
        return;
    }
    h2_encode_known(encoder, secure ? H2_STATIC_HTTPS : H2_STATIC_HTTP);
    if (head->host.bytes > 0) {
        add_span(encoder, H2_STATIC_AUTHORITY, head, head->host);
    }
    add_path(encoder, head);
}

static void add_request(struct h2_encoder *encoder, const struct http_head *head,
                        const struct added_fields *added, bool secure)
{
    add_request_pseudos(encoder, head, secure);
    if (head->framing == FRAMING_LENGTH) {
        add_length(encoder, head->content_length);
    }
    if (head->facts & FACT_TE_TRAILERS) {
        h2_encode_field(encoder, FIELD_TE, NULL, 2, "trailers", 8);
    }
    add_fields(encoder, head);
    add_lines(encoder, added);
}

int32_t h2_write_request(struct h2_session *session, struct h2_stream *stream,
                         const struct http_head *head, const struct added_fields *added,
                         bool secure, bool last)
{
    struct block block;
    nghttp2_data_provider provider = h2_flow_provider(stream);
    block_begin(&block, session->env.bufs, &stream->heads);
    add_request(&block.encoder, head, added, secure);
    if (!block_end(&block, &stream->heads)) {
        return 0;
    }
    int32_t id =
        nghttp2_submit_request(session->frames, NULL, NULL, 0, last ? NULL : &provider, stream);
    if (id <= 0) {
        block_drop(&block, session->env.bufs, &stream->heads);
    }
    return id;
}

/* ---- responses (RFC 9113 8.3.2) ---- */

/* RFC 9110 8.6: of a response without content it is that of what a GET would have got; a 204 has none. */
static bool tells_length(const struct h2_stream *stream, const struct http_head *head)
{
    bool told = head_has(head, FIELD_CONTENT_LENGTH);
    if (head->framing == FRAMING_LENGTH) {
        return head->status != 204 && (head->content_length > 0 || told);
    }
    return ((stream->method == METHOD_HEAD && head->status != 204) || head->status == 304) && told;
}

static void add_response(struct h2_encoder *encoder, const struct h2_stream *stream,
                         const struct http_head *head, const char *date)
{
    bool interim = head->status < 200;
    h2_encode_status(encoder, head->status);
    add_fields(encoder, head);
    if (!interim && date != NULL && !head_has(head, FIELD_DATE)) {
        h2_encode_field(encoder, FIELD_DATE, NULL, 0, date, strlen(date));
    }
    if (!interim && tells_length(stream, head)) {
        add_length(encoder, head->content_length);
    }
}

/* Queues the frame that the block takes the place of. */
static int submit_response(const struct h2_stream *stream, bool interim, bool last,
                           const nghttp2_data_provider *provider)
{
    nghttp2_session *frames = stream->session->frames;
    return interim ? (int)nghttp2_submit_headers(frames, NGHTTP2_FLAG_NONE, stream->id, NULL, NULL,
                                                 0, NULL)
                   : nghttp2_submit_response(frames, stream->id, NULL, 0, last ? NULL : provider);
}

bool h2_write_response(struct h2_stream *stream, const struct http_head *head, const char *date,
                       bool last)
{
    struct buf_pool *pool = stream->session->env.bufs;
    struct block block;
    nghttp2_data_provider provider = h2_flow_provider(stream);
    block_begin(&block, pool, &stream->heads);
    add_response(&block.encoder, stream, head, date);
    if (!block_end(&block, &stream->heads)) {
        return false;
    }
    if (submit_response(stream, head->status < 200, last, &provider) == 0) {
        return true;
    }
    block_drop(&block, pool, &stream->heads);
    return false;
}

bool h2_write_trailers(struct h2_stream *stream, const struct http_head *head)
{
    struct h2_session *session = stream->session;
    struct block block;
    block_begin(&block, session->env.bufs, &stream->heads);
    add_fields(&block.encoder, head);
    if (!block_end(&block, &stream->heads)) {
        return false;
    }
    if (nghttp2_submit_trailer(session->frames, stream->id, NULL, 0) == 0) {
        return true;
    }
    block_drop(&block, session->env.bufs, &stream->heads);
    return false;
}

/* ---- frames ---- */

/* RFC 9113 4.1. */
static bool put_frame(struct h2_session *session, uint8_t type, unsigned flags, int32_t id,
                      const char *payload, uint32_t bytes)
{
    const uint32_t of = (uint32_t)id;
    const uint8_t head[FRAME_HEAD_BYTES] = {(uint8_t)(bytes >> 16),
                                            (uint8_t)(bytes >> 8),
                                            (uint8_t)bytes,
                                            type,
                                            (uint8_t)flags,
                                            (uint8_t)(of >> 24),
                                            (uint8_t)(of >> 16),
                                            (uint8_t)(of >> 8),
                                            (uint8_t)of};
    return h2_session_put(session, head, sizeof head) &&
           h2_session_put(session, (const uint8_t *)payload, bytes);
}

/* RFC 9113 6.2, 6.10: what does not fit into HEADERS goes on in CONTINUATION. */
static bool put_block(struct h2_session *session, const nghttp2_frame_hd *head, const char *block,
                      uint32_t bytes)
{
    uint8_t type = NGHTTP2_HEADERS;
    unsigned flags = head->flags & NGHTTP2_FLAG_END_STREAM;
    for (; bytes > FRAME_MOST_BYTES; bytes -= FRAME_MOST_BYTES, block += FRAME_MOST_BYTES) {
        if (!put_frame(session, type, flags, head->stream_id, block, FRAME_MOST_BYTES)) {
            return false;
        }
        type = NGHTTP2_CONTINUATION;
        flags = 0;
    }
    return put_frame(session, type, flags | NGHTTP2_FLAG_END_HEADERS, head->stream_id, block,
                     bytes);
}

bool h2_write_stands_in(const nghttp2_frame *frame)
{
    return frame->headers.nvlen == 0;
}

bool h2_write_block(struct h2_session *session, struct h2_stream *stream,
                    const nghttp2_frame *frame)
{
    struct buf *heads = stream->heads;
    uint32_t bytes;
    CHECK(heads != NULL && buf_length(heads) >= BLOCK_HEAD_BYTES);
    char *block = heads->bytes + heads->begin;
    memcpy(&bytes, block, sizeof bytes);
    size_t whole = BLOCK_HEAD_BYTES + bytes;
    block += BLOCK_HEAD_BYTES;
    if (!session->space.tableless) {
        session->space.tableless = true;
        *--block = H2_ENCODE_NO_TABLE;
        bytes++;
    }
    session->space.replaced = true;
    bool fits = put_block(session, &frame->hd, block, bytes);
    buf_consume(heads, whole);
    if (buf_length(heads) == 0) {
        buf_give(session->env.bufs, &stream->heads);
    }
    return fits;
}

/* RFC 9113 6.5.2: a server's blocks shall use no table, so that those that say the same are the same, and mean it whenever they come
   (h2_memo.h). nghttp2 is not told: it would insist on the server's answer in its next block (RFC 7541 4.2), which some servers that
   never use a table forget. */
bool h2_write_settings(struct h2_session *session, const nghttp2_frame *frame)
{
    nghttp2_settings_entry entries[SETTINGS_MOST] = {{NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, 0}};
    uint8_t payload[SETTINGS_MOST * SETTING_BYTES];
    size_t count = frame->settings.niv;
    CHECK(count < SETTINGS_MOST);
    for (size_t i = 0; i < count; i++) {
        entries[i + 1] = frame->settings.iv[i];
    }
    ssize_t bytes = nghttp2_pack_settings_payload(payload, sizeof payload, entries, count + 1);
    CHECK(bytes > 0);
    session->space.replaced = true;
    return put_frame(session, NGHTTP2_SETTINGS, NGHTTP2_FLAG_NONE, 0, (const char *)payload,
                     (uint32_t)bytes);
}
