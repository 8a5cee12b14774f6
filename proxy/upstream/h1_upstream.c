/* Sending the request, and the end of an exchange with the endpoint. h1_response.c reads the response. */
#include "proxy/upstream/h1_upstream.h"

#include <string.h>

#include "pool/proxy_header.h"
#include "pool/upstream.h"
#include "proxy/http1/h1_frame.h"
#include "proxy/http1/h1_write.h"
#include "proxy/upstream/h1_response.h"
#include "proxy/upstream/splice.h"
#include "proxy/worker/worker.h"

static const struct upstream_ops h1_upstream_ops;

static void h1_upstream_on_event(struct lease *lease, short what);

static struct h1_upstream *h1_upstream_of(struct upstream_side *side)
{
    return container_of(side, struct h1_upstream, side);
}

static void h1_upstream_on_deferred(struct deferred *deferred)
{
    h1_response_read(container_of(deferred, struct h1_upstream, deferred));
}

void h1_upstream_init(struct h1_upstream *upstream, const struct upstream_events *events,
                      void *owner, struct worker *worker)
{
    upstream->side.ops = &h1_upstream_ops;
    upstream->side.events = events;
    upstream->side.owner = owner;
    upstream->side.worker = worker;
    upstream->deferred.run = h1_upstream_on_deferred;
}

void h1_upstream_begin(struct h1_upstream *upstream, struct lease *lease)
{
    upstream->side.lease = lease;
    upstream->duplex.stream = lease->stream;
    upstream->state = H1_UPSTREAM_HEAD;
    lease->owner = upstream;
    lease->on_event = h1_upstream_on_event;
}

/* ---- the request ---- */

/* Sends bytes, or keeps those that the socket does not take. */
static enum sink h1_upstream_write(struct h1_upstream *upstream, const struct iovec *iov,
                                   size_t count)
{
    struct upstream_side *side = &upstream->side;
    struct worker *worker = side->worker;
    size_t sent;
    enum duplex_result result = duplex_send(&upstream->duplex, worker->bufs, iov, count, &sent);
    if (sent > 0) {
        side->touched = true;
        stat_add(&worker->stats.upstream_bytes_out, sent);
    }
    switch (result) {
    case DUPLEX_SENT: return SINK_OPEN;
    case DUPLEX_KEPT: return SINK_FULL;
    case DUPLEX_BROKEN:
        /* the response that came before, if any, decides how the exchange ends */
        side->broken = true;
        loop_defer(&worker->loop, &upstream->deferred);
        return SINK_FULL;
    case DUPLEX_NO_MEMORY: break;
    }
    side->events->failed(side->owner, REASON_NO_MEMORY, NULL);
    return SINK_BROKEN;
}

/* HTTP/1.0 allows a request without Host, but Evenkeel's request must have one (RFC 9112 3.2): it names the endpoint. */
static void write_endpoint_host(const struct endpoint *endpoint, struct h1_writer *writer)
{
    const char *authority = endpoint_authority(endpoint);
    h1_write_literal(writer, "Host: ");
    h1_write_bytes(writer, authority, strlen(authority));
    h1_write_literal(writer, "\r\n");
}

/* Writes the client's remaining Upgrade fields as one field. */
static __attribute__((noinline)) void write_upgrade(const struct http_head *head,
                                                    struct h1_writer *writer)
{
    const char *before = "Upgrade: ";
    h1_write_field_literal(writer, "Connection", "Upgrade");
    for (size_t i = 0; i < head->field_count; i++) {
        const struct http_field *field = &head->fields[i];
        if (field->id == FIELD_UPGRADE && field->value_bytes > 0) {
            h1_write_bytes(writer, before, strlen(before));
            h1_write_bytes(writer, head->base + field->value_at, field->value_bytes);
            before = ", ";
        }
    }
    h1_write_literal(writer, "\r\n");
}

/* Connection-specific fields are written anew, because they are Evenkeel's and not the client's (RFC 9110 7.6.1). */
static void write_connection(const struct http_head *head, struct h1_writer *writer)
{
    if (__builtin_expect(head->facts & FACT_UPGRADE, 0)) {
        write_upgrade(head, writer);
    } else if (head->facts & FACT_TE_TRAILERS) {
        h1_write_field_literal(writer, "Connection", "TE");
        h1_write_field_literal(writer, "TE", "trailers");
    }
}

static void h1_upstream_write_head(const struct h1_upstream *upstream, const struct http_head *head,
                                   const struct added_fields *added, struct h1_writer *writer)
{
    h1_write_request_line(writer, head);
    if (__builtin_expect(head->host.bytes == 0, 0)) {
        write_endpoint_host(upstream->side.lease->endpoint, writer);
    }
    h1_write_fields(writer, head);
    h1_write_bytes(writer, added->lines, added->bytes);
    write_connection(head, writer);
    h1_write_framing(writer, head->framing, head->content_length);
    h1_write_end(writer);
}

static enum sink h1_upstream_send_head(struct upstream_side *side, const struct http_head *head,
                                       const struct added_fields *added,
                                       const struct payload *payload)
{
    struct h1_upstream *upstream = h1_upstream_of(side);
    struct h1_writer writer;
    struct iovec out[PAYLOAD_IOVS + FRAME_IOVS + 2];
    char chunk_head[H1_CHUNK_HEAD_BYTES], proxy_header[PROXY_HEADER_WRITE_BYTES];
    size_t count = 0;
    upstream->method = head->method;
    upstream->chunked = head->framing == FRAMING_CHUNKED;
    upstream->request_whole = payload->last;
    if (__builtin_expect(head->facts & FACT_UPGRADE, 0)) {
        upstream->ambiguous = head->framing != FRAMING_NONE;
    }
    h1_writer_init(&writer, side->worker->write_scratch, WORKER_HEAD_BYTES);
    h1_upstream_write_head(upstream, head, added, &writer);
    if (__builtin_expect(side->lease->facts.proxy_header, 0)) {
        out[count++] =
            (struct iovec){proxy_header, side->events->proxy_header(side->owner, proxy_header)};
    }
    out[count++] = (struct iovec){writer.begin, h1_writer_length(&writer)};
    count += payload_frame(payload, upstream->chunked, chunk_head, &writer, out + count);
    if (!h1_writer_ok(&writer)) {
        side->events->failed(side->owner, REASON_HEAD_TOO_LARGE, NULL);
        return SINK_BROKEN;
    }
    return h1_upstream_write(upstream, out, count);
}

static enum sink h1_upstream_send_payload(struct upstream_side *side, const struct payload *payload)
{
    struct h1_upstream *upstream = h1_upstream_of(side);
    struct h1_writer writer;
    struct iovec out[PAYLOAD_IOVS + FRAME_IOVS];
    char chunk_head[H1_CHUNK_HEAD_BYTES];
    h1_writer_init(&writer, side->worker->write_scratch, WORKER_HEAD_BYTES);
    size_t count = payload_frame(payload, upstream->chunked, chunk_head, &writer, out);
    upstream->request_whole = payload->last;
    if (count > 0) {
        return h1_upstream_write(upstream, out, count);
    }
    return upstream->duplex.out == NULL ? SINK_OPEN : SINK_FULL;
}

static enum sink h1_upstream_send_raw(struct upstream_side *side, const struct iovec *iov,
                                      size_t count)
{
    return h1_upstream_write(h1_upstream_of(side), iov, count);
}

static void h1_upstream_end_raw(struct upstream_side *side)
{
    duplex_end(&h1_upstream_of(side)->duplex);
}

static bool h1_upstream_raw_over(const struct upstream_side *side)
{
    const struct h1_upstream *upstream = container_of(side, const struct h1_upstream, side);
    return upstream->state == H1_UPSTREAM_RAW_OVER && upstream->duplex.out == NULL;
}

static void h1_upstream_flush(struct h1_upstream *upstream)
{
    struct upstream_side *side = &upstream->side;
    const struct upstream_events *events = side->events;
    size_t sent;
    enum duplex_result result = duplex_flush(&upstream->duplex, side->worker->bufs, &sent);
    if (sent > 0) {
        side->touched = true;
        stat_add(&side->worker->stats.upstream_bytes_out, sent);
        events->request_moved(side->owner);
    }
    if (result == DUPLEX_BROKEN) {
        side->broken = true;
        loop_defer(&side->worker->loop, &upstream->deferred);
    } else if (result == DUPLEX_SENT) {
        bool tunnel = upstream->state >= H1_UPSTREAM_RAW;
        if (upstream->duplex.end_wanted) {
            events->raw_flushed(side->owner);
        } else if (!tunnel && upstream->request_whole) {
            events->request_sent(side->owner);
        } else {
            events->request_drained(side->owner);
        }
    }
}

static void h1_upstream_on_event(struct lease *lease, short what)
{
    struct h1_upstream *upstream = lease->owner;
    duplex_on_event(&upstream->duplex, what);
    if (upstream->duplex.readable) {
        h1_response_read(upstream);
    }
    if (upstream->side.lease == lease && upstream->duplex.out != NULL && (what & EV_WRITE)) {
        h1_upstream_flush(upstream);
    }
}

static void h1_upstream_read_on(struct upstream_side *side)
{
    if (side->lease != NULL) {
        loop_defer(&side->worker->loop, &h1_upstream_of(side)->deferred);
    }
}

static bool h1_upstream_piped(const struct upstream_side *side)
{
    return container_of(side, const struct h1_upstream, side)->pipe != NULL;
}

/* ---- the end ---- */

/* Whether the socket is empty. Asks the socket if the last receive does not tell, because unexpected bytes must not be
   read as the next response. */
static bool h1_upstream_is_empty(const struct h1_upstream *upstream)
{
    char byte;
    size_t got;
    if (!upstream->duplex.readable) {
        return true;
    }
    return stream_recv(upstream->duplex.stream, &byte, 1, &got) == STREAM_BLOCKED;
}

/* Why the connection may not serve again. The first row whose condition is true decides. */
enum h1_upstream_obstacle {
    OBSTACLE_NONE,
    OBSTACLE_TUNNEL,     /* the connection was a tunnel, which is over */
    OBSTACLE_ENDED,      /* the other side has ended the connection, or takes no more bytes */
    OBSTACLE_UNFINISHED, /* the response is incomplete */
    /* the response is complete and closes the connection, or is followed by bytes, or the endpoint may take the request's payload for what
       comes next */
    OBSTACLE_CLOSES,
    OBSTACLE_REQUEST, /* the response is complete, but the request is not */
};

static enum h1_upstream_obstacle h1_upstream_obstacle(const struct h1_upstream *upstream)
{
    const struct duplex *duplex = &upstream->duplex;
    bool over = upstream->state == H1_UPSTREAM_BODY && h1_body_done(&upstream->body);
    if (upstream->state == H1_UPSTREAM_RAW_OVER) {
        return OBSTACLE_TUNNEL;
    }
    if (!over) {
        return duplex->saw_end || upstream->side.broken ? OBSTACLE_ENDED : OBSTACLE_UNFINISHED;
    }
    if (!upstream->request_whole || duplex->out != NULL) {
        return OBSTACLE_REQUEST;
    }
    if (!upstream->keep || upstream->ambiguous || duplex->saw_end || upstream->side.broken ||
        (upstream->pipe != NULL && upstream->pipe->held_bytes > 0) ||
        !h1_upstream_is_empty(upstream)) {
        return OBSTACLE_CLOSES;
    }
    return OBSTACLE_NONE;
}

static void h1_upstream_end(struct upstream_side *side)
{
    static const enum lease_close_reason reasons[] = {
        [OBSTACLE_TUNNEL] = LEASE_CLOSED_DONE,  [OBSTACLE_ENDED] = LEASE_CLOSED_BROKEN,
        [OBSTACLE_CLOSES] = LEASE_CLOSED_DONE,  [OBSTACLE_UNFINISHED] = LEASE_CLOSED_ABANDONED,
        [OBSTACLE_REQUEST] = LEASE_CLOSED_DONE,
    };
    struct h1_upstream *upstream = h1_upstream_of(side);
    struct worker *worker = side->worker;
    enum h1_upstream_obstacle obstacle = h1_upstream_obstacle(upstream);
    loop_defer_cancel(&worker->loop, &upstream->deferred);
    if (obstacle == OBSTACLE_NONE) {
        lease_return(worker->pool, &side->lease);
    } else {
        lease_close(worker->pool, &side->lease, reasons[obstacle]);
    }
    duplex_release(&upstream->duplex, worker->bufs);
    splice_pipe_give(worker, &upstream->pipe);
    upstream->duplex = (struct duplex){.stream = NULL};
    upstream->state = H1_UPSTREAM_NONE;
    upstream->scanned = 0;
    upstream->request_whole = upstream->keep = upstream->ambiguous = false;
    side->touched = side->answered = side->broken = false;
}

static const struct upstream_ops h1_upstream_ops = {
    .send_head = h1_upstream_send_head,
    .send_payload = h1_upstream_send_payload,
    .send_raw = h1_upstream_send_raw,
    .end_raw = h1_upstream_end_raw,
    .raw_over = h1_upstream_raw_over,
    .piped = h1_upstream_piped,
    .read_on = h1_upstream_read_on,
    .end = h1_upstream_end,
};
