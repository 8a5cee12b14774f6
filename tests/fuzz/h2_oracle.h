/*
 * What must hold for any bytes given to an HTTP/2 session, in either role: shared by the fuzz targets. Every breach aborts.
 *
 * Owns: a session, its pool, and the streams of a made-up owner, who acts by a number: the same input, the same acts. Thread: one.
 *
 * An input begins with three bytes: how the rest is read, how it arrives, and how the owner acts. The rest is either bytes of the
 * wire as they are, or a list of frames that the target encodes, with field blocks given as text: what a fuzzer would hardly find by
 * itself.
 */
#ifndef EVENKEEL_TESTS_FUZZ_H2_ORACLE_H
#define EVENKEEL_TESTS_FUZZ_H2_ORACLE_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/http1/h1_parse.h"
#include "proxy/http1/h1_write.h"
#include "proxy/http2/h2_session.h"
#include "steady/check.h"
#include "steady/container_of.h"

#define ORACLE_STREAMS 8
#define ORACLE_WIRE_BYTES (64 * 1024)
#define ORACLE_HEAD_BYTES (16 * 1024)
#define ORACLE_FIELDS 128

/* Small, so that inputs reach them. */
static const struct h2_limits oracle_limits = {.streams_count = ORACLE_STREAMS,
                                               .window_bytes = 65535,
                                               .head_bytes = 2048,
                                               .fields_count = 24,
                                               .memory_bytes = 1024 * 1024};

struct oracle_stream {
    struct h2_stream stream;
    uint64_t received_bytes;
    bool used;
    bool head;     /* a head was told */
    bool ended;    /* the end of what is received was told */
    bool answered; /* its response, or request, has been given */
    bool given;    /* the last of it was */
};

struct oracle_session {
    struct h2_session *session;
    struct oracle_stream streams[ORACLE_STREAMS];
    uint32_t number;
    bool server;
    uint32_t frame_left; /* of the frame that is being written */
    unsigned char frame_head[9];
    unsigned frame_head_bytes;
    unsigned preface_bytes; /* of a client's, already written */
    /* made once, because that takes longer than most inputs */
    struct buf_pool *bufs;
    struct bound bytes;
    char frame_space[H2_FRAME_BYTES];
};

static struct oracle_session oracle;

static uint32_t oracle_next(uint32_t below)
{
    oracle.number = oracle.number * 1664525 + 1013904223;
    return (oracle.number >> 8) % below;
}

static struct oracle_stream *oracle_of(struct h2_stream *stream)
{
    struct oracle_stream *of = container_of(stream, struct oracle_stream, stream);
    CHECK(of >= oracle.streams && of < oracle.streams + ORACLE_STREAMS && of->used);
    return of;
}

/* ---- heads ---- */

static void oracle_span_inside(const struct http_head *head, struct span span)
{
    CHECK(span.at <= head->head_bytes && span.bytes <= head->head_bytes - span.at);
}

static void oracle_fields_sound(const struct http_head *head)
{
    for (unsigned i = 0; i < head->field_count; i++) {
        const struct http_field *field = &head->fields[i];
        const struct span name = {field->name_at, field->name_bytes};
        const struct span value = {field->value_at, field->value_bytes};
        oracle_span_inside(head, name);
        oracle_span_inside(head, value);
        CHECK(name.bytes > 0);
        for (uint32_t j = 0; j < name.bytes; j++) {
            char byte = head->base[name.at + j];
            CHECK((byte > ' ' && byte < 'A') || (byte > 'Z' && byte < 0x7f));
            CHECK(byte != ':');
        }
        for (uint32_t j = 0; j < value.bytes; j++) {
            unsigned char byte = (unsigned char)head->base[value.at + j];
            CHECK(byte >= ' ' || byte == '\t');
            CHECK(byte != 0x7f);
        }
        CHECK(field->id == FIELD_OTHER || head_has(head, (enum field_id)field->id));
    }
}

static unsigned oracle_kept_count(const struct http_head *head)
{
    unsigned count = 0;
    for (unsigned i = 0; i < head->field_count; i++) {
        count += head->fields[i].drop == 0;
    }
    return count;
}

/* What HTTP/1 makes of the head must be read by HTTP/1 as the same head: nothing in it ends a line or a message. */
static void oracle_head_as_http1(const struct http_head *head, bool response,
                                 enum http_method method)
{
    static char space[ORACLE_HEAD_BYTES];
    struct http_field fields[ORACLE_FIELDS];
    struct http_head read = {.fields = fields, .field_limit = ORACLE_FIELDS};
    const struct h1_limits limits = {ORACLE_HEAD_BYTES, ORACLE_FIELDS};
    struct h1_writer writer;
    size_t scanned = 0;
    h1_writer_init(&writer, space, sizeof space);
    if (response) {
        h1_write_status_line(&writer, head);
    } else {
        h1_write_request_line(&writer, head);
    }
    h1_write_fields(&writer, head);
    h1_write_framing(&writer, head->framing, head->content_length);
    h1_write_end(&writer);
    CHECK(h1_writer_ok(&writer));
    size_t length = h1_writer_length(&writer);
    enum h1_result result = response
                                ? h1_parse_response(space, length, &limits, method, &scanned, &read)
                                : h1_parse_request(space, length, &limits, &scanned, &read);
    CHECK(result == H1_OK && read.head_bytes == length);
    CHECK(oracle_kept_count(&read) == oracle_kept_count(head));
    CHECK(read.method_text.bytes == head->method_text.bytes || response);
    CHECK(read.host.bytes == head->host.bytes);
    CHECK(read.status == head->status);
}

/* ---- acts of the owner ---- */

static struct h2_stream *oracle_free_stream(void)
{
    for (unsigned i = 0; i < ORACLE_STREAMS; i++) {
        if (!oracle.streams[i].used) {
            oracle.streams[i] = (struct oracle_stream){.used = true};
            return &oracle.streams[i].stream;
        }
    }
    return NULL;
}

/* A head for a response or a request, parsed from HTTP/1. */
struct oracle_head {
    struct http_head head;
    struct http_field fields[ORACLE_FIELDS];
};

static void oracle_parse(struct oracle_head *parsed, const char *text, bool response)
{
    const struct h1_limits limits = {ORACLE_HEAD_BYTES, ORACLE_FIELDS};
    size_t scanned = 0, length = strlen(text);
    parsed->head = (struct http_head){.fields = parsed->fields, .field_limit = ORACLE_FIELDS};
    CHECK((response ? h1_parse_response(text, length, &limits, METHOD_GET, &scanned, &parsed->head)
                    : h1_parse_request(text, length, &limits, &scanned, &parsed->head)) == H1_OK);
}

static void oracle_give(struct oracle_stream *of)
{
    static const char bytes[20000];
    struct oracle_head trailers;
    bool last = oracle_next(3) == 0;
    const struct iovec piece = {(void *)(uintptr_t)bytes,
                                oracle_next(4) ? oracle_next(2000) : sizeof bytes};
    struct payload payload = {.iov = &piece, .count = piece.iov_len > 0, .last = last};
    if (last && oracle_next(3) == 0) {
        oracle_parse(&trailers, "HTTP/1.1 200 OK\r\nx-end: 1\r\n\r\n", true);
        payload.trailers = &trailers.head;
    }
    (void)h2_stream_room(&of->stream);
    CHECK(h2_stream_give(&of->stream, &payload) != SINK_BROKEN);
    of->given = last;
}

static void oracle_answer(struct oracle_stream *of)
{
    static const char *const answers[] = {
        "HTTP/1.1 200 OK\r\nX-Other_Name: v\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nContent-Length: 7\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
    };
    struct oracle_head parsed;
    oracle_parse(&parsed, answers[oracle_next(4)], true);
    bool interim = parsed.head.status < 200;
    bool last = !interim && (oracle_next(2) || parsed.head.framing == FRAMING_NONE);
    CHECK(h2_stream_answer(&of->stream, &parsed.head, "Sun, 06 Nov 1994 08:49:37 GMT", last));
    of->answered = !interim;
    of->given = last;
}

static void oracle_reset(struct oracle_stream *of)
{
    static const uint32_t codes[] = {H2_NO_ERROR, H2_CANCEL, H2_INTERNAL_ERROR, H2_REFUSED_STREAM};
    uint32_t code = codes[oracle_next(4)];
    bool behind = code == H2_NO_ERROR && oracle.server && of->given;
    h2_stream_reset(&of->stream, code);
    if (!behind) {
        CHECK(of->stream.session == NULL);
        of->used = false;
    }
}

/* Something that an owner may do with a stream at any time. */
static void oracle_act(struct oracle_stream *of)
{
    if (!of->used || of->stream.session == NULL) {
        return;
    }
    switch (oracle_next(6)) {
    case 0: oracle_reset(of); break;
    case 1:
    case 2:
        if (!of->answered && of->head && oracle.server) {
            oracle_answer(of);
        } else if (of->answered && !of->given) {
            oracle_give(of);
        }
        break;
    case 3: h2_stream_taken(&of->stream, of->stream.held_bytes); break;
    case 4: h2_stream_taken(&of->stream, of->stream.held_bytes / 2); break;
    default: break;
    }
}

static void oracle_act_on_any(void)
{
    for (unsigned i = 0; i < ORACLE_STREAMS; i++) {
        oracle_act(&oracle.streams[i]);
    }
}

/* ---- events ---- */

static struct h2_stream *oracle_opened(void *owner)
{
    CHECK(owner == &oracle && oracle.server);
    return oracle_next(16) == 0 ? NULL : oracle_free_stream();
}

static void oracle_request(struct h2_stream *stream, struct http_head *head, enum h2_fault fault,
                           bool last)
{
    struct oracle_stream *of = oracle_of(stream);
    CHECK(!of->head && head->field_count <= oracle_limits.fields_count + 1);
    of->head = true;
    of->ended = last;
    oracle_fields_sound(head);
    oracle_span_inside(head, head->target);
    oracle_span_inside(head, head->host);
    if (fault == H2_FAULT_NONE) {
        CHECK(head->host.bytes > 0 && head->target.bytes > 0);
        CHECK(!last || head->framing == FRAMING_NONE ||
              (head->framing == FRAMING_LENGTH && head->content_length == 0));
        oracle_head_as_http1(head, false, METHOD_GET);
    }
    oracle_act(of);
}

static void oracle_response(struct h2_stream *stream, struct http_head *head, bool last)
{
    struct oracle_stream *of = oracle_of(stream);
    CHECK(!oracle.server && !of->head && !of->ended);
    CHECK(head->status >= 100 && head->status <= 599 && head->status != 101);
    CHECK(head->status >= 200 || !last);
    of->head = head->status >= 200;
    of->ended = last;
    oracle_fields_sound(head);
    oracle_head_as_http1(head, true, (enum http_method)stream->method);
    oracle_act(of);
}

static void oracle_payload(struct h2_stream *stream, const struct payload *payload)
{
    struct oracle_stream *of = oracle_of(stream);
    size_t bytes = payload_bytes(payload);
    CHECK(of->head && !of->ended);
    CHECK(bytes > 0 || payload->last);
    of->received_bytes += bytes;
    of->ended = payload->last;
    CHECK(of->received_bytes == stream->received_bytes);
    CHECK(stream->held_bytes <= oracle_limits.window_bytes);
    CHECK(stream->expected_bytes == UINT64_MAX || of->received_bytes <= stream->expected_bytes);
    CHECK(!payload->last || stream->expected_bytes == UINT64_MAX ||
          of->received_bytes == stream->expected_bytes);
    if (payload->trailers != NULL) {
        CHECK(payload->last);
        oracle_fields_sound(payload->trailers);
    }
    oracle_act(of);
}

static void oracle_drained(struct h2_stream *stream)
{
    CHECK(h2_stream_room(stream) > 0);
    oracle_act(oracle_of(stream));
}

static void oracle_closed(struct h2_stream *stream, struct h2_end end)
{
    struct oracle_stream *of = oracle_of(stream);
    CHECK(stream->session == NULL && stream->out == NULL && stream->trailers == NULL);
    /* an end without an error is whole, or the server's early one */
    CHECK(end.code != H2_NO_ERROR || of->ended || end.remote || oracle.server);
    of->used = false;
}

static void oracle_allowed(void *owner, uint32_t streams_count)
{
    CHECK(owner == &oracle && !oracle.server);
    (void)streams_count;
}

static void oracle_going_away(void *owner, uint32_t code)
{
    CHECK(owner == &oracle);
    (void)code;
}

static void oracle_pong(void *owner)
{
    CHECK(owner == &oracle && !oracle.server);
}

static void oracle_wants_pull(void *owner)
{
    CHECK(owner == &oracle && h2_session_has_output(oracle.session));
}

static const struct h2_events oracle_events = {.opened = oracle_opened,
                                               .request = oracle_request,
                                               .response = oracle_response,
                                               .allowed = oracle_allowed,
                                               .going_away = oracle_going_away,
                                               .pong = oracle_pong,
                                               .payload = oracle_payload,
                                               .drained = oracle_drained,
                                               .closed = oracle_closed,
                                               .wants_pull = oracle_wants_pull};

/* ---- what is written ---- */

static void oracle_frame_begins(void)
{
    const unsigned char *head = oracle.frame_head;
    oracle.frame_left = (uint32_t)head[0] << 16 | (uint32_t)head[1] << 8 | head[2];
    CHECK(oracle.frame_left <= 16384);   /* RFC 9113 4.2 */
    CHECK(head[3] <= 9 && head[3] != 5); /* no PUSH_PROMISE */
    uint32_t id = (uint32_t)(head[5] & 0x7f) << 24 | (uint32_t)head[6] << 16 |
                  (uint32_t)head[7] << 8 | head[8];
    bool connection = head[3] == 4 || head[3] == 6 || head[3] == 7;
    CHECK(head[3] == 8 || connection == (id == 0));
    CHECK(id % 2 == 1 || id == 0 ||
          (head[3] == 3 && !oracle.server)); /* a promised stream is refused */
}

/* Whole frames one behind the other, whatever the pieces in which they are pulled. */
static void oracle_written(const char *bytes, size_t length)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    for (size_t at = 0; at < length; at++) {
        if (!oracle.server && oracle.preface_bytes < 24) {
            CHECK(bytes[at] == preface[oracle.preface_bytes]);
            oracle.preface_bytes++;
        } else if (oracle.frame_left > 0) {
            size_t skip = oracle.frame_left < length - at ? oracle.frame_left : length - at;
            oracle.frame_left -= (uint32_t)skip;
            at += skip - 1;
        } else {
            oracle.frame_head[oracle.frame_head_bytes++] = (unsigned char)bytes[at];
            if (oracle.frame_head_bytes == 9) {
                oracle.frame_head_bytes = 0;
                oracle_frame_begins();
            }
        }
    }
}

static void oracle_pull(void)
{
    static char space[H2_PULL_BYTES];
    for (unsigned i = 0; i < 8 && h2_session_has_output(oracle.session); i++) {
        size_t length = h2_session_pull(oracle.session, space, sizeof space);
        CHECK(length <= sizeof space);
        oracle_written(space, length);
    }
}

/* ---- what arrives ---- */

struct oracle_wire {
    char bytes[ORACLE_WIRE_BYTES];
    size_t length;
};

static void oracle_put(struct oracle_wire *wire, const void *bytes, size_t length)
{
    if (length <= sizeof wire->bytes - wire->length) {
        memcpy(wire->bytes + wire->length, bytes, length);
        wire->length += length;
    }
}

static void oracle_put_string(struct oracle_wire *wire, const uint8_t *bytes, size_t length)
{
    const uint8_t prefix = (uint8_t)length;
    oracle_put(wire, &prefix, 1); /* below 127: one byte, no Huffman code (RFC 7541 5.2) */
    oracle_put(wire, bytes, length);
}

/* Lines "name=value" as literals that are not indexed (RFC 7541 6.2.2). A line of one byte is an indexed field (6.1). */
static void oracle_put_block(struct oracle_wire *wire, const uint8_t *text, size_t length)
{
    const uint8_t *end = text + length;
    while (text < end) {
        const uint8_t *line_end = memchr(text, '\n', (size_t)(end - text));
        line_end = line_end != NULL ? line_end : end;
        const uint8_t *sign = memchr(text, '=', (size_t)(line_end - text));
        size_t name_bytes = (size_t)((sign != NULL ? sign : line_end) - text);
        size_t value_bytes = sign != NULL ? (size_t)(line_end - sign - 1) : 0;
        if (line_end - text == 1) {
            const uint8_t index = *text | 0x80;
            oracle_put(wire, &index, 1);
        } else if (name_bytes < 127 && value_bytes < 127) {
            oracle_put(wire, "", 1);
            oracle_put_string(wire, text, name_bytes);
            oracle_put_string(wire, sign != NULL ? sign + 1 : line_end, value_bytes);
        }
        text = line_end + (line_end < end);
    }
}

/* A list of frames: type (and whether a block is text), flags, stream, length, payload. */
static void oracle_put_frames(struct oracle_wire *wire, const uint8_t *input, size_t length)
{
    static struct oracle_wire payload;
    while (length >= 4) {
        size_t wanted = input[3] < length - 4 ? input[3] : length - 4;
        payload.length = 0;
        if (input[0] & 0x80) {
            oracle_put_block(&payload, input + 4, wanted);
        } else {
            oracle_put(&payload, input + 4, wanted);
        }
        const uint8_t head[9] = {(uint8_t)(payload.length >> 16),
                                 (uint8_t)(payload.length >> 8),
                                 (uint8_t)payload.length,
                                 (input[0] & 0x7f) % 18,
                                 input[1],
                                 0,
                                 0,
                                 0,
                                 input[2] & 0x1f};
        oracle_put(wire, head, sizeof head);
        oracle_put(wire, payload.bytes, payload.length);
        input += 4 + wanted;
        length -= 4 + wanted;
    }
}

/* Takes the wire in pieces by a number, and acts between them. */
static void oracle_take(const struct oracle_wire *wire, uint8_t pieces)
{
    for (size_t at = 0, n; at < wire->length; at += n) {
        n = pieces == 0 ? wire->length : 1 + oracle_next(pieces * 4u);
        n = n < wire->length - at ? n : wire->length - at;
        if (h2_session_take(oracle.session, wire->bytes + at, n, at) == H2_OVER) {
            CHECK(h2_session_is_over(oracle.session));
            break;
        }
        oracle_act_on_any();
        if (oracle_next(2)) {
            oracle_pull();
        }
    }
    oracle_pull();
    oracle_act_on_any();
    oracle_pull();
}

static void oracle_begin(enum h2_role role)
{
    memset(&oracle, 0, offsetof(struct oracle_session, bufs));
    oracle.server = role == H2_ROLE_SERVER;
    if (oracle.bufs == NULL) {
        bound_init(&oracle.bytes, "buffers_bytes", NULL, 16 * 1024 * 1024);
        oracle.bufs = buf_pool_create(&oracle.bytes);
    }
    const struct h2_env env = {.bufs = oracle.bufs,
                               .frame_space = oracle.server ? oracle.frame_space : NULL};
    oracle.session = h2_session_create(role, &oracle_limits, &env, &oracle_events, &oracle);
    CHECK(oracle.bufs != NULL && oracle.session != NULL);
}

static void oracle_end(void)
{
    h2_session_free(&oracle.session);
    CHECK(bound_used(&oracle.bytes) == 0);
}

/* Gives the session an input behind its preface. */
static void oracle_feed(const char *preface, size_t preface_bytes, const uint8_t *input,
                        size_t length)
{
    static struct oracle_wire wire;
    wire.length = 0;
    if (!(input[0] & 1)) {
        oracle_put(&wire, preface, preface_bytes);
    }
    if (input[0] & 2) {
        oracle_put(&wire, input + 3, length - 3);
    } else {
        oracle_put_frames(&wire, input + 3, length - 3);
    }
    oracle.number = input[2];
    oracle_take(&wire, input[1]);
}

#endif
