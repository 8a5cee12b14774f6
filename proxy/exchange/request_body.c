/* Holding, keeping and rewinding a request's payload. */
#include "proxy/exchange/request_body.h"

#include "proxy/http/http_head.h"
#include "proxy/worker/worker.h"

static const struct http_head *request_body_trailers(const struct request_body *body)
{
    return body->trailers != NULL ? (const struct http_head *)(const void *)body->trailers->bytes
                                  : NULL;
}

/* Trailers are few and rare, so they are kept until the exchange ends. */
static bool request_body_keep_trailers(struct request_body *body, struct worker *worker,
                                       const struct http_head *trailers)
{
    if (trailers == NULL || body->trailers != NULL) {
        return true;
    }
    body->trailers = buf_take(worker->bufs, sizeof *trailers + head_copy_bytes(trailers));
    if (body->trailers == NULL) {
        return false;
    }
    struct http_head *copy = (struct http_head *)(void *)body->trailers->bytes;
    head_copy(trailers, copy, body->trailers->bytes + sizeof *copy);
    return true;
}

struct payload request_body_held(const struct request_body *body, struct iovec *piece)
{
    bool whole = body->state != REQUEST_ARRIVING, stored = request_body_waits(body);
    bool last = whole && (!stored || body_store_is_last(body->store));
    struct payload payload = {piece, 0, last, last ? request_body_trailers(body) : NULL};
    if (stored) {
        *piece = body_store_piece(body->store);
        payload.count = 1;
    } else if (body->held != NULL) {
        *piece = (struct iovec){body->held->bytes + body->held->begin, buf_length(body->held)};
        payload.count = 1;
    }
    return payload;
}

bool request_body_hold(struct request_body *body, struct worker *worker,
                       const struct payload *payload)
{
    if (!request_body_keep_trailers(body, worker, payload->trailers)) {
        return false;
    }
    if (payload_bytes(payload) == 0) {
        return true;
    }
    body->full = true;
    if (body->store != NULL) {
        return body_store_add(body->store, worker, payload);
    }
    return iov_keep(worker->bufs, &body->held, payload->iov, payload->count, 0);
}

/* ---- payload that is kept for a retry ---- */

void request_body_forget(struct request_body *body, struct worker *worker)
{
    buf_give(worker->bufs, &body->replay);
    if (body->store != NULL) {
        body_store_forget(body->store, worker);
    }
    if (body->replay_count > 0) {
        bound_give(&worker->env.bounds->replay_bytes, body->replay_count);
        body->replay_count = 0;
    }
}

/* Counts `bytes` as kept in all. False: that is too much. */
static bool request_body_count(struct request_body *body, struct worker *worker, uint64_t bytes)
{
    if (bytes > REQUEST_REPLAY_BYTES ||
        (bytes > body->replay_count &&
         !bound_take(&worker->env.bounds->replay_bytes, bytes - body->replay_count))) {
        return false;
    }
    body->replay_count = bytes > body->replay_count ? bytes : body->replay_count;
    return true;
}

/* Held payload has been passed on: it becomes kept payload. */
static bool request_body_keep_held(struct request_body *body, struct worker *worker)
{
    if (body->replay != NULL || !request_body_count(body, worker, buf_length(body->held))) {
        return false;
    }
    body->replay = body->held;
    body->held = NULL;
    return true;
}

static bool request_body_keep(struct request_body *body, struct worker *worker,
                              const struct payload *payload)
{
    size_t kept = body->replay != NULL ? buf_length(body->replay) : 0;
    return request_body_count(body, worker, kept + payload_bytes(payload)) &&
           request_body_keep_trailers(body, worker, payload->trailers) &&
           iov_keep(worker->bufs, &body->replay, payload->iov, payload->count, 0);
}

/* A body that is still arriving is not kept: what follows is not stored. */
static void request_body_passed_stored(struct request_body *body, struct worker *worker,
                                       bool replays)
{
    bool keep = replays && !body->lost && body->state != REQUEST_ARRIVING;
    body->lost = !keep;
    body_store_passed(body->store, worker, keep);
}

void request_body_passed(struct request_body *body, struct worker *worker,
                         const struct payload *payload, bool replays)
{
    if (payload == NULL && request_body_waits(body)) {
        request_body_passed_stored(body, worker, replays);
        return;
    }
    bool anything = payload != NULL ? payload_bytes(payload) > 0 || payload->trailers != NULL
                                    : body->held != NULL;
    if (!anything || body->lost) {
        buf_give(worker->bufs, &body->held);
        return;
    }
    bool kept = replays && (payload != NULL ? request_body_keep(body, worker, payload)
                                            : request_body_keep_held(body, worker));
    if (!kept) {
        body->lost = true;
        buf_give(worker->bufs, &body->held);
        request_body_forget(body, worker);
    }
}

void request_body_rewind(struct request_body *body, struct worker *worker)
{
    struct buf *held = body->held;
    if (body->state == REQUEST_SENT) {
        body->state = REQUEST_WHOLE;
    }
    if (body->store != NULL) {
        body_store_rewind(body->store);
    }
    if (body->replay == NULL) {
        return;
    }
    body->held = body->replay;
    body->replay = NULL;
    if (held == NULL) {
        return;
    }
    const struct iovec piece = {held->bytes + held->begin, buf_length(held)};
    body->lost = !iov_keep(worker->bufs, &body->held, &piece, 1, 0);
    buf_give(worker->bufs, &held);
}

void request_body_release(struct request_body *body, struct worker *worker)
{
    request_body_forget(body, worker);
    body_store_free(&body->store, worker);
    buf_give(worker->bufs, &body->held);
    buf_give(worker->bufs, &body->trailers);
}
