/*
 * Two HTTP/2 sessions back to back, a client's and a server's, which write down what they are told: a line for each event.
 *
 * Owns: both sessions, their pool and all streams. A test opens streams with rig_open(), answers with rig_answer(), moves
 * bytes with rig_pump(), and compares what each side was told with assert_told().
 */
#ifndef EVENKEEL_TESTS_UNIT_H2_RIG_H
#define EVENKEEL_TESTS_UNIT_H2_RIG_H

#include "proxy/http1/h1_parse.h"
#include "proxy/http2/h2_session.h"
#include "steady/container_of.h"
#include "tests/unit/unit.h"

#define RIG_UNUSED __attribute__((unused))
#define RIG_STREAMS 256
#define RIG_TOLD_BYTES (1024 * 1024)
#define RIG_MUCH_BYTES (64 * 1024)

struct rig_side;

struct rig_stream {
    struct h2_stream stream;
    struct rig_side *side;
    char text[32]; /* of its payload */
};

struct rig_side {
    struct h2_session *session;
    struct rig_stream streams[RIG_STREAMS]; /* in the order in which they were opened */
    unsigned streams_count;
    unsigned pulls_wanted;
    char *much; /* RIG_MUCH_BYTES, for what is pulled as soon as there is much; NULL: nothing is */
    size_t much_bytes;
    uint64_t payload_bytes;  /* received by all streams */
    unsigned payloads_count; /* events */
    uint32_t payload_hash;   /* rig_hash() of them, in the order in which they came */
    bool keeps;              /* payload is not taken */
    bool silent;             /* drained is not written down */
    bool refuses;            /* no stream for a request */
    bool over;
    char told[RIG_TOLD_BYTES];
    size_t told_bytes;
};

struct rig {
    struct rig_side client, server;
    struct bound bytes;
    struct buf_pool *bufs;
    struct h2_limits limits;
    char frame_space[H2_FRAME_BYTES];
    uint64_t now_ms;
    size_t step; /* bytes that are taken at a time; 0: all there are */
};

RIG_UNUSED __attribute__((format(printf, 2, 3))) static void rig_tell(struct rig_side *side,
                                                                      const char *form, ...)
{
    va_list values;
    va_start(values, form);
    size_t room = RIG_TOLD_BYTES - side->told_bytes;
    int length = vsnprintf(side->told + side->told_bytes, room, form, values);
    va_end(values);
    assert_true(length >= 0 && (size_t)length < room);
    side->told_bytes += (size_t)length;
}

/* What the side was told since the last time. */
RIG_UNUSED static void rig_assert_told(struct rig_side *side, const char *wanted, int line)
{
    if (strcmp(side->told, wanted) != 0) {
        fail_msg("line %d: told:\n%swanted:\n%s", line, side->told, wanted);
    }
    side->told_bytes = 0;
    side->told[0] = '\0';
}
#define assert_told(side, wanted) rig_assert_told((side), (wanted), __LINE__)

static struct rig_side *rig_side_of(const struct h2_stream *stream)
{
    return container_of(stream, struct rig_stream, stream)->side;
}

static unsigned rig_number(const struct h2_stream *stream)
{
    const struct rig_stream *of = container_of(stream, struct rig_stream, stream);
    return (unsigned)(of - of->side->streams);
}

/* Fields as HTTP/1 writes them; in brackets those that do not go on. */
static void rig_tell_fields(struct rig_side *side, const struct http_head *head)
{
    for (unsigned i = 0; i < head->field_count; i++) {
        const struct http_field *field = &head->fields[i];
        rig_tell(side, "  %s%.*s: %.*s%s\n", field->drop ? "[" : "", (int)field->name_bytes,
                 head->base + field->name_at, (int)field->value_bytes, head->base + field->value_at,
                 field->drop ? "]" : "");
    }
}

static void rig_tell_framing(struct rig_side *side, const struct http_head *head, bool last)
{
    static const char *const framings[] = {"none", "length", "chunked", "close"};
    rig_tell(side, " %s", framings[head->framing]);
    if (head->content_length > 0) {
        rig_tell(side, " %llu", (unsigned long long)head->content_length);
    }
    rig_tell(side, "%s%s%s\n", last ? " last" : "", head->facts & FACT_CANONICAL ? "" : " loose",
             head->facts & FACT_EXTENDED_CONNECT ? " extended" : "");
}

/* ---- events ---- */

static struct h2_stream *rig_opened(void *owner)
{
    struct rig_side *side = owner;
    if (side->refuses || side->streams_count == RIG_STREAMS) {
        return NULL;
    }
    side->streams[side->streams_count].side = side;
    return &side->streams[side->streams_count++].stream;
}

static void rig_request(struct h2_stream *stream, struct http_head *head, enum h2_fault fault,
                        bool last)
{
    struct rig_side *side = rig_side_of(stream);
    rig_tell(side, "%u request %.*s %.*s", rig_number(stream), (int)head->method_text.bytes,
             head_text(head, head->method_text), (int)head->target.bytes,
             head_text(head, head->target));
    rig_tell_framing(side, head, last);
    if (fault != H2_FAULT_NONE) {
        rig_tell(side, "  fault %s\n", h2_fault_name(fault));
    }
    rig_tell_fields(side, head);
}

static void rig_response(struct h2_stream *stream, struct http_head *head, bool last)
{
    struct rig_side *side = rig_side_of(stream);
    rig_tell(side, "%u response %u", rig_number(stream), head->status);
    rig_tell_framing(side, head, last);
    rig_tell_fields(side, head);
}

static uint32_t rig_hash(uint32_t hash, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        hash = hash * 31 + (unsigned char)bytes[i];
    }
    return hash;
}

/* Told once it is whole, because bytes arrive in pieces of any size. */
static void rig_payload(struct h2_stream *stream, const struct payload *payload)
{
    struct rig_side *side = rig_side_of(stream);
    struct rig_stream *of = container_of(stream, struct rig_stream, stream);
    size_t bytes = payload_bytes(payload);
    side->payload_bytes += bytes;
    side->payloads_count++;
    for (size_t i = 0; i < payload->count; i++) {
        side->payload_hash =
            rig_hash(side->payload_hash, payload->iov[i].iov_base, payload->iov[i].iov_len);
    }
    char *text = of->text + stream->received_bytes - bytes;
    for (size_t i = 0; i < payload->count && stream->received_bytes < sizeof of->text; i++) {
        memcpy(text, payload->iov[i].iov_base, payload->iov[i].iov_len);
        text += payload->iov[i].iov_len;
    }
    if (payload->last) {
        rig_tell(side, "%u payload %llu %s\n", rig_number(stream),
                 (unsigned long long)stream->received_bytes, of->text);
        if (payload->trailers != NULL) {
            rig_tell_fields(side, payload->trailers);
        }
    }
    if (!side->keeps) {
        h2_stream_taken(stream, bytes);
    }
}

static void rig_drained(struct h2_stream *stream)
{
    struct rig_side *side = rig_side_of(stream);
    if (!side->silent) {
        rig_tell(side, "%u drained\n", rig_number(stream));
    }
}

static void rig_closed(struct h2_stream *stream, struct h2_end end)
{
    struct rig_side *side = rig_side_of(stream);
    rig_tell(side, "%u closed %s%s%s\n", rig_number(stream), h2_code_name((enum h2_code)end.code),
             end.remote ? " remote" : "", end.unsent ? " unsent" : "");
}

static void rig_allowed(void *owner, uint32_t streams_count)
{
    rig_tell(owner, "allowed %u\n", streams_count);
}

static void rig_going_away(void *owner, uint32_t code)
{
    rig_tell(owner, "going away %s\n", h2_code_name((enum h2_code)code));
}

static void rig_pong(void *owner)
{
    rig_tell(owner, "pong\n");
}

static void rig_wants_pull(void *owner)
{
    struct rig_side *side = owner;
    side->pulls_wanted++;
}

static void rig_has_much(void *owner)
{
    struct rig_side *side = owner;
    if (side->much != NULL) {
        side->much_bytes = h2_session_pull(side->session, side->much, RIG_MUCH_BYTES);
    }
}

static const struct h2_events rig_events = {.opened = rig_opened,
                                            .request = rig_request,
                                            .response = rig_response,
                                            .allowed = rig_allowed,
                                            .going_away = rig_going_away,
                                            .pong = rig_pong,
                                            .payload = rig_payload,
                                            .drained = rig_drained,
                                            .closed = rig_closed,
                                            .wants_pull = rig_wants_pull,
                                            .has_much = rig_has_much};

/* ---- the connection ---- */

/* Bytes for a side, `step` at a time. */
RIG_UNUSED static void rig_feed(struct rig *rig, struct rig_side *side, const void *bytes,
                                size_t length)
{
    for (size_t at = 0, n; at < length && !side->over; at += n) {
        n = rig->step != 0 && rig->step < length - at ? rig->step : length - at;
        side->over =
            h2_session_take(side->session, (const char *)bytes + at, n, rig->now_ms) == H2_OVER;
    }
}

/* What a side has to send, to the other; false: nothing. */
RIG_UNUSED static bool rig_move(struct rig *rig, struct rig_side *from, struct rig_side *to)
{
    static char space[H2_PULL_BYTES];
    size_t length = h2_session_pull(from->session, space, sizeof space);
    rig_feed(rig, to, space, length);
    return length > 0;
}

/* Until neither side has anything to send. */
RIG_UNUSED static void rig_pump(struct rig *rig)
{
    bool moved = true;
    while (moved) {
        moved = rig_move(rig, &rig->client, &rig->server);
        moved = rig_move(rig, &rig->server, &rig->client) || moved;
    }
}

RIG_UNUSED static void rig_begin(struct rig *rig, const struct h2_limits *limits)
{
    memset(rig, 0, sizeof *rig);
    bound_init(&rig->bytes, "buffers_bytes", NULL, 64 * 1024 * 1024);
    rig->bufs = buf_pool_create(&rig->bytes);
    rig->limits = *limits;
    struct h2_env env = {.bufs = rig->bufs};
    rig->client.session =
        h2_session_create(H2_ROLE_CLIENT, limits, &env, &rig_events, &rig->client);
    env.frame_space = rig->frame_space;
    rig->server.session =
        h2_session_create(H2_ROLE_SERVER, limits, &env, &rig_events, &rig->server);
    assert_non_null(rig->client.session);
    assert_non_null(rig->server.session);
}

/* Sessions give back all that they had of the pool. */
RIG_UNUSED static void rig_end(struct rig *rig)
{
    h2_session_free(&rig->client.session);
    h2_session_free(&rig->server.session);
    assert_int_equal(bound_used(&rig->bytes), 0);
    buf_pool_free(rig->bufs);
}

static const struct h2_limits rig_limits = {.streams_count = 100,
                                            .window_bytes = 65535,
                                            .head_bytes = 16 * 1024,
                                            .fields_count = 100,
                                            .memory_bytes = 1024 * 1024};

/* ---- messages, written as heads of HTTP/1 ---- */

struct rig_head {
    struct http_head head;
    struct http_field fields[128];
};

RIG_UNUSED static void rig_parse(struct rig_head *parsed, const char *text, bool response)
{
    const struct h1_limits limits = {128 * 1024, 128};
    size_t scanned = 0;
    parsed->head = (struct http_head){.fields = parsed->fields, .field_limit = 128};
    enum h1_result result =
        response
            ? h1_parse_response(text, strlen(text), &limits, METHOD_GET, &scanned, &parsed->head)
            : h1_parse_request(text, strlen(text), &limits, &scanned, &parsed->head);
    assert_string_equal(h1_result_name(result), "ok");
}

/* A request by the client; NULL: no stream may be opened. */
RIG_UNUSED static struct h2_stream *rig_open(struct rig *rig, const char *text, bool last)
{
    struct rig_head parsed;
    struct rig_side *side = &rig->client;
    const struct added_fields none = {"", 0};
    rig_parse(&parsed, text, false);
    struct rig_stream *stream = &side->streams[side->streams_count];
    *stream = (struct rig_stream){.side = side};
    if (!h2_stream_open(side->session, &stream->stream, &parsed.head, &none, true, last)) {
        return NULL;
    }
    side->streams_count++;
    return &stream->stream;
}

RIG_UNUSED static void rig_answer(struct h2_stream *stream, const char *text, bool last)
{
    struct rig_head parsed;
    rig_parse(&parsed, text, true);
    assert_true(h2_stream_answer(stream, &parsed.head, NULL, last));
}

RIG_UNUSED static enum sink rig_give(struct h2_stream *stream, const void *bytes, size_t length,
                                     bool last)
{
    const struct iovec piece = {(void *)(uintptr_t)bytes, length};
    const struct payload payload = {.iov = &piece, .count = length > 0, .last = last};
    return h2_stream_give(stream, &payload);
}

#endif
