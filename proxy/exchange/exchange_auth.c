/* Asking a service who may pass, and what becomes of its answer. */
#include "proxy/exchange/exchange_auth.h"

#include <stdio.h>
#include <string.h>

#include "proxy/edge/edge_auth.h"
#include "proxy/edge/edge_fields.h"
#include "proxy/edge/password.h"
#include "proxy/exchange/exchange_parts.h"
#include "proxy/exchange/side_request.h"
#include "proxy/policy/call_strata.h"
#include "steady/deadline.h"

/* Most of a service's answer that goes to a client: a page to log in. */
#define ANSWER_BYTES ((size_t)64 * 1024)
/* Hashes wait no longer, on a route whose exchanges have no deadline. */
#define PASSWORD_MOST_MS 10000

struct exchange_auth {
    struct buf *memory; /* that this struct is in */
    struct exchange *exchange;
    struct side_request *side; /* NULL: it has answered, or there is none */
    struct password_wait wait;
    bool known; /* the client is this user, and does not merely say so */
    char user[CREDENTIAL_NAME_BYTES + 1];
};

static const struct auth_settings *settings_of(const struct exchange *exchange)
{
    return &exchange->edge.route->auth;
}

/* ---- the wait ---- */

/* The wait is part of the deadline, if the request goes to an upstream. */
static void set_deadline(struct exchange *exchange)
{
    if (exchange->target.upstream != NULL) {
        exchange_set_deadline(exchange, exchange_settings(exchange), exchange->edge.route);
        return;
    }
    /* the end of a side request comes before */
    uint64_t most_ms = settings_of(exchange)->forward.timeout_ms * 2;
    most_ms = most_ms > PASSWORD_MOST_MS ? most_ms : PASSWORD_MOST_MS;
    exchange->times.deadline_ms = exchange->times.end_ms =
        deadline_after(exchange_now_ms(exchange), most_ms);
}

/* Until the answer comes the exchange holds no place, and no more of its body is read. */
static void begin_wait(struct exchange *exchange)
{
    if (exchange->target.upstream != NULL) {
        admission_enter(exchange, ADMISSION_APART);
    }
    exchange->body.full = true;
    set_deadline(exchange);
    exchange_enter(exchange, EXCHANGE_ASKING);
}

static void fail(struct exchange *exchange, enum exchange_reason reason, const char *detail)
{
    stat_add(&exchange->worker->stats.auth_failed, 1);
    exchange_fail(exchange, reason, detail);
}

static void note_user(struct exchange_auth *auth, const char *name, size_t bytes)
{
    bytes = bytes < sizeof auth->user ? bytes : sizeof auth->user - 1;
    memcpy(auth->user, name, bytes);
    auth->user[bytes] = '\0';
}

/* ---- the service's answer ---- */

static bool has_body(unsigned status)
{
    return status != 204 && status != 205 && status != 304;
}

/* Gives the service's answer to the client. What it says of its connection and of its message's end is not the client's. */
static void give(struct exchange *exchange, const struct side_answer *answer)
{
    struct http_head head = *answer->head;
    bool body = has_body(head.status);
    bool silent = !body || exchange->request.method == METHOD_HEAD;
    const struct iovec piece = {(void *)(uintptr_t)answer->body, silent ? 0 : answer->body_bytes};
    const struct payload payload = {&piece, 1, true, NULL};
    head.facts &= FACT_CANONICAL;
    head.framing = body ? FRAMING_LENGTH : FRAMING_NONE;
    /* that of a 304 is the length of another answer (RFC 9110 8.6) */
    head.content_length = body ? answer->body_bytes : head.content_length;
    stat_add(&exchange->worker->stats.auth_refused, 1);
    exchange_send_whole(exchange, REASON_AUTH_REFUSED, &head, &payload, &edge_no_extra);
}

static void take_yes(struct exchange *exchange, const struct http_head *head)
{
    const struct auth_forward_settings *forward = &settings_of(exchange)->forward;
    const struct http_field *user = edge_auth_user(forward, head);
    if (user != NULL) {
        note_user(exchange->edge.auth, head->base + user->value_at, user->value_bytes);
        exchange->edge.auth->known = true;
    }
    if (forward->copy_count > 0 && (!exchange_edge_take_lines(exchange) ||
                                    !edge_auth_copy(forward, head, exchange->edge.lines))) {
        fail(exchange, REASON_AUTH_UNAVAILABLE, "its fields are too long");
        return;
    }
    stat_add(&exchange->worker->stats.auth_passed, 1);
    exchange_go_on_behind_auth(exchange);
}

/* No answer that counts has come. */
static void take_failure(struct exchange *exchange, const struct side_answer *answer)
{
    const struct reason_row *row = &reason_rows[answer->reason];
    exchange->times.retry_after_ms = answer->retry_after_ms;
    fail(exchange, row->status == 504 ? REASON_AUTH_TIMEOUT : REASON_AUTH_UNAVAILABLE, row->name);
}

static void on_answer(void *owner, const struct side_answer *answer)
{
    struct exchange *exchange = owner;
    exchange->edge.auth->side = NULL;
    if (answer->reason != REASON_COMPLETE) {
        take_failure(exchange, answer);
        return;
    }
    unsigned status = answer->head->status;
    if (status >= 500) {
        char detail[16];
        snprintf(detail, sizeof detail, "status %u", status);
        fail(exchange, REASON_AUTH_UNAVAILABLE, detail);
    } else if (status < 300) {
        take_yes(exchange, answer->head);
    } else if (answer->cut) {
        fail(exchange, REASON_AUTH_UNAVAILABLE, "its answer is too long");
    } else {
        give(exchange, answer);
    }
}

/* ---- the question ---- */

static struct upstream *service_of(const struct exchange *exchange)
{
    const struct generation *generation = exchange->worker->generation;
    return generation->upstreams->views[settings_of(exchange)->forward.upstream_index].upstream;
}

/* Its retry_after is told the client. */
static void refuse_closed(struct exchange *exchange, const struct maintenance_settings *closed)
{
    exchange->times.retry_after_ms = closed->retry_after_ms;
    fail(exchange, REASON_AUTH_UNAVAILABLE, reason_rows[REASON_MAINTENANCE].name);
}

/* False: no memory. */
static bool ask_service(struct exchange *exchange)
{
    const struct auth_forward_settings *forward = &settings_of(exchange)->forward;
    struct worker *worker = exchange->worker;
    struct buf *space = buf_take(worker->bufs, edge_auth_bytes(forward, &exchange->request));
    if (space == NULL) {
        return false;
    }
    struct http_head head;
    struct side_ask ask = {
        .upstream = service_of(exchange),
        .head = &head,
        .timeout_ms = forward->timeout_ms,
        .x_forwarded = true,
        .body_most_bytes = ANSWER_BYTES,
        .done = on_answer,
        .owner = exchange,
    };
    edge_auth_ask(forward, &exchange->request, space->bytes, &head, &ask.lines, &ask.lines_bytes);
    bool asked = side_request_start(exchange, &ask, &exchange->edge.auth->side);
    buf_give(worker->bufs, &space);
    return asked;
}

/* ---- passwords ---- */

/* The password was for us, not for the upstream. */
static void note_right(struct exchange *exchange)
{
    struct http_head *head = &exchange->request;
    for (unsigned i = 0; i < head->field_count && !settings_of(exchange)->basic.pass; i++) {
        if (head->fields[i].id == FIELD_AUTHORIZATION) {
            head->fields[i].drop = 1;
            head->fields[i].value_bytes = 0;
        }
    }
    exchange->edge.auth->known = true;
    stat_add(&exchange->worker->stats.auth_passed, 1);
}

static void refuse(struct exchange *exchange)
{
    stat_add(&exchange->worker->stats.auth_refused, 1);
    exchange_fail(exchange, REASON_AUTH_REFUSED, NULL);
}

static void on_judged(struct password_wait *wait, bool right)
{
    struct exchange *exchange = container_of(wait, struct exchange_auth, wait)->exchange;
    if (right) {
        note_right(exchange);
        exchange_go_on_behind_auth(exchange);
    } else {
        refuse(exchange);
    }
}

/* True: it is right, as is remembered. */
static bool ask_password(struct exchange *exchange)
{
    struct worker *worker = exchange->worker;
    struct exchange_auth *auth = exchange->edge.auth;
    struct credentials credentials;
    if (!credentials_find(&exchange->request, &credentials)) {
        refuse(exchange);
        return false;
    }
    note_user(auth, credentials.name, strlen(credentials.name));
    auth->wait.done = on_judged;
    enum password_result result =
        passwords_ask(worker->env.passwords, &settings_of(exchange)->basic, &credentials,
                      call_client_hash(worker->env.strata_seed, exchange_client(exchange)),
                      worker->loop.mailbox, worker_now_ms(worker), &auth->wait);
    explicit_bzero(&credentials, sizeof credentials);
    switch (result) {
    case PASSWORD_RIGHT: note_right(exchange); return true;
    case PASSWORD_ASKED:
        stat_add(&worker->stats.auth_hashes, 1);
        begin_wait(exchange);
        break;
    case PASSWORD_JOINED: begin_wait(exchange); break;
    case PASSWORD_BUSY: fail(exchange, REASON_AUTH_BUSY, NULL); break;
    case PASSWORD_NO_MEMORY: fail(exchange, REASON_NO_MEMORY, NULL); break;
    }
    return false;
}

/* ---- the beginning and the end ---- */

static struct exchange_auth *auth_create(struct exchange *exchange)
{
    struct buf *memory = buf_take(exchange->worker->bufs, sizeof(struct exchange_auth));
    if (memory == NULL) {
        return NULL;
    }
    struct exchange_auth *auth = (struct exchange_auth *)(void *)memory->bytes;
    *auth = (struct exchange_auth){.memory = memory, .exchange = exchange};
    return auth;
}

bool exchange_auth_begin(struct exchange *exchange)
{
    const struct auth_settings *settings = settings_of(exchange);
    exchange->edge.auth = auth_create(exchange);
    if (exchange->edge.auth == NULL) {
        fail(exchange, REASON_NO_MEMORY, NULL);
        return false;
    }
    if (settings->basic.file != NULL) {
        return ask_password(exchange);
    }
    const struct maintenance_settings *closed =
        exchange_upstream_closed(exchange, service_of(exchange));
    if (closed != NULL) {
        refuse_closed(exchange, closed);
        return false;
    }
    edge_auth_guard(&settings->forward, &exchange->request);
    begin_wait(exchange);
    if (!ask_service(exchange)) {
        fail(exchange, REASON_NO_MEMORY, NULL);
    }
    return false;
}

void exchange_auth_cancel(struct exchange *exchange)
{
    side_request_cancel(&exchange->edge.auth->side);
    password_wait_cancel(&exchange->edge.auth->wait);
}

void exchange_auth_release(struct exchange *exchange)
{
    if (exchange->edge.auth != NULL) {
        struct buf *memory = exchange->edge.auth->memory;
        buf_give(exchange->worker->bufs, &memory);
        exchange->edge.auth = NULL;
    }
}

/* ---- what others ask ---- */

void exchange_auth_guard(const struct exchange *exchange, struct http_head *trailers)
{
    if (exchange->edge.auth != NULL) {
        edge_auth_guard(&settings_of(exchange)->forward, trailers);
    }
}

const char *exchange_auth_user(const struct exchange *exchange)
{
    const struct exchange_auth *auth = exchange->edge.auth;
    return auth != NULL && auth->known ? auth->user : "";
}

const char *exchange_auth_realm(const struct exchange *exchange)
{
    const struct route_settings *route = exchange->edge.route;
    return route != NULL && route->auth.basic.file != NULL ? route->auth.basic.realm : NULL;
}
