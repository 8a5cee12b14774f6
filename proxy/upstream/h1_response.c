/* Reading a response: heads, bodies by copy or by splice, the bytes of a tunnel, and the end of the connection. */
#include "proxy/upstream/h1_response.h"

#include "proxy/http1/h1_lenient.h"
#include "proxy/http1/h1_parse.h"
#include "proxy/upstream/splice.h"
#include "proxy/worker/worker.h"

/* Size of the first read of a response: enough for a head and a small body. */
#define HEAD_READ_BYTES (16u * 1024)

static const struct payload payload_end = {NULL, 0, true, NULL};

static bool feed(struct h1_upstream *upstream, struct duplex_input *input);

static bool fail(const struct h1_upstream *upstream, enum exchange_reason reason,
                 const char *detail)
{
    upstream->side.events->failed(upstream->side.owner, reason, detail);
    return false;
}

/* Keeps the rest of the input for the next read. False: the request is over. */
static bool keep(struct h1_upstream *upstream, const struct duplex_input *input)
{
    /* the input has moved on by what was consumed */
    size_t consumed = input->buffered ? buf_length(upstream->duplex.in) - input->length : 0;
    return duplex_keep(&upstream->duplex, upstream->side.worker->bufs, input, consumed) ||
           fail(upstream, REASON_NO_MEMORY, NULL);
}

static void consume(struct duplex_input *input, size_t bytes)
{
    input->bytes += bytes;
    input->length -= bytes;
}

/* The endpoint sends nothing more. `clean`: an orderly end. */
static void ended(struct h1_upstream *upstream, bool clean)
{
    const struct upstream_events *events = upstream->side.events;
    void *owner = upstream->side.owner;
    upstream->duplex.saw_end = true;
    upstream->keep = false;
    switch ((enum h1_upstream_state)upstream->state) {
    case H1_UPSTREAM_HEAD:
        if (!upstream->side.answered) {
            events->dead(owner);
        } else {
            fail(upstream, REASON_UPSTREAM_INCOMPLETE, NULL);
        }
        break;
    case H1_UPSTREAM_BODY:
        if (clean && upstream->body.state == H1_BODY_CLOSE) {
            upstream->body.state = H1_BODY_DONE;
            events->payload(owner, &payload_end);
        } else {
            fail(upstream, REASON_UPSTREAM_INCOMPLETE, NULL);
        }
        break;
    case H1_UPSTREAM_RAW:
        if (clean) {
            upstream->state = H1_UPSTREAM_RAW_OVER;
            events->raw_end(owner);
        } else {
            fail(upstream, REASON_UPSTREAM_RESET, NULL);
        }
        break;
    case H1_UPSTREAM_RAW_OVER:
        upstream->side.broken = upstream->side.broken || !clean;
        events->raw_flushed(owner);
        break;
    case H1_UPSTREAM_NONE: break;
    }
}

/* ---- splicing ---- */

/* Whether the payload is large and needs no new framing, so that it can be spliced. */
static bool splices(struct h1_upstream *upstream, int *ret_sink_fd)
{
    const struct h1_body *body = &upstream->body;
    if (__builtin_expect(upstream->state != H1_UPSTREAM_BODY, 1) || upstream->duplex.in != NULL ||
        !stream_spliceable(upstream->duplex.stream)) {
        return false;
    }
    bool large = body->state == H1_BODY_CLOSE ||
                 (body->state == H1_BODY_LENGTH && body->left_bytes >= SPLICE_MIN_BYTES);
    if (!large && upstream->pipe == NULL) {
        return false;
    }
    *ret_sink_fd = upstream->side.events->splice_fd(upstream->side.owner);
    if (*ret_sink_fd >= 0 && upstream->pipe == NULL) {
        upstream->pipe = splice_pipe_take(upstream->side.worker);
    }
    return *ret_sink_fd >= 0 && upstream->pipe != NULL;
}

/* Handles the result of a step of splicing. True: continue to read. */
static bool spliced(struct h1_upstream *upstream, enum splice_result result)
{
    struct upstream_side *side = &upstream->side;
    if (upstream->pipe->held_bytes == 0 && h1_body_done(&upstream->body)) {
        splice_pipe_give(side->worker, &upstream->pipe);
        side->events->payload(side->owner, &payload_end);
        return false;
    }
    switch (result) {
    case SPLICE_MOVED: return true;
    case SPLICE_SINK_BLOCKED: return false;
    case SPLICE_SOURCE_BLOCKED:
        upstream->duplex.readable = false;
        splice_pipe_give(side->worker, &upstream->pipe);
        return false;
    case SPLICE_SOURCE_END:
    case SPLICE_SOURCE_BROKEN:
        splice_pipe_give(side->worker, &upstream->pipe);
        ended(upstream, result == SPLICE_SOURCE_END);
        return false;
    case SPLICE_SINK_BROKEN: return fail(upstream, REASON_CLIENT_ABORT, NULL);
    }
    return false;
}

/* Moves payload from the socket to the pipe, and from the pipe to the client. */
static enum splice_result splice_step(struct h1_upstream *upstream, int sink_fd, size_t *ret_in,
                                      size_t *ret_out)
{
    struct h1_body *body = &upstream->body;
    if (upstream->pipe->held_bytes > 0) {
        *ret_in = 0;
        return splice_flush(upstream->pipe, sink_fd, ret_out);
    }
    bool bounded = body->state == H1_BODY_LENGTH;
    enum splice_result result =
        splice_move(upstream->pipe, upstream->duplex.stream->fd, sink_fd,
                    bounded ? body->left_bytes : UINT64_MAX, ret_in, ret_out);
    body->total_bytes += *ret_in;
    if (bounded) {
        body->left_bytes -= *ret_in;
        body->state = body->left_bytes == 0 ? H1_BODY_DONE : H1_BODY_LENGTH;
    }
    return result;
}

static bool splice_on(struct h1_upstream *upstream, int sink_fd)
{
    struct upstream_side *side = &upstream->side;
    size_t in = 0, out = 0;
    enum splice_result result = splice_step(upstream, sink_fd, &in, &out);
    stat_add(&side->worker->stats.upstream_bytes_in, in);
    if (in + out > 0 || result == SPLICE_SINK_BLOCKED) {
        side->events->spliced(side->owner, out, result == SPLICE_SINK_BLOCKED);
    }
    return spliced(upstream, result);
}

/* ---- reading ---- */

/* How much to read at most: what the other side takes. With a head, only little of a payload that could be spliced. */
static size_t read_bytes(const struct h1_upstream *upstream)
{
    const struct upstream_side *side = &upstream->side;
    size_t room = side->events->room(side->owner);
    bool may_splice = upstream->state == H1_UPSTREAM_HEAD && upstream->duplex.in == NULL &&
                      stream_spliceable(upstream->duplex.stream) &&
                      side->events->splice_fd(side->owner) >= 0;
    return may_splice && room > HEAD_READ_BYTES ? HEAD_READ_BYTES : room;
}

/* Reads once and handles what was read. True: there may be more. */
static bool read_once(struct h1_upstream *upstream)
{
    struct upstream_side *side = &upstream->side;
    struct duplex_input input;
    size_t got = 0, most_bytes = read_bytes(upstream);
    int sink_fd;
    if (most_bytes == 0) {
        return false;
    }
    if (splices(upstream, &sink_fd)) {
        return splice_on(upstream, sink_fd);
    }
    enum stream_result result =
        duplex_receive(&upstream->duplex, side->worker, most_bytes, &input, &got);
    if (result == STREAM_BLOCKED) {
        return false;
    }
    if (result != STREAM_OK) {
        ended(upstream, result == STREAM_END);
        return false;
    }
    side->answered = true;
    stat_add(&side->worker->stats.upstream_bytes_in, got);
    /* if more is expected, only the socket says that nothing comes: libevent does not tell an error from readiness */
    return feed(upstream, &input);
}

void h1_response_read(struct h1_upstream *upstream)
{
    const struct lease *lease = upstream->side.lease;
    /* splicing uses larger steps, each of which counts as several reads */
    for (unsigned reads = 0; reads < WORKER_TURN_READS;
         reads += upstream->pipe != NULL ? SPLICE_STEP_READS : 1) {
        if (lease == NULL || upstream->side.lease != lease || !read_once(upstream)) {
            return;
        }
    }
    loop_defer(&upstream->side.worker->loop, &upstream->deferred);
}

/* ---- what was read ---- */

static struct h1_limits limits_of(const struct h1_upstream *upstream)
{
    const struct limit_settings *limits = &upstream->side.worker->generation->settings->limits;
    return (struct h1_limits){(uint32_t)limits->head_bytes, (uint32_t)limits->fields_count};
}

/* Payload at the front of the input, and the trailers if they follow. *ret_waits: the trailers are incomplete. */
static enum h1_result take_payload(struct h1_upstream *upstream, struct duplex_input *input,
                                   struct iovec *iov, struct http_head *trailers,
                                   struct payload *ret_payload, bool *ret_waits)
{
    size_t consumed = 0;
    *ret_payload = (struct payload){iov, 0, false, NULL};
    *ret_waits = false;
    enum h1_result result = h1_body_take(&upstream->body, input->bytes, input->length, iov,
                                         PAYLOAD_IOVS, &ret_payload->count, &consumed);
    consume(input, consumed);
    if (result == H1_OK && upstream->body.state == H1_BODY_TRAILERS) {
        const struct h1_limits limits = limits_of(upstream);
        trailers->fields = upstream->side.worker->trailer_fields;
        trailers->field_limit = WORKER_FIELDS_COUNT;
        result = h1_body_trailers(&upstream->body, input->bytes, input->length, &limits, trailers,
                                  &consumed);
        if (result == H1_INCOMPLETE) {
            *ret_waits = true;
            return H1_OK;
        }
        if (result == H1_OK) {
            consume(input, consumed);
            ret_payload->trailers = trailers->field_count > 0 ? trailers : NULL;
        }
    }
    ret_payload->last = h1_body_done(&upstream->body);
    return result;
}

/* Body bytes, from the final head on. `head` is set in the first call, and goes out with the first payload. */
static bool feed_body(struct h1_upstream *upstream, const struct http_head *head,
                      struct duplex_input *input)
{
    struct upstream_side *side = &upstream->side;
    struct iovec iov[PAYLOAD_IOVS];
    struct http_head trailers;
    bool waits;
    do {
        struct payload payload;
        enum h1_result result = take_payload(upstream, input, iov, &trailers, &payload, &waits);
        if (result != H1_OK) {
            return fail(upstream, REASON_UPSTREAM_INVALID, h1_result_name(result));
        }
        if (payload.last && input->length > 0) {
            upstream->keep = false; /* bytes after the response are not expected */
        }
        enum sink sink = SINK_OPEN;
        if (head != NULL) {
            sink = side->events->response(side->owner, head, &payload);
        } else if (payload.count > 0 || payload.last) {
            sink = side->events->payload(side->owner, &payload);
        }
        head = NULL;
        if (sink == SINK_BROKEN) {
            return false;
        }
    } while (input->length > 0 && !waits);
    return keep(upstream, input);
}

/* Drops the body of a response that is not passed on. If all of it is here, the connection can be kept. */
static void drop_body(struct h1_upstream *upstream, struct duplex_input *input)
{
    struct iovec iov[PAYLOAD_IOVS];
    while (input->length > 0 && !h1_body_done(&upstream->body)) {
        size_t count = 0, consumed = 0;
        enum h1_result result = h1_body_take(&upstream->body, input->bytes, input->length, iov,
                                             PAYLOAD_IOVS, &count, &consumed);
        if (result != H1_OK || consumed == 0) {
            break;
        }
        consume(input, consumed);
    }
    upstream->keep = upstream->keep && input->length == 0;
}

/* Why the connection of this response is not kept. */
static __attribute__((noinline)) void note_last(const struct h1_upstream *upstream,
                                                const struct http_head *head)
{
    const struct upstream_side *side = &upstream->side;
    if (head->facts & FACT_LAST) {
        stat_add(&side->worker->stats.responses_tolerated, 1);
    }
    if ((head->facts & FACT_CLOSE) || head->framing == FRAMING_CLOSE) {
        lease_told_last(side->lease);
    }
}

static bool take_final(struct h1_upstream *upstream, const struct http_head *head,
                       struct duplex_input *input)
{
    const struct upstream_side *side = &upstream->side;
    bool passes = side->events->final(side->owner, head);
    upstream->state = H1_UPSTREAM_BODY;
    upstream->keep = !(head->facts & (FACT_CLOSE | FACT_LAST)) && head->framing != FRAMING_CLOSE;
    if (__builtin_expect(!upstream->keep, 0)) {
        note_last(upstream, head);
    }
    h1_body_init_response(&upstream->body, head->framing, head->content_length);
    if (__builtin_expect(passes, 1)) {
        return feed_body(upstream, head, input);
    }
    drop_body(upstream, input);
    side->events->dropped(side->owner);
    return false;
}

static bool take_raw(struct h1_upstream *upstream, struct duplex_input *input)
{
    const struct upstream_side *side = &upstream->side;
    const struct iovec piece = {(void *)(uintptr_t)input->bytes, input->length};
    if (side->events->raw(side->owner, &piece, 1) == SINK_BROKEN) {
        return false;
    }
    consume(input, input->length);
    return keep(upstream, input);
}

static bool take_upgrade(struct h1_upstream *upstream, const struct http_head *head,
                         struct duplex_input *input)
{
    const struct upstream_side *side = &upstream->side;
    if (!head_has(head, FIELD_UPGRADE)) {
        return fail(upstream, REASON_UPGRADE_FAILED, NULL);
    }
    if (side->events->upgrade(side->owner, head) == SINK_BROKEN) {
        return false;
    }
    upstream->state = H1_UPSTREAM_RAW;
    upstream->keep = false;
    return input->length > 0 ? take_raw(upstream, input) : keep(upstream, input);
}

/* What follows a head. */
enum after_head {
    AFTER_HEAD_NEXT, /* the next head: this one was interim */
    AFTER_HEAD_MORE, /* the rest of its response: continue to read */
    AFTER_HEAD_STOP, /* stop reading */
};

static enum after_head take_head(struct h1_upstream *upstream, const struct http_head *head,
                                 struct duplex_input *input)
{
    struct upstream_side *side = &upstream->side;
    const struct lease *lease = side->lease;
    upstream->scanned = 0;
    if (head->status >= 200) {
        return take_final(upstream, head, input) ? AFTER_HEAD_MORE : AFTER_HEAD_STOP;
    }
    if (head->status == 101) {
        return take_upgrade(upstream, head, input) ? AFTER_HEAD_MORE : AFTER_HEAD_STOP;
    }
    side->events->interim(side->owner, head);
    return side->lease == lease ? AFTER_HEAD_NEXT : AFTER_HEAD_STOP;
}

static bool refuse_head(const struct h1_upstream *upstream, enum h1_result result)
{
    bool large = result == H1_HEAD_TOO_LARGE || result == H1_TOO_MANY_FIELDS;
    return fail(upstream, large ? REASON_UPSTREAM_HEAD_TOO_LARGE : REASON_UPSTREAM_INVALID,
                h1_result_name(result));
}

static bool is_lenient(const struct h1_upstream *upstream)
{
    const struct upstream_side *side = &upstream->side;
    const struct upstream *of = endpoint_upstream(side->lease->endpoint);
    return of->views[side->worker->env.index]->settings->lenient;
}

/* Parses a head strictly, after it was written anew in `space`. */
static enum h1_result parse_rewritten(const struct h1_upstream *upstream,
                                      const struct duplex_input *input, struct buf *space,
                                      struct http_head *head, size_t *ret_consumed)
{
    struct h1_limits limits = limits_of(upstream);
    size_t written_bytes, scanned = 0;
    enum h1_result result = h1_lenient_rewrite(input->bytes, input->length, &limits, space->bytes,
                                               &written_bytes, ret_consumed);
    if (result != H1_OK) {
        return result;
    }
    limits.head_bytes = (uint32_t)written_bytes;
    result = h1_parse_response(space->bytes, written_bytes, &limits,
                               (enum http_method)upstream->method, &scanned, head);
    head->facts |= FACT_LAST;
    return result;
}

/* A head that the strict parser refuses, of an upstream with `lenient`. */
static enum after_head take_odd_head(struct h1_upstream *upstream, struct duplex_input *input,
                                     struct http_head *head)
{
    struct worker *worker = upstream->side.worker;
    size_t most_bytes = limits_of(upstream).head_bytes, consumed = 0;
    most_bytes = input->length < most_bytes ? input->length : most_bytes;
    struct buf *space = buf_take(worker->bufs, H1_LENIENT_BYTES(most_bytes));
    enum after_head after = AFTER_HEAD_STOP;
    if (space == NULL) {
        fail(upstream, REASON_NO_MEMORY, NULL);
        return AFTER_HEAD_STOP;
    }
    enum h1_result result = parse_rewritten(upstream, input, space, head, &consumed);
    if (result == H1_OK) {
        consume(input, consumed);
        after = take_head(upstream, head, input);
    } else if (result == H1_INCOMPLETE) {
        after = keep(upstream, input) ? AFTER_HEAD_MORE : AFTER_HEAD_STOP;
    } else {
        refuse_head(upstream, result);
    }
    buf_give(worker->bufs, &space);
    return after;
}

/* Parses heads, up to the final one. */
static bool feed_heads(struct h1_upstream *upstream, struct duplex_input *input)
{
    struct upstream_side *side = &upstream->side;
    const struct h1_limits limits = limits_of(upstream);
    enum after_head after = AFTER_HEAD_NEXT;
    while (after == AFTER_HEAD_NEXT && input->length > 0) {
        struct http_head head;
        head.fields = side->worker->fields;
        head.field_limit = WORKER_FIELDS_COUNT;
        enum h1_result result =
            h1_parse_response(input->bytes, input->length, &limits,
                              (enum http_method)upstream->method, &upstream->scanned, &head);
        if (result == H1_OK) {
            consume(input, head.head_bytes);
            after = take_head(upstream, &head, input);
        } else if (result == H1_INCOMPLETE) {
            break;
        } else if (h1_lenient_helps(result) && is_lenient(upstream)) {
            after = take_odd_head(upstream, input, &head);
        } else {
            return refuse_head(upstream, result);
        }
    }
    return after == AFTER_HEAD_NEXT ? keep(upstream, input) : after == AFTER_HEAD_MORE;
}

/* Handles received bytes by what is expected. False: stop reading. */
static bool feed(struct h1_upstream *upstream, struct duplex_input *input)
{
    switch ((enum h1_upstream_state)upstream->state) {
    case H1_UPSTREAM_HEAD: return feed_heads(upstream, input);
    case H1_UPSTREAM_BODY: return feed_body(upstream, NULL, input);
    case H1_UPSTREAM_RAW: return take_raw(upstream, input);
    case H1_UPSTREAM_RAW_OVER:
    case H1_UPSTREAM_NONE: break;
    }
    return false;
}
