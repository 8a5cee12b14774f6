/* Looks at an exchange without changing it. */
#include "proxy/exchange/exchange_sample.h"

#include <stdio.h>
#include <string.h>

#include "proxy/exchange/exchange_parts.h"
#include "proxy/exchange/hedge.h"
#include "steady/deadline.h"

const char *exchange_wait_name(enum exchange_wait wait)
{
#define X(id, name, words) [id] = name,
    static const char *const names[] = {EXCHANGE_WAITS(X)};
#undef X
    return names[wait];
}

const char *exchange_wait_words(enum exchange_wait wait)
{
#define X(id, name, words) [id] = words,
    static const char *const texts[] = {EXCHANGE_WAITS(X)};
#undef X
    return texts[wait];
}

const char *exchange_stage_name(enum exchange_stage stage)
{
    static const char *const names[EXCHANGE_STAGES_COUNT] = {
        [EXCHANGE_NEW] = "new",
        [EXCHANGE_ASKING] = "asking",
        [EXCHANGE_AWAITING_BODY] = "awaiting_body",
        [EXCHANGE_QUEUED] = "queued",
        [EXCHANGE_CONNECTING] = "connecting",
        [EXCHANGE_LEASED] = "leased",
        [EXCHANGE_SENDING] = "sending",
        [EXCHANGE_AWAITING] = "awaiting",
        [EXCHANGE_RESPONDING] = "responding",
        [EXCHANGE_TUNNEL] = "tunnel",
        [EXCHANGE_BACKOFF] = "backoff",
        [EXCHANGE_SERVING] = "serving",
        [EXCHANGE_FINISHED] = "finished",
    };
    return names[stage];
}

/* ---- what it waits for ---- */

struct waiting {
    enum exchange_wait wait;
    uint64_t since_ms;
};

static struct waiting waits_in_queue(const struct exchange *exchange)
{
    static const enum exchange_wait wants[] = {
        [QUEUE_CONNECTION] = EXCHANGE_WAITS_CONNECTION,
        [QUEUE_PLACE] = EXCHANGE_WAITS_PLACE,
        [QUEUE_DESCRIPTOR] = EXCHANGE_WAITS_DESCRIPTOR,
    };
    const struct exchange_admission *admission = &exchange->admission;
    return (struct waiting){admission->state == ADMISSION_AT_SHARD ? EXCHANGE_WAITS_SHARD
                                                                   : wants[admission->waiter.wants],
                            admission->queued_ms};
}

static struct waiting waits_while_sending(const struct exchange *exchange)
{
    const struct request_body *body = &exchange->body;
    return (struct waiting){body->continue_awaited           ? EXCHANGE_WAITS_CONTINUE
                            : exchange_client_owes(exchange) ? EXCHANGE_WAITS_CLIENT_BODY
                                                             : EXCHANGE_WAITS_UPSTREAM_TAKES,
                            body->moved_ms};
}

/* `moving` is what it waits for unless the client is full. */
static struct waiting waits_while_answering(const struct exchange *exchange,
                                            enum exchange_wait moving)
{
    const struct exchange_response *response = &exchange->response;
    return (struct waiting){response->full ? EXCHANGE_WAITS_CLIENT_TAKES : moving,
                            response->moved_ms};
}

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static struct waiting what_it_waits_for(const struct exchange *exchange)
{
    const struct request_body *body = &exchange->body;
    uint64_t began_ms = exchange->times.started_us / 1000;
    uint64_t tried_ms = exchange->attempt.started_us / 1000;
    switch ((enum exchange_stage)exchange->stage) {
    case EXCHANGE_ASKING: return (struct waiting){EXCHANGE_WAITS_AUTH, began_ms};
    case EXCHANGE_AWAITING_BODY:
        return (struct waiting){EXCHANGE_WAITS_CLIENT_BODY, body->moved_ms};
    case EXCHANGE_QUEUED: return waits_in_queue(exchange);
    case EXCHANGE_CONNECTING: return (struct waiting){EXCHANGE_WAITS_DIAL, tried_ms};
    case EXCHANGE_SENDING: return waits_while_sending(exchange);
    case EXCHANGE_AWAITING:
        return (struct waiting){EXCHANGE_WAITS_UPSTREAM_HEAD, later(body->sent_ms, tried_ms)};
    case EXCHANGE_RESPONDING: return waits_while_answering(exchange, EXCHANGE_WAITS_UPSTREAM_BODY);
    case EXCHANGE_TUNNEL:
        return (struct waiting){EXCHANGE_WAITS_TUNNEL,
                                later(body->moved_ms, exchange->response.moved_ms)};
    case EXCHANGE_BACKOFF: return (struct waiting){EXCHANGE_WAITS_RETRY, tried_ms};
    case EXCHANGE_SERVING: return waits_while_answering(exchange, EXCHANGE_WAITS_DISK);
    case EXCHANGE_NEW:
    case EXCHANGE_LEASED:
    case EXCHANGE_FINISHED: break;
    }
    return (struct waiting){EXCHANGE_WAITS_NOT, exchange_now_ms(exchange)};
}

/* ---- texts ---- */

/* Bytes that are not visible ASCII may be anything, and are not copied. */
static void copy_plain(char *space, size_t space_bytes, const char *text, size_t bytes)
{
    size_t count = bytes < space_bytes - 1 ? bytes : space_bytes - 1;
    for (size_t i = 0; i < count; i++) {
        space[i] = text[i] > ' ' && text[i] <= '~' ? text[i] : '?';
    }
    space[count] = '\0';
}

static void copy_name(char space[SAMPLE_NAME_BYTES], const char *text)
{
    snprintf(space, SAMPLE_NAME_BYTES, "%.*s", SAMPLE_NAME_BYTES - 1, text);
}

/* What follows the path may be a secret: query and fragment are left out. */
static void copy_path(const struct exchange *exchange, char space[SAMPLE_PATH_BYTES])
{
    const struct span target = exchange_came_target(exchange);
    const char *text = head_text(&exchange->request, target);
    size_t bytes = 0;
    while (bytes < target.bytes && text[bytes] != '?' && text[bytes] != '#') {
        bytes++;
    }
    copy_plain(space, SAMPLE_PATH_BYTES, text, bytes);
}

static void copy_request_id(const struct exchange *exchange, char space[SAMPLE_NAME_BYTES])
{
    const struct http_head *head = &exchange->request;
    const struct http_field *kept =
        exchange->forward.request_id_kept ? head_find(head, FIELD_X_REQUEST_ID) : NULL;
    if (kept != NULL) {
        copy_plain(space, SAMPLE_NAME_BYTES, head->base + kept->value_at, kept->value_bytes);
    } else {
        copy_plain(space, SAMPLE_NAME_BYTES, exchange->forward.request_id,
                   strlen(exchange->forward.request_id));
    }
}

static void copy_texts(const struct exchange *exchange, struct exchange_sample *sample)
{
    const struct http_head *head = &exchange->request;
    const struct lease *lease = attempt_lease(&exchange->attempt);
    char client[ADDRESS_TEXT_BYTES];
    address_format_ip(&exchange_client(exchange)->any, client);
    copy_name(sample->client, client);
    copy_name(sample->listener, exchange->origin->listener->name);
    copy_name(sample->route, exchange->target.route_name);
    copy_name(sample->upstream, exchange->target.upstream_name);
    copy_name(sample->endpoint,
              lease != NULL ? endpoint_text(lease->endpoint) : exchange->endpoint_text);
    copy_plain(sample->method, sizeof sample->method, head_text(head, head->method_text),
               head->method_text.bytes);
    copy_path(exchange, sample->path);
    copy_request_id(exchange, sample->request_id);
}

/* ---- all of it ---- */

/* The wait of an exchange of this age; times of different precision may differ by a moment. */
static uint64_t waits_ms(const struct waiting *waiting, uint64_t now_ms, uint64_t age_ms)
{
    uint64_t since_ms = waiting->since_ms < now_ms ? now_ms - waiting->since_ms : 0;
    return since_ms < age_ms ? since_ms : age_ms;
}

/* The exchange whose attempt brings the response. */
static const struct exchange *who_answers(const struct exchange *exchange)
{
    return exchange->hedge.role == HEDGE_BEATEN ? exchange->hedge.twin : exchange;
}

enum exchange_wait exchange_waits_for(const struct exchange *exchange)
{
    return what_it_waits_for(who_answers(exchange)).wait;
}

void exchange_sample_take(const struct exchange *exchange, struct exchange_sample *ret_sample)
{
    const struct exchange *answers = who_answers(exchange);
    const struct waiting waiting = what_it_waits_for(answers);
    uint64_t now_ms = exchange_now_ms(exchange), deadline_ms = exchange->times.deadline_ms;
    uint64_t age_ms = (uint64_t)exchange_age_us(exchange) / 1000;
    *ret_sample = (struct exchange_sample){
        .started_us = exchange->times.started_us,
        .age_ms = age_ms,
        .waits_ms = waits_ms(&waiting, now_ms, age_ms),
        .deadline_left_ms = deadline_ms == 0 ? -1 : (int64_t)deadline_left_ms(deadline_ms, now_ms),
        .request_bytes = exchange->body.bytes,
        .response_bytes = exchange->response.payload_bytes,
        .stage = (enum exchange_stage)answers->stage,
        .wait = waiting.wait,
        .status = exchange->response.status,
        .attempts_count = exchange->tries.attempts_count,
        .worker = exchange->worker->env.index,
        .protocol = exchange_protocol(exchange),
    };
    copy_texts(exchange, ret_sample);
}

static uint64_t buf_held_bytes(const struct buf *buf)
{
    return buf != NULL ? sizeof *buf + buf->capacity : 0;
}

uint64_t exchange_held_bytes(const struct exchange *exchange)
{
    const struct request_body *body = &exchange->body;
    return buf_held_bytes(exchange->head_buf) + buf_held_bytes(body->held) +
           buf_held_bytes(body->replay) + buf_held_bytes(body->trailers);
}
