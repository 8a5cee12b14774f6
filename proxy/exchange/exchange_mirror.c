/* Only the first attempt's request is copied. */
#include "proxy/exchange/exchange_mirror.h"

#include "proxy/exchange/exchange_parts.h"
#include "proxy/exchange/side_request.h"
#include "steady/container_of.h"

/* Of the mirror's answer, which nobody reads, so much is received for the connection to be used again. */
#define ANSWER_BYTES ((size_t)1024 * 1024)
/* Steps in which a share is drawn. */
#define SHARE_STEPS 1000000

struct exchange_mirror {
    struct buf *memory; /* that this struct is in */
    struct exchange *exchange;
    struct buf *body; /* NULL: none */
    struct deferred deferred;
    bool unfit; /* the body is too long, or there is no memory for it */
};

static const struct mirror_settings *settings_of(const struct exchange *exchange)
{
    return &exchange->edge.route->mirror;
}

static void drop(struct exchange *exchange)
{
    stat_add(&exchange->worker->stats.mirror_dropped, 1);
    exchange_mirror_release(exchange);
}

/* ---- sending ---- */

/* NULL: it gets no copies. A reload may have taken the settings of the exchange away; then the mirror's index says nothing. */
static struct upstream *upstream_of_mirror(const struct exchange *exchange)
{
    const struct generation *generation = exchange->worker->generation;
    if (generation->settings != exchange->edge.held) {
        return NULL;
    }
    size_t index = settings_of(exchange)->upstream_index;
    struct upstream *upstream = generation->upstreams->views[index].upstream;
    return exchange_upstream_closed(exchange, upstream) == NULL ? upstream : NULL;
}

/* What the copy would say of its client is gone with the connection. */
static bool client_is_gone(const struct exchange *exchange)
{
    return exchange->origin->stream->fd < 0;
}

static bool start(struct exchange *exchange, struct upstream *upstream)
{
    const struct buf *body = exchange->edge.mirror->body, *lines = exchange->edge.lines;
    struct iovec piece = {NULL, 0};
    if (body != NULL) {
        piece = (struct iovec){(char *)(uintptr_t)body->bytes + body->begin, buf_length(body)};
    }
    const struct payload payload = {&piece, body != NULL, true, NULL};
    const struct side_ask ask = {
        .upstream = upstream,
        .head = &exchange->request,
        .lines = lines != NULL ? lines->bytes : NULL,
        .lines_bytes = lines != NULL ? lines->end : 0,
        .payload = &payload,
        .edited = true,
        .timeout_ms = upstream->views[exchange->worker->env.index]->settings->timeouts.total_ms,
        .body_most_bytes = ANSWER_BYTES,
    };
    struct side_request *side;
    return side_request_start(exchange, &ask, &side);
}

static void on_deferred(struct deferred *deferred)
{
    struct exchange_mirror *mirror = container_of(deferred, struct exchange_mirror, deferred);
    struct exchange *exchange = mirror->exchange;
    struct upstream *upstream = upstream_of_mirror(exchange);
    if (upstream == NULL || client_is_gone(exchange) || !start(exchange, upstream)) {
        drop(exchange);
        return;
    }
    stat_add(&exchange->worker->stats.mirrored, 1);
    exchange_mirror_release(exchange);
}

void exchange_mirror_send(struct exchange *exchange)
{
    struct exchange_mirror *mirror = exchange->edge.mirror;
    if (mirror->unfit) {
        drop(exchange);
    } else {
        loop_defer(&exchange->worker->loop, &mirror->deferred);
    }
}

/* ---- the copy ---- */

static bool is_drawn(struct exchange *exchange, double share)
{
    return share >= 1 ||
           rng_below(&exchange->worker->loop.rng, SHARE_STEPS) < (uint64_t)(share * SHARE_STEPS);
}

/* What is done twice must be harmless, unless the configuration says that it is. Both sides of an upgrade or a gRPC call speak at
   once, so that there is no request to copy. */
static bool is_fit(const struct exchange *exchange)
{
    const struct http_head *head = &exchange->request;
    bool safe =
        head->method == METHOD_GET || head->method == METHOD_HEAD || head->method == METHOD_OPTIONS;
    return (safe || settings_of(exchange)->unsafe) && !(head->facts & FACT_UPGRADE) &&
           !exchange_is_call(exchange);
}

void exchange_mirror_begin(struct exchange *exchange)
{
    const struct mirror_settings *settings = settings_of(exchange);
    struct worker *worker = exchange->worker;
    if (settings->upstream == NULL || !is_fit(exchange) || !is_drawn(exchange, settings->share)) {
        return;
    }
    struct buf *memory = worker_has_ample_buffers(worker)
                             ? buf_take(worker->bufs, sizeof(struct exchange_mirror))
                             : NULL;
    if (memory == NULL) {
        stat_add(&worker->stats.mirror_dropped, 1);
        return;
    }
    exchange->edge.mirror = (struct exchange_mirror *)(void *)memory->bytes;
    *exchange->edge.mirror = (struct exchange_mirror){
        .memory = memory, .exchange = exchange, .deferred = {.run = on_deferred}};
}

void exchange_mirror_take(struct exchange *exchange, const struct payload *payload, bool first)
{
    struct exchange_mirror *mirror = exchange->edge.mirror;
    struct worker *worker = exchange->worker;
    if (first) {
        loop_defer_cancel(&worker->loop, &mirror->deferred); /* the request is not whole any more */
        buf_give(worker->bufs, &mirror->body);
        mirror->unfit = false;
    }
    size_t held_bytes = mirror->body != NULL ? buf_length(mirror->body) : 0;
    if (mirror->unfit || payload_bytes(payload) == 0) {
        return;
    }
    if (held_bytes + payload_bytes(payload) > settings_of(exchange)->body_bytes ||
        !worker_has_ample_buffers(worker) ||
        !iov_keep(worker->bufs, &mirror->body, payload->iov, payload->count, 0)) {
        buf_give(worker->bufs, &mirror->body);
        mirror->unfit = true;
    }
}

void exchange_mirror_release(struct exchange *exchange)
{
    struct exchange_mirror *mirror = exchange->edge.mirror;
    struct worker *worker = exchange->worker;
    if (mirror == NULL) {
        return;
    }
    struct buf *memory = mirror->memory;
    loop_defer_cancel(&worker->loop, &mirror->deferred);
    buf_give(worker->bufs, &mirror->body);
    buf_give(worker->bufs, &memory);
    exchange->edge.mirror = NULL;
}
