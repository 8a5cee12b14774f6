/* An exchange without a client, and the copy of its answer. */
#include "proxy/exchange/side_request.h"

#include <string.h>

#include "pool/proxy_header.h"
#include "proxy/exchange/exchange_parts.h"
#include "proxy/exchange/exchange_trace.h"
#include "proxy/policy/call_strata.h"
#include "steady/deadline.h"

/* What is read of an answer at once. */
#define ROOM_BYTES WORKER_TIGHT_BYTES

struct side_request {
    TAILQ_ENTRY(side_request) link; /* among the detached ones of the worker */
    struct buf *memory;             /* that this struct is in */
    struct exchange *exchange;      /* NULL: it is over */
    void (*done)(void *owner, const struct side_answer *answer); /* NULL: detached */
    void *owner;
    struct buf *head_space; /* of answer_head */
    struct buf *body;       /* NULL: none */
    size_t body_bytes;      /* that have come */
    size_t body_most_bytes;
    struct http_head answer_head;
    struct side_answer answer;
    struct deferred deferred;
    struct deferred_free freed;
    /* The client as it was. Of its connection only `tls` is looked at, and only whether there is one. */
    struct exchange_origin origin;
    struct stream stream;
    struct buf *certificate;
    char proxy_header[PROXY_HEADER_WRITE_BYTES];
    uint8_t proxy_header_bytes;
};

static const struct downstream_ops side_ops;

/* No client sends or takes anything. */
static const struct exchange_listener no_listener = {.name = ""};

static void side_free_now(struct deferred_free *freed, void *owner)
{
    struct side_request *side = container_of(freed, struct side_request, freed);
    struct worker *worker = owner;
    buf_give(worker->bufs, &side->head_space);
    buf_give(worker->bufs, &side->body);
    buf_give(worker->bufs, &side->certificate);
    struct buf *memory = side->memory;
    buf_give(worker->bufs, &memory);
}

/* Its exchange is over, and nobody waits for it. */
static void side_end(struct side_request *side)
{
    struct worker *worker = side->origin.worker;
    loop_defer_cancel(&worker->loop, &side->deferred);
    if (side->done == NULL) {
        TAILQ_REMOVE(&worker->open.detached, side, link);
        bound_give(&worker->env.bounds->detached_requests, 1);
    }
    loop_free_later(&worker->loop, &side->freed, side_free_now);
}

static void side_on_deferred(struct deferred *deferred)
{
    struct side_request *side = container_of(deferred, struct side_request, deferred);
    side->answer.body = side->body != NULL ? side->body->bytes + side->body->begin : "";
    side->answer.body_bytes = side->body != NULL ? buf_length(side->body) : 0;
    side_end(side);
    side->done(side->owner, &side->answer);
}

/* ---- the beginning ---- */

/* The client, so that it may go away. False: no memory. */
static bool side_copy_client(struct side_request *side, const struct exchange *exchange,
                             const struct upstream_settings *settings)
{
    const struct exchange_origin *origin = exchange->origin;
    struct worker *worker = origin->worker;
    side->origin = *origin;
    side->origin.listener = &no_listener;
    side->stream = (struct stream){.fd = -1, .tls = origin->stream->tls};
    side->origin.stream = &side->stream;
    if (origin->certificate != NULL) {
        size_t bytes = strlen(origin->certificate) + 1;
        side->certificate = buf_take(worker->bufs, bytes);
        if (side->certificate == NULL) {
            return false;
        }
        memcpy(side->certificate->bytes, origin->certificate, bytes);
        side->origin.certificate = side->certificate->bytes;
    }
    if (settings->proxy_protocol != PROXY_HEADER_NONE) {
        side->proxy_header_bytes = (uint8_t)exchange->downstream->proxy_header(
            (struct exchange *)(uintptr_t)exchange, side->proxy_header);
    }
    return true;
}

static bool side_copy_lines(struct exchange *own, const struct side_ask *ask)
{
    if (ask->lines == NULL) {
        return true;
    }
    own->edge.lines = buf_take(own->worker->bufs, ask->lines_bytes);
    return own->edge.lines != NULL && buf_append(own->edge.lines, ask->lines, ask->lines_bytes);
}

/* The settings by which the route edits requests, which may go away with a reload. */
static void side_take_edits(struct exchange *own, const struct exchange *exchange)
{
    own->edge.held = settings_get(exchange->edge.held);
    own->edge.route = exchange->edge.route;
}

static void side_set_up(struct exchange *own, const struct exchange *exchange,
                        const struct side_ask *ask)
{
    struct worker *worker = own->worker;
    const char *route = exchange->target.route_name;
    own->hedge.role = HEDGE_SIDE;
    own->target = (struct exchange_target){
        ask->upstream,
        ask->upstream->name,
        route,
        &worker->stats.no_route,
        {exchange_client_stratum(exchange),
         call_path_stratum(worker->env.strata_seed, route, &own->request)}};
    own->times.allowed_ms = ask->timeout_ms;
    own->times.end_ms = own->times.deadline_ms =
        deadline_after(worker_now_ms(worker), ask->timeout_ms);
    own->trusted = exchange->trusted;
    own->forward = exchange->forward;
    if (ask->x_forwarded) {
        bool both = own->forward.style == FORWARDED_RFC7239 || own->forward.style == FORWARDED_BOTH;
        own->forward.style = (uint8_t)(both ? FORWARDED_BOTH : FORWARDED_X);
    }
    own->told_client = exchange->told_client;
    exchange_trace_share(own, exchange);
    own->edge.came_target = exchange->edge.came_target;
    own->edge.came_host = exchange->edge.came_host;
    own->edge.rewritten = exchange->edge.rewritten;
    if (ask->edited) {
        side_take_edits(own, exchange);
    }
}

static void side_send(struct exchange *own, const struct payload *payload)
{
    static const struct payload nothing = {NULL, 0, true, NULL};
    payload = payload != NULL ? payload : &nothing;
    own->body.bytes = payload_bytes(payload);
    exchange_admit(own, false);
    exchange_send_or_hold(own, payload);
}

static struct side_request *side_create(const struct exchange *exchange, const struct side_ask *ask)
{
    struct worker *worker = exchange->worker;
    struct buf *memory = buf_take(worker->bufs, sizeof(struct side_request));
    if (memory == NULL) {
        return NULL;
    }
    struct side_request *side = (struct side_request *)(void *)memory->bytes;
    *side = (struct side_request){.memory = memory,
                                  .done = ask->done,
                                  .owner = ask->owner,
                                  .body_most_bytes = ask->body_most_bytes,
                                  .deferred = {.run = side_on_deferred}};
    const struct upstream_view *view = ask->upstream->views[worker->env.index];
    if (side_copy_client(side, exchange, view->settings)) {
        side->exchange = exchange_start_inner(&side->origin, &side_ops, side, ask->head);
    }
    if (side->exchange == NULL) {
        side_free_now(&side->freed, worker);
        return NULL;
    }
    return side;
}

bool side_request_start(const struct exchange *exchange, const struct side_ask *ask,
                        struct side_request **ret_side)
{
    struct worker *worker = exchange->worker;
    struct bound *detached = &worker->env.bounds->detached_requests;
    bool attached = ask->done != NULL;
    if (!attached && !bound_take(detached, 1)) {
        return false;
    }
    struct side_request *side = side_create(exchange, ask);
    if (side == NULL) {
        if (!attached) {
            bound_give(detached, 1);
        }
        return false;
    }
    if (!attached) {
        TAILQ_INSERT_TAIL(&worker->open.detached, side, link);
    }
    *ret_side = attached ? side : NULL;
    struct exchange *own = side->exchange;
    side_set_up(own, exchange, ask);
    if (side_copy_lines(own, ask)) {
        side_send(own, ask->payload);
    } else {
        exchange_finish(own, REASON_NO_MEMORY);
    }
    return true;
}

/* ---- the end ---- */

static void side_cancel(struct side_request *side)
{
    struct exchange *own = side->exchange;
    side->exchange = NULL; /* its end is no news */
    if (own != NULL) {
        exchange_finish(own, REASON_CLIENT_ABORT);
    }
    side_end(side);
}

void side_request_cancel(struct side_request **side)
{
    if (*side != NULL) {
        side_cancel(*side);
        *side = NULL;
    }
}

void side_requests_end_all(struct worker *worker)
{
    while (!TAILQ_EMPTY(&worker->open.detached)) {
        side_cancel(TAILQ_FIRST(&worker->open.detached));
    }
}

static void side_finished(struct exchange *own, bool intact)
{
    struct side_request *side = own->owner;
    (void)intact;
    if (side->exchange == NULL) {
        return; /* cancelled */
    }
    side->exchange = NULL;
    if (side->done == NULL) {
        side_end(side);
        return;
    }
    side->answer.reason = (enum exchange_reason)own->reason;
    side->answer.retry_after_ms = own->times.retry_after_ms;
    loop_defer(&side->origin.worker->loop, &side->deferred);
}

/* ---- the client's side of its exchange ---- */

static enum sink side_fail(struct side_request *side, enum exchange_reason reason)
{
    exchange_finish(side->exchange, reason);
    return SINK_BROKEN;
}

static enum sink side_take(struct side_request *side, const struct payload *payload)
{
    side->body_bytes += payload_bytes(payload);
    if (side->body_bytes > side->body_most_bytes) {
        side->answer.cut = true;
        return side_fail(side, REASON_COMPLETE);
    }
    if (side->done == NULL || payload_bytes(payload) == 0) {
        return SINK_OPEN;
    }
    return iov_keep(side->origin.worker->bufs, &side->body, payload->iov, payload->count, 0)
               ? SINK_OPEN
               : side_fail(side, REASON_NO_MEMORY);
}

static enum sink side_send_head(struct exchange *own, const struct http_head *head,
                                const struct payload *payload)
{
    struct side_request *side = own->owner;
    if (side->done != NULL) {
        side->head_space = buf_take(own->worker->bufs, head_copy_bytes(head));
        if (side->head_space == NULL) {
            return side_fail(side, REASON_NO_MEMORY);
        }
        head_copy(head, &side->answer_head, side->head_space->bytes);
        side->answer.head = &side->answer_head;
    }
    return side_take(side, payload);
}

static enum sink side_send_payload(struct exchange *own, const struct payload *payload)
{
    return side_take(own->owner, payload);
}

static enum sink side_send_interim(struct exchange *own, const struct http_head *head)
{
    (void)own;
    (void)head;
    return SINK_OPEN;
}

static size_t side_room(struct exchange *own)
{
    (void)own;
    return ROOM_BYTES;
}

static int side_splice_fd(struct exchange *own)
{
    (void)own;
    return -1;
}

static void side_read_on(struct exchange *own)
{
    (void)own;
}

static size_t side_proxy_header(struct exchange *own, char *space)
{
    const struct side_request *side = own->owner;
    memcpy(space, side->proxy_header, side->proxy_header_bytes);
    return side->proxy_header_bytes;
}

static bool side_gone(struct exchange *own)
{
    (void)own;
    return false;
}

/* A side request asks for no tunnel. */
static const struct downstream_ops side_ops = {
    .protocol = "HTTP/1.1",
    .watches = true,
    .send_head = side_send_head,
    .send_payload = side_send_payload,
    .send_interim = side_send_interim,
    .room = side_room,
    .read_on = side_read_on,
    .splice_fd = side_splice_fd,
    .proxy_header = side_proxy_header,
    .gone = side_gone,
    .finished = side_finished,
};
