/* Streams of an HTTP/2 client: a request becomes an exchange, its payload goes as far as the exchange takes it, and what the exchange
   asks of its client becomes frames. */
#include "proxy/client/h2_client.h"
#include "proxy/http/grpc_words.h"
#include "steady/check.h"
#include "steady/deadline.h"

/* A client that is answered before it has sent its whole request goes on sending for a moment. RST_STREAM comes only then: curl 7 drops
   an answer that has arrived together with it. */
#define LINGER_MS 1000
#define SMALL_PIECE_BYTES 1024u

static void client_stream_on_deferred(struct deferred *deferred);
static void client_stream_on_stalled(struct wheel_timer *timer, uint64_t now_ms);

static struct client_stream *stream_of(struct h2_stream *wire)
{
    return container_of(wire, struct client_stream, wire);
}

static struct client_stream *stream_of_exchange(const struct exchange *exchange)
{
    return exchange->owner;
}

static struct client *client_of_stream(const struct client_stream *stream)
{
    return stream->h2->client;
}

static struct worker *worker_of_stream(const struct client_stream *stream)
{
    return client_of_stream(stream)->origin.worker;
}

/* ---- its life ---- */

size_t client_stream_object_bytes(void)
{
    return sizeof(struct client_stream);
}

static void client_stream_free_now(struct deferred_free *freed, void *owner)
{
    struct client_stream *stream = container_of(freed, struct client_stream, freed);
    struct worker *worker = owner;
    slab_give(worker->open.streams, &stream);
}

static void client_stream_enter(struct client_stream *stream, enum client_stream_state state)
{
    struct worker *worker = worker_of_stream(stream);
    stream->state = (uint8_t)state;
    if (state != CLIENT_STREAM_OVER) {
        return;
    }
    CHECK(stream->exchange == NULL);
    if (stream->tunnel) {
        stat_sub(&worker->stats.tunnels_open, 1);
    }
    buf_give(worker->bufs, &stream->in);
    buf_give(worker->bufs, &stream->trailers);
    wheel_disarm(&worker->loop.wheel, &stream->stalled);
    loop_defer_cancel(&worker->loop, &stream->deferred);
    TAILQ_REMOVE(&stream->h2->streams, stream, link);
    stat_sub(&worker->stats.h2_streams_open, 1);
    loop_free_later(&worker->loop, &stream->freed, client_stream_free_now);
    if (!stream->h2->pulls) { /* else whoever pulls settles what is left */
        client_run_soon(client_of_stream(stream));
    }
}

/* Nothing more is sent of it. */
static void client_stream_reset(struct client_stream *stream, enum h2_code code)
{
    if (stream->state != CLIENT_STREAM_CLOSED) {
        stat_add(&worker_of_stream(stream)->stats.h2_resets_sent, 1);
        h2_stream_reset(&stream->wire, code);
    }
    client_stream_enter(stream, CLIENT_STREAM_OVER);
}

void client_stream_end(struct client_stream *stream, enum exchange_reason reason)
{
    if (stream->exchange != NULL) {
        exchange_finish(stream->exchange, reason);
    } else {
        client_stream_reset(stream, H2_CANCEL);
    }
}

struct h2_stream *client_stream_opened(void *owner)
{
    struct h2_client *h2 = owner;
    struct worker *worker = h2->client->origin.worker;
    struct client_stream *stream = slab_take_zeroed(worker->open.streams, sizeof *stream);
    if (stream == NULL) {
        return NULL;
    }
    stream->h2 = h2;
    stream->deferred.run = client_stream_on_deferred;
    wheel_timer_init(&stream->stalled, client_stream_on_stalled);
    TAILQ_INSERT_TAIL(&h2->streams, stream, link);
    stat_add(&worker->stats.h2_streams_open, 1);
    if (h2->client->state == CLIENT_IDLE) {
        client_enter(h2->client, CLIENT_EXCHANGE);
    }
    return &stream->wire;
}

/* ---- the request ---- */

static enum exchange_reason reason_of_fault(enum h2_fault fault)
{
    switch (fault) {
    case H2_FAULT_TARGET_TOO_LONG: return REASON_TARGET_TOO_LONG;
    case H2_FAULT_HEAD_TOO_LARGE:
    case H2_FAULT_TOO_MANY_FIELDS: return REASON_HEAD_TOO_LARGE;
    case H2_FAULT_EXPECTATION: return REASON_EXPECTATION_FAILED;
    case H2_FAULT_NONE:
    case H2_FAULT_INVALID: break;
    }
    return REASON_REQUEST_INVALID;
}

/* A place for an exchange is missing: the client may ask again. */
static void client_stream_refuse(struct client_stream *stream, enum exchange_reason reason,
                                 const char *detail, const struct http_head *seen)
{
    if (!exchange_refuse(&client_of_stream(stream)->origin, &client_stream_ops, stream, reason,
                         detail, seen, &stream->exchange)) {
        client_stream_reset(stream, H2_REFUSED_STREAM);
    }
}

static void client_stream_start(struct client_stream *stream, const struct http_head *head)
{
    /* what follows the head of an upgrade belongs to the tunnel */
    const struct payload payload = {NULL, 0, stream->whole || stream->upgrading, NULL};
    stream->passed = stream->whole && !stream->upgrading;
    if (!exchange_start(&client_of_stream(stream)->origin, &client_stream_ops, stream, head,
                        &payload, &stream->exchange)) {
        client_stream_reset(stream, H2_REFUSED_STREAM);
    }
}

void client_stream_on_request(struct h2_stream *wire, struct http_head *head, enum h2_fault fault,
                              bool last)
{
    struct client_stream *stream = stream_of(wire);
    struct client *client = client_of_stream(stream);
    struct http_head upgrade;
    client->served = true;
    stream->whole = last;
    stat_add(&client->origin.worker->stats.h2_requests, 1);
    client_judge(client);
    if (fault != H2_FAULT_NONE) {
        client_stream_refuse(stream, reason_of_fault(fault), h2_fault_name(fault), head);
        return;
    }
    if (client->stream.tls != NULL && client_is_misdirected(client, head)) {
        client_stream_refuse(stream, REASON_MISDIRECTED, NULL, head);
        return;
    }
    if (head->facts & FACT_EXTENDED_CONNECT) {
        stream->upgrading = true;
        if (!h2_tunnel_known(head)) {
            client_stream_refuse(stream, REASON_NOT_IMPLEMENTED, ":protocol", head);
            return;
        }
        if (!h2_tunnel_head(client->origin.worker, head, &upgrade)) {
            client_stream_refuse(stream, REASON_HEAD_TOO_LARGE, NULL, head);
            return;
        }
        head = &upgrade;
    }
    if (grpc_is_call(head)) {
        head->facts |= FACT_GRPC | FACT_TE_TRAILERS; /* servers insist on the field TE */
    }
    client_stream_start(stream, head);
}

/* ---- its payload ---- */

/* The bytes are valid until this returns, whatever becomes of the exchange. */
static void client_stream_pass(struct client_stream *stream, const struct payload *payload)
{
    struct exchange *exchange = stream->exchange;
    size_t bytes = payload_bytes(payload);
    stream->passed = payload->last;
    if (stream->state == CLIENT_STREAM_SERVED && bytes > 0) {
        h2_stream_taken(&stream->wire, bytes);
    }
    if (!stream->tunnel) {
        (void)exchange_request_payload(exchange, payload);
        return;
    }
    if (bytes > 0 && exchange_client_raw(exchange, payload->iov, payload->count) == SINK_BROKEN) {
        return;
    }
    if (payload->last) {
        exchange_client_raw_end(exchange);
    }
}

static bool client_stream_keep(struct client_stream *stream, const struct payload *payload)
{
    struct buf_pool *bufs = worker_of_stream(stream)->bufs;
    if (payload->trailers != NULL) {
        size_t bytes = sizeof *payload->trailers + head_copy_bytes(payload->trailers);
        stream->trailers = buf_take(bufs, bytes);
        if (stream->trailers == NULL) {
            return false;
        }
        struct http_head *copy = (struct http_head *)(void *)stream->trailers->bytes;
        head_copy(payload->trailers, copy, stream->trailers->bytes + sizeof *copy);
    }
    return payload_bytes(payload) == 0 ||
           iov_keep(bufs, &stream->in, payload->iov, payload->count, 0);
}

/* Whether payload can go on now: the exchange has room, and an upgrade has been answered. */
static bool client_stream_flows(const struct client_stream *stream)
{
    return stream->upgrading == stream->tunnel && exchange_request_room(stream->exchange) > 0;
}

/* Passes kept payload on. */
static void client_stream_go_on(struct client_stream *stream)
{
    struct worker *worker = worker_of_stream(stream);
    bool waits = !stream->passed && (stream->in != NULL || stream->whole);
    if (!waits || !client_stream_flows(stream)) {
        return;
    }
    struct buf *in = stream->in, *trailers = stream->trailers;
    const struct iovec piece = {in != NULL ? in->bytes + in->begin : NULL,
                                in != NULL ? buf_length(in) : 0};
    const struct http_head *head =
        trailers != NULL ? (const struct http_head *)(const void *)trailers->bytes : NULL;
    const struct payload payload = {&piece, in != NULL, stream->whole, head};
    stream->in = stream->trailers = NULL;
    client_stream_pass(stream, &payload);
    buf_give(worker->bufs, &in);
    buf_give(worker->bufs, &trailers);
}

static bool client_stream_exceeds(const struct client_stream *stream)
{
    return !stream->upgrading &&
           stream->wire.received_bytes > exchange_body_limit(stream->exchange);
}

/* The small pieces of a pass behind the first go on together at its end: each alone may be a system call, and a packet to the origin. */
static bool client_stream_gathers(struct client_stream *stream, const struct payload *payload)
{
    if (payload->last || payload_bytes(payload) >= SMALL_PIECE_BYTES) {
        return false;
    }
    bool gathers = stream->deferred.queued;
    loop_defer(&worker_of_stream(stream)->loop, &stream->deferred);
    return gathers;
}

void client_stream_on_payload(struct h2_stream *wire, const struct payload *payload)
{
    struct client_stream *stream = stream_of(wire);
    size_t bytes = payload_bytes(payload);
    stream->whole = stream->whole || payload->last;
    if (stream->state == CLIENT_STREAM_LINGERS) {
        return; /* no more than its window */
    }
    if (stream->exchange == NULL) {
        h2_stream_taken(wire, bytes);
    } else if (client_stream_exceeds(stream)) {
        h2_stream_taken(wire, bytes);
        exchange_fail(stream->exchange, REASON_BODY_TOO_LARGE, NULL);
    } else if (stream->in == NULL && client_stream_flows(stream) &&
               !client_stream_gathers(stream, payload)) {
        client_stream_pass(stream, payload);
    } else if (!client_stream_keep(stream, payload)) {
        client_stream_end(stream, REASON_NO_MEMORY);
    }
}

static void client_stream_on_deferred(struct deferred *deferred)
{
    struct client_stream *stream = container_of(deferred, struct client_stream, deferred);
    if (stream->state == CLIENT_STREAM_CLOSED && !stream->tunnel) {
        client_stream_end(stream, REASON_CLIENT_ABORT);
    } else if (stream->exchange != NULL) {
        client_stream_go_on(stream);
    }
}

void client_stream_on_closed(struct h2_stream *wire, struct h2_end end)
{
    struct client_stream *stream = stream_of(wire);
    struct worker *worker = worker_of_stream(stream);
    bool broken = end.remote || end.code != H2_NO_ERROR; /* a client may reset with NO_ERROR, too */
    stat_add(&worker->stats.h2_resets_received, end.remote);
    client_stream_enter(stream, CLIENT_STREAM_CLOSED);
    /* of a tunnel whose directions have both ended, the last bytes may still be on their way to the origin */
    if (broken && stream->tunnel) {
        stream->tunnel = false;
        stat_sub(&worker->stats.tunnels_open, 1);
    }
    if (stream->exchange == NULL) {
        client_stream_enter(stream, CLIENT_STREAM_OVER);
    } else if (broken && !stream->h2->pulls) {
        /* at once: a client that opens and resets streams would have more exchanges than it may have streams */
        client_stream_end(stream, REASON_CLIENT_ABORT);
    } else {
        loop_defer(&worker->loop, &stream->deferred);
    }
}

/* ---- the response ---- */

/* The client has a window of its own for each stream: one that stays closed is found here, also when the exchange is over. */
static void client_stream_watch(struct client_stream *stream)
{
    struct client *client = client_of_stream(stream);
    struct worker *worker = client->origin.worker;
    stream->seen_bytes = stream->wire.sent_bytes;
    wheel_arm(&worker->loop.wheel, &stream->stalled,
              deadline_after(worker_now_ms(worker), client->listener->view.timeouts.send_ms));
}

/* Whether anything waits to be sent, here or at the upstream. */
static bool client_stream_waits(const struct client_stream *stream)
{
    return stream->wire.out != NULL || stream->exchange == NULL || stream->exchange->response.full;
}

/* A stream that only waits for its turn is not its client's fault, nor is one that the socket holds back: the client's own timer
   watches that. */
static void client_stream_on_stalled(struct wheel_timer *timer, uint64_t now_ms)
{
    struct client_stream *stream = container_of(timer, struct client_stream, stalled);
    (void)now_ms;
    if (stream->state == CLIENT_STREAM_LINGERS) {
        client_stream_enter(stream, CLIENT_STREAM_ANSWERED);
        client_stream_watch(stream);
        h2_stream_reset(&stream->wire, H2_NO_ERROR);
        return;
    }
    bool stalled = client_stream_waits(stream) && h2_stream_is_held(&stream->wire) &&
                   stream->wire.sent_bytes == stream->seen_bytes;
    if (!stalled) {
        client_stream_watch(stream);
        return;
    }
    stat_add(&worker_of_stream(stream)->stats.client_timeouts, 1);
    client_stream_end(stream, REASON_CLIENT_STALLED);
}

static enum sink client_stream_give(struct client_stream *stream, const struct payload *payload)
{
    if (stream->state != CLIENT_STREAM_SERVED) {
        return SINK_OPEN; /* the end of the exchange is deferred */
    }
    enum sink sink = h2_stream_give(&stream->wire, payload);
    if (stream->state == CLIENT_STREAM_OVER) {
        return SINK_BROKEN;
    }
    if (sink == SINK_BROKEN) {
        client_stream_end(stream, REASON_NO_MEMORY);
    } else if (sink == SINK_FULL) {
        client_stream_watch(stream);
    }
    return sink;
}

static enum sink client_stream_send_head(struct exchange *exchange, const struct http_head *head,
                                         const struct payload *payload)
{
    static const struct payload nothing = {NULL, 0, true, NULL};
    struct client_stream *stream = stream_of_exchange(exchange);
    struct own_response own;
    if (stream->upgrading && head->status / 100 == 2) {
        head = h2_tunnel_refusal(exchange, &own);
        if (client_stream_send_head(exchange, head, &nothing) != SINK_BROKEN) {
            exchange->response.intact = true;
            exchange_finish(exchange, REASON_UPGRADE_FAILED);
        }
        return SINK_BROKEN;
    }
    if (stream->state != CLIENT_STREAM_SERVED) {
        return SINK_OPEN;
    }
    bool bare = payload->last && payload->trailers == NULL && payload_bytes(payload) == 0;
    const char *date = head_has(head, FIELD_DATE) ? NULL : worker_date(worker_of_stream(stream));
    if (!h2_stream_answer(&stream->wire, head, date, bare)) {
        client_stream_end(stream, REASON_NO_MEMORY);
        return SINK_BROKEN;
    }
    bool empty = !payload->last && payload_bytes(payload) == 0;
    return bare || empty ? SINK_OPEN : client_stream_give(stream, payload);
}

static enum sink client_stream_send_payload(struct exchange *exchange,
                                            const struct payload *payload)
{
    return client_stream_give(stream_of_exchange(exchange), payload);
}

static enum sink client_stream_send_interim(struct exchange *exchange, const struct http_head *head)
{
    struct client_stream *stream = stream_of_exchange(exchange);
    if (stream->state == CLIENT_STREAM_SERVED &&
        !h2_stream_answer(&stream->wire, head, NULL, false)) {
        client_stream_end(stream, REASON_NO_MEMORY);
        return SINK_BROKEN;
    }
    return SINK_OPEN;
}

static enum sink client_stream_send_upgrade(struct exchange *exchange, const struct http_head *head)
{
    struct client_stream *stream = stream_of_exchange(exchange);
    struct worker_stats *stats = &worker_of_stream(stream)->stats;
    const struct http_head answer = h2_tunnel_answer(head);
    if (stream->state != CLIENT_STREAM_SERVED) {
        return SINK_OPEN;
    }
    stream->tunnel = true;
    stat_add(&stats->tunnels_open, 1);
    stat_add(&stats->tunnels, 1);
    if (!h2_stream_answer(&stream->wire, &answer, worker_date(exchange->worker), false)) {
        client_stream_end(stream, REASON_NO_MEMORY);
        return SINK_BROKEN;
    }
    return SINK_OPEN;
}

static enum sink client_stream_send_raw(struct exchange *exchange, const struct iovec *iov,
                                        size_t count)
{
    const struct payload payload = {iov, count, false, NULL};
    return client_stream_give(stream_of_exchange(exchange), &payload);
}

static void client_stream_end_raw(struct exchange *exchange)
{
    static const struct payload end = {NULL, 0, true, NULL};
    (void)client_stream_give(stream_of_exchange(exchange), &end);
}

static size_t client_stream_room(struct exchange *exchange)
{
    struct client_stream *stream = stream_of_exchange(exchange);
    if (stream->state != CLIENT_STREAM_SERVED) {
        return 0;
    }
    if (client_of_stream(stream)->duplex.out != NULL) {
        stream->paused = true;
        return 0;
    }
    size_t most =
        worker_has_ample_buffers(exchange->worker) ? WORKER_READ_BYTES : WORKER_TIGHT_BYTES;
    size_t room = h2_stream_room(&stream->wire);
    if (room == 0 && exchange->response.status == 0) {
        return WORKER_TIGHT_BYTES; /* no window holds a head back */
    }
    if (room == 0) {
        client_stream_watch(stream);
    }
    return room < most ? room : most;
}

void client_stream_resume(struct client_stream *stream)
{
    if (stream->paused) {
        stream->paused = false;
        client_stream_on_drained(&stream->wire);
    }
}

void client_stream_on_drained(struct h2_stream *wire)
{
    struct client_stream *stream = stream_of(wire);
    if (stream->exchange != NULL && stream->state == CLIENT_STREAM_SERVED && !stream->paused) {
        exchange_client_drained(stream->exchange);
    }
}

static void client_stream_read_on(struct exchange *exchange)
{
    struct client_stream *stream = stream_of_exchange(exchange);
    loop_defer(&exchange->worker->loop, &stream->deferred);
}

static int client_stream_splice_fd(struct exchange *exchange)
{
    (void)exchange;
    return -1;
}

/* Those of all streams. */
static uint32_t client_stream_untaken(struct exchange *exchange)
{
    return stream_untaken_bytes(&client_of_stream(stream_of_exchange(exchange))->stream);
}

static size_t client_stream_proxy_header(struct exchange *exchange, char *space)
{
    return client_write_proxy_header(client_of_stream(stream_of_exchange(exchange)), exchange,
                                     space);
}

/* Whatever happens to the stream or its connection is read, also beside the exchange. Only a reset that came together with the
   last bytes makes no event of its own. */
static bool client_stream_gone(struct exchange *exchange)
{
    struct client_stream *stream = stream_of_exchange(exchange);
    struct client *client = client_of_stream(stream);
    if (client->duplex.suspect) {
        client->duplex.readable = true;
        client_run_soon(client);
    }
    return stream->state == CLIENT_STREAM_CLOSED;
}

static int64_t client_stream_id(const struct exchange *exchange)
{
    return stream_of_exchange(exchange)->wire.id;
}

/* What the client is told of a response that breaks off. */
static enum h2_code code_of_reason(enum exchange_reason reason)
{
    switch ((unsigned)reason) {
    case REASON_CLIENT_ABORT:
    case REASON_CLIENT_STALLED:
    case REASON_DRAIN_CUT: return H2_CANCEL;
    default: return H2_INTERNAL_ERROR;
    }
}

static bool client_stream_gave_end(const struct client_stream *stream)
{
    return stream->wire.state == H2_STREAM_RECEIVE_ONLY || stream->wire.state == H2_STREAM_ENDING;
}

/* The rest of a request whose response is complete is not wanted; it may be on its way. */
static void client_stream_answered(struct client_stream *stream)
{
    struct worker *worker = worker_of_stream(stream);
    size_t kept_bytes = stream->in != NULL ? buf_length(stream->in) : 0;
    buf_give(worker->bufs, &stream->in);
    if (kept_bytes > 0) {
        h2_stream_taken(&stream->wire, kept_bytes);
    }
    static const struct payload end = {NULL, 0, true, NULL};
    /* a tunnel whose two ends have come together */
    bool ends = !client_stream_gave_end(stream);
    if (ends && h2_stream_give(&stream->wire, &end) == SINK_BROKEN) {
        client_stream_reset(stream, H2_INTERNAL_ERROR);
        return;
    }
    if (stream->whole) {
        client_stream_watch(stream);
        client_stream_enter(stream, CLIENT_STREAM_ANSWERED);
    } else {
        wheel_arm(&worker->loop.wheel, &stream->stalled,
                  deadline_after(worker_now_ms(worker), LINGER_MS));
        client_stream_enter(stream, CLIENT_STREAM_LINGERS);
    }
}

static void client_stream_finished(struct exchange *exchange, bool intact)
{
    struct client_stream *stream = stream_of_exchange(exchange);
    stream->exchange = NULL;
    if (stream->state == CLIENT_STREAM_CLOSED || !intact) {
        client_stream_reset(stream, code_of_reason((enum exchange_reason)exchange->reason));
    } else {
        client_stream_answered(stream);
    }
}

const struct downstream_ops client_stream_ops = {
    .protocol = "HTTP/2.0",
    .watches = true,
    .stream_id = client_stream_id,
    .send_head = client_stream_send_head,
    .send_payload = client_stream_send_payload,
    .send_interim = client_stream_send_interim,
    .send_upgrade = client_stream_send_upgrade,
    .send_raw = client_stream_send_raw,
    .end_raw = client_stream_end_raw,
    .room = client_stream_room,
    .read_on = client_stream_read_on,
    .splice_fd = client_stream_splice_fd,
    .untaken = client_stream_untaken,
    .proxy_header = client_stream_proxy_header,
    .gone = client_stream_gone,
    .finished = client_stream_finished,
};
