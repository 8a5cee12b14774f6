/* A request as a stream, and its response. h2_connection.c speaks for all streams of a connection. */
#include "proxy/upstream/h2_upstream.h"

#include <stdio.h>
#include <string.h>

#include "pool/upstream.h"
#include "proxy/upstream/h2_connection.h"
#include "proxy/worker/worker.h"
#include "steady/check.h"

/* The most that is passed on before other connections get their turn. */
#define TURN_BYTES (64u * 1024)
#define FRAME_MOST_BYTES 16384u /* RFC 9113 4.2: SETTINGS_MAX_FRAME_SIZE, which is not changed */

static const struct upstream_ops h2_upstream_ops;

static struct h2_upstream *upstream_of(struct upstream_side *side)
{
    return container_of(side, struct h2_upstream, side);
}

static struct h2_upstream *upstream_of_stream(struct h2_stream *stream)
{
    return container_of(stream, struct h2_upstream, stream);
}

static void run(struct deferred *deferred);

void h2_upstream_init(struct h2_upstream *upstream, const struct upstream_events *events,
                      void *owner, struct worker *worker)
{
    upstream->side.ops = &h2_upstream_ops;
    upstream->side.events = events;
    upstream->side.owner = owner;
    upstream->side.worker = worker;
    upstream->deferred.run = run;
}

void h2_upstream_begin(struct h2_upstream *upstream, struct lease *lease)
{
    upstream->side.lease = lease;
    upstream->connection = h2_connection_of(lease);
    upstream->state = H2_UPSTREAM_HEAD;
}

static void run_later(struct h2_upstream *upstream)
{
    loop_defer(&upstream->side.worker->loop, &upstream->deferred);
}

/* ---- the request ---- */

/* A request of HTTP/1.0 without Host still needs an authority (RFC 9113 8.3.1): it names the endpoint. */
static __attribute__((noinline)) bool name_endpoint(const struct h2_upstream *upstream,
                                                    struct added_fields *added)
{
    const struct endpoint *endpoint = upstream->side.lease->endpoint;
    char *space = upstream->side.worker->write_scratch;
    int written = snprintf(space, WORKER_HEAD_BYTES, "Host: %s\r\n", endpoint_authority(endpoint));
    if (written < 0 || (size_t)written + added->bytes > WORKER_HEAD_BYTES) {
        return false;
    }
    memcpy(space + written, added->lines, added->bytes);
    *added = (struct added_fields){space, (size_t)written + added->bytes};
    return true;
}

static enum sink give(struct h2_upstream *upstream, const struct payload *payload)
{
    struct upstream_side *side = &upstream->side;
    upstream->request_whole = payload->last;
    enum sink sink = h2_stream_give(&upstream->stream, payload);
    if (sink == SINK_BROKEN) {
        side->events->failed(side->owner, REASON_NO_MEMORY, NULL);
    }
    return sink;
}

static enum sink send_head(struct upstream_side *side, const struct http_head *head,
                           const struct added_fields *added, const struct payload *payload)
{
    struct h2_upstream *upstream = upstream_of(side);
    struct added_fields fields = *added;
    bool more = !payload->last || payload->count > 0 || payload->trailers != NULL;
    if (__builtin_expect(head->host.bytes == 0, 0) && !name_endpoint(upstream, &fields)) {
        side->events->failed(side->owner, REASON_HEAD_TOO_LARGE, NULL);
        return SINK_BROKEN;
    }
    if (!h2_connection_open_stream(upstream->connection, upstream, head, &fields, !more)) {
        h2_upstream_over(upstream, H2_UPSTREAM_UNSENT, H2_REFUSED_STREAM);
        return SINK_FULL;
    }
    side->touched = true;
    upstream->request_whole = !more;
    return payload->count > 0 || (more && payload->last) ? give(upstream, payload) : SINK_OPEN;
}

static enum sink send_payload(struct upstream_side *side, const struct payload *payload)
{
    struct h2_upstream *upstream = upstream_of(side);
    if (upstream->stream.session == NULL) { /* how it ended is told soon */
        return SINK_FULL;
    }
    return give(upstream, payload);
}

void h2_upstream_on_drained(struct h2_stream *stream)
{
    struct upstream_side *side = &upstream_of_stream(stream)->side;
    side->events->request_moved(side->owner);
    if (upstream_of_stream(stream)->request_whole) {
        side->events->request_sent(side->owner);
    } else {
        side->events->request_drained(side->owner);
    }
}

/* ---- the response ---- */

/* A head outlives its event in a buffer, with its fields and bytes. NULL: no memory. */
static struct buf *keep_head(const struct h2_upstream *upstream, const struct http_head *head)
{
    struct buf *kept =
        buf_take(upstream->side.worker->bufs, sizeof(struct http_head) + head_copy_bytes(head));
    if (kept != NULL) {
        struct http_head *copy = (struct http_head *)(void *)kept->bytes;
        head_copy(head, copy, copy + 1);
    }
    return kept;
}

static const struct http_head *kept_head(const struct buf *kept)
{
    return kept == NULL ? NULL : (const struct http_head *)(const void *)kept->bytes;
}

static bool pass_head(const struct upstream_side *side, const struct http_head *head,
                      const struct payload *payload)
{
    if (side->events->final(side->owner, head)) {
        return side->events->response(side->owner, head, payload) != SINK_BROKEN;
    }
    side->events->dropped(side->owner);
    return false;
}

/* The first payload goes on together with the head. False: the request is over. */
static bool pass_part(struct h2_upstream *upstream, const struct payload *payload)
{
    struct upstream_side *side = &upstream->side;
    struct buf_pool *bufs = side->worker->bufs;
    struct buf *head = upstream->head;
    if (head == NULL) {
        return side->events->payload(side->owner, payload) != SINK_BROKEN;
    }
    upstream->head = NULL;
    side->answered = true;
    bool goes_on = pass_head(side, kept_head(head), payload);
    buf_give(bufs, &head);
    return goes_on;
}

/* What was passed on opens the stream's window again. False: the request is over. */
static bool pass(struct h2_upstream *upstream, const struct payload *payload)
{
    const struct upstream_side *side = &upstream->side;
    const struct lease *lease = side->lease;
    size_t bytes = payload_bytes(payload);
    if (!pass_part(upstream, payload) || side->lease != lease) {
        return false;
    }
    h2_stream_taken(&upstream->stream, bytes);
    return true;
}

/* A head with payload behind it waits for that until the end of the pass: most often both go on at once. If the stream
   breaks before, nothing of it has been passed on, and the request may be sent again. */
void h2_upstream_on_response(struct h2_stream *stream, struct http_head *head, bool last)
{
    static const struct payload end = {.last = true};
    struct h2_upstream *upstream = upstream_of_stream(stream);
    struct upstream_side *side = &upstream->side;
    h2_connection_answered(upstream->connection);
    if (head->status < 200) {
        side->answered = true;
        side->events->interim(side->owner, head);
        return;
    }
    upstream->state = last ? H2_UPSTREAM_WHOLE : H2_UPSTREAM_BODY;
    if (last) {
        side->answered = true;
        (void)pass_head(side, head, &end);
        return;
    }
    upstream->head = keep_head(upstream, head);
    if (upstream->head != NULL) {
        run_later(upstream);
    } else {
        side->events->failed(side->owner, REASON_NO_MEMORY, NULL);
    }
}

/* The end of the response cannot be told before its payload. */
static bool keep(struct h2_upstream *upstream, const struct payload *payload)
{
    if (!iov_keep(upstream->side.worker->bufs, &upstream->in, payload->iov, payload->count, 0)) {
        return false;
    }
    if (payload->trailers != NULL) {
        upstream->trailers = keep_head(upstream, payload->trailers);
    }
    return (payload->trailers == NULL) == (upstream->trailers == NULL);
}

/* As much as the other side takes, or a frame more than that. */
static bool is_taken(const struct payload *payload, size_t room)
{
    size_t bytes = payload_bytes(payload);
    return room > 0 && (bytes <= room || bytes <= FRAME_MOST_BYTES);
}

void h2_upstream_on_payload(struct h2_stream *stream, const struct payload *payload)
{
    struct h2_upstream *upstream = upstream_of_stream(stream);
    struct upstream_side *side = &upstream->side;
    h2_connection_answered(upstream->connection);
    if (payload->last) {
        upstream->state = H2_UPSTREAM_WHOLE;
    }
    size_t room = upstream->in == NULL ? side->events->room(side->owner) : 0;
    if (is_taken(payload, room)) {
        (void)pass(upstream, payload);
    } else if (payload->count == 0 && payload->trailers == NULL) {
        run_later(upstream); /* the end, behind what is kept */
    } else if (!keep(upstream, payload)) {
        side->events->failed(side->owner, REASON_NO_MEMORY, NULL);
    } else if (room > 0) {
        run_later(upstream); /* a part of it goes on: only who had no room tells of it later */
    }
}

/* Passes on what is kept, as much as the other side takes. False: the request is over, or there is nothing to pass. */
static bool pass_kept(struct h2_upstream *upstream, size_t room)
{
    struct buf *in = upstream->in;
    size_t length = in != NULL ? buf_length(in) : 0, bytes = length < room ? length : room;
    const struct iovec piece = {in != NULL ? in->bytes + in->begin : NULL, bytes};
    bool last = upstream->state == H2_UPSTREAM_WHOLE && bytes == length;
    const struct payload payload = {&piece, bytes > 0, last,
                                    last ? kept_head(upstream->trailers) : NULL};
    bool any = bytes > 0 || last || upstream->head != NULL;
    if (!any || !pass(upstream, &payload)) {
        return false;
    }
    if (bytes > 0) {
        buf_consume(in, bytes);
    }
    if (in != NULL && buf_length(in) == 0) {
        buf_give(upstream->side.worker->bufs, &upstream->in);
    }
    return true;
}

static void pass_on(struct h2_upstream *upstream)
{
    const struct upstream_side *side = &upstream->side;
    for (size_t left = TURN_BYTES; left > 0;) {
        size_t room = side->events->room(side->owner);
        room = room < left ? room : left;
        if (room == 0 || !pass_kept(upstream, room)) {
            return;
        }
        left -= room;
        if (upstream->in == NULL) {
            return;
        }
    }
    run_later(upstream);
}

static void read_on(struct upstream_side *side)
{
    struct h2_upstream *upstream = upstream_of(side);
    if (side->lease != NULL) {
        run_later(upstream);
    }
}

/* ---- the end ---- */

/* A whole response is a success, however the stream ended: the endpoint wants no more of the request (RFC 9113 8.1). */
void h2_upstream_over(struct h2_upstream *upstream, enum h2_upstream_state state, uint32_t code)
{
    upstream->side.broken = true;
    if (upstream->state != H2_UPSTREAM_WHOLE) {
        upstream->state = (uint8_t)state;
        upstream->code = code;
    }
    run_later(upstream);
}

static void tell_unsent(struct h2_upstream *upstream)
{
    struct upstream_side *side = &upstream->side;
    side->touched = false;
    side->events->unsent(side->owner, upstream->event, h2_code_name((enum h2_code)upstream->code));
}

static void tell_broken(const struct h2_upstream *upstream)
{
    const struct upstream_side *side = &upstream->side;
    const char *detail =
        upstream->state == H2_UPSTREAM_CUT ? NULL : h2_code_name((enum h2_code)upstream->code);
    if (side->answered) {
        side->events->failed(side->owner, REASON_UPSTREAM_INCOMPLETE, detail);
    } else if (upstream->state == H2_UPSTREAM_CUT) {
        side->events->dead(side->owner);
    } else {
        side->events->failed(side->owner, REASON_UPSTREAM_RESET, detail);
    }
}

static void run(struct deferred *deferred)
{
    struct h2_upstream *upstream = container_of(deferred, struct h2_upstream, deferred);
    const struct upstream_side *side = &upstream->side;
    switch ((enum h2_upstream_state)upstream->state) {
    case H2_UPSTREAM_BODY:
    case H2_UPSTREAM_WHOLE: pass_on(upstream); break;
    case H2_UPSTREAM_UNSENT: tell_unsent(upstream); break;
    case H2_UPSTREAM_INVALID:
        side->events->failed(side->owner, REASON_UPSTREAM_INVALID,
                             h2_code_name((enum h2_code)upstream->code));
        break;
    case H2_UPSTREAM_RESET:
    case H2_UPSTREAM_CUT: tell_broken(upstream); break;
    case H2_UPSTREAM_HEAD:
    case H2_UPSTREAM_NONE: break;
    }
}

/* A stream that is not over is cancelled. The connection goes on without it. */
static void end(struct upstream_side *side)
{
    struct h2_upstream *upstream = upstream_of(side);
    struct worker *worker = side->worker;
    loop_defer_cancel(&worker->loop, &upstream->deferred);
    h2_connection_leave_stream(upstream->connection, upstream);
    buf_give(worker->bufs, &upstream->head);
    buf_give(worker->bufs, &upstream->in);
    buf_give(worker->bufs, &upstream->trailers);
    upstream->state = H2_UPSTREAM_NONE;
    lease_return(worker->pool, &side->lease);
}

/* ---- what only HTTP/1 has ---- */

static enum sink send_raw(struct upstream_side *side, const struct iovec *iov, size_t count)
{
    (void)side;
    (void)iov;
    (void)count;
    return SINK_FULL;
}

static void end_raw(struct upstream_side *side)
{
    (void)side;
}

static bool never(const struct upstream_side *side)
{
    (void)side;
    return false;
}

static const struct upstream_ops h2_upstream_ops = {
    .refuses = true,
    .send_head = send_head,
    .send_payload = send_payload,
    .send_raw = send_raw,
    .end_raw = end_raw,
    .raw_over = never,
    .piped = never,
    .read_on = read_on,
    .end = end,
};
