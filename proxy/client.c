/* The client's side of HTTP/1.x: heads and payload in, responses out, keep-alive, pipelining, tear-down. */
#include "proxy/client.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "proxy/exchange.h"
#include "proxy/h1_body.h"
#include "proxy/h1_parse.h"
#include "proxy/h1_write.h"
#include "steady/check.h"
#include "steady/deadline.h"

/* Pieces of payload per step; chunked bodies of tiny chunks take several steps. */
#define CLIENT_PIECES 64
/* How long we read on after our last byte, so that the client sees the response and not a reset (RFC 9112 9.6). */
#define CLIENT_LINGER_MS 2000
/* While the process drains: how long a client that has just come may take to ask its one request. */
#define CLIENT_DRAIN_MS 1000

enum client_state {
    CLIENT_IDLE,     /* between requests */
    CLIENT_HEAD,     /* part of a head has come */
    CLIENT_EXCHANGE, /* an exchange runs */
    CLIENT_TUNNEL,   /* an exchange runs, bytes are relayed as they are */
    CLIENT_CLOSING,  /* the last response is on its way out */
    CLIENT_LINGER,   /* our direction is ended; what comes is thrown away */
    CLIENT_CLOSED,
};

struct client {
    struct event event;
    TAILQ_ENTRY(client) link;
    struct worker *worker;
    struct worker_listener *listener;
    struct exchange *exchange;
    struct buf *in;  /* received, not consumed */
    struct buf *out; /* to be sent */
    struct wheel_timer timer;
    union {
        struct corpse corpse; /* once closed */
        struct again again;   /* while open */
    };
    struct h1_body body; /* of the request */
    uint64_t since_ms; /* when the state began, or the socket last took a byte while `out` waits */
    struct stream stream;
    struct ip_address address;
    uint8_t state;        /* enum client_state; written only by client_enter() */
    bool readable : 1;    /* the socket may hold bytes */
    bool saw_end : 1;     /* the end follows what is readable */
    bool running : 1;     /* client_run() is on the stack */
    bool starved : 1;     /* `in` needs more bytes before it can be consumed further */
    bool paused : 1;      /* the request's sink is full */
    bool keep : 1;        /* the connection may serve another request after this one */
    bool out_chunked : 1; /* how the response is framed */
    bool out_close : 1;
    bool refused : 1; /* beyond limits.clients: counted in `refusals` */
    bool http_1_0 : 1;
    bool served : 1;     /* at least one request */
    bool end_wanted : 1; /* a tunnel's far side has ended: end our direction when `out` is empty */
};

struct input {
    const char *bytes;
    size_t length;
    bool buffered; /* the bytes are client->in's */
};

static const struct downstream_ops client_ops;

static void client_on_event(evutil_socket_t fd, short what, void *arg);
static void client_on_timer(struct wheel_timer *timer, uint64_t now_ms);
static void client_on_again(struct again *again);
static void client_run(struct client *client);
static void client_enter(struct client *client, enum client_state state);
static void client_close(struct client *client, bool reset);
static bool client_flush(struct client *client);
static void client_refuse(struct client *client, enum exchange_reason reason, const char *detail);

size_t client_object_bytes(void)
{
    return sizeof(struct client);
}

void client_accept(struct worker_listener *listener, int fd, const struct ip_address *address)
{
    struct worker *worker = listener->worker;
    struct shared_bounds *bounds = worker->env.bounds;
    bool refused = !bound_take(&bounds->clients, 1);
    struct client *client = NULL;
    if (!refused || bound_take(&bounds->refusals, 1)) {
        client = slab_take(worker->clients);
        if (client == NULL) {
            bound_give(refused ? &bounds->refusals : &bounds->clients, 1);
        }
    }
    stat_add(&worker->stats.clients_accepted, 1);
    if (client == NULL) {
        stat_add(&worker->stats.clients_refused, 1);
        struct stream stream;
        stream_init(&stream, fd);
        stream_close(&stream, false);
        bound_give(&bounds->fds, 1);
        return;
    }
    memset(client, 0, sizeof *client);
    client->worker = worker;
    client->listener = listener;
    client->address = *address;
    client->refused = refused;
    client->state = CLIENT_CLOSED;
    client->again.run = client_on_again;
    listener->client_count++;
    stream_init(&client->stream, fd);
    wheel_timer_init(&client->timer, client_on_timer);
    TAILQ_INSERT_TAIL(&worker->open, client, link);
    stat_add(&worker->stats.clients_open, 1);
    client_enter(client, CLIENT_IDLE);
    event_assign(&client->event, worker->base, fd,
                 EV_READ | EV_WRITE | EV_CLOSED | EV_ET | EV_PERSIST, client_on_event, client);
    if (event_add(&client->event, NULL) != 0) {
        client_close(client, true);
        return;
    }
    if (refused) {
        stat_add(&worker->stats.clients_refused, 1);
        client_refuse(client, REASON_CLIENT_LIMIT, NULL);
    }
}

void clients_close_idle(struct worker *worker)
{
    struct client *client, *next;
    for (client = TAILQ_FIRST(&worker->open); client != NULL; client = next) {
        next = TAILQ_NEXT(client, link);
        if (client->state != CLIENT_IDLE || client->out != NULL) {
            continue;
        }
        /* a request that is in the socket already is served */
        client->readable = true;
        client_run(client);
        if (client->state == CLIENT_IDLE && client->served) {
            client_close(client, false);
        } else if (client->state == CLIENT_IDLE) {
            client_enter(client, CLIENT_IDLE);
        }
    }
}

void clients_cut(struct worker *worker)
{
    struct client *client, *next;
    for (client = TAILQ_FIRST(&worker->open); client != NULL; client = next) {
        next = TAILQ_NEXT(client, link);
        if (client->exchange != NULL) {
            exchange_fail(client->exchange, REASON_DRAIN_CUT, NULL);
        }
        if (client->state != CLIENT_CLOSED) {
            client_close(client, false);
        }
    }
}

void clients_close_all(struct worker *worker)
{
    clients_cut(worker);
    CHECK(TAILQ_EMPTY(&worker->open));
}

static uint64_t client_due_ms(const struct client *client)
{
    const struct listener_timeout_settings *timeouts = &client->listener->timeouts;
    if (client->out != NULL) {
        return deadline_after(client->since_ms, timeouts->send_ms);
    }
    switch ((enum client_state)client->state) {
    case CLIENT_HEAD: return deadline_after(client->since_ms, timeouts->head_ms);
    case CLIENT_LINGER: return deadline_after(client->since_ms, CLIENT_LINGER_MS);
    case CLIENT_CLOSING: return deadline_after(client->since_ms, timeouts->send_ms);
    case CLIENT_IDLE:
        if (client->worker->draining) {
            return deadline_after(client->since_ms, CLIENT_DRAIN_MS);
        }
        break;
    case CLIENT_EXCHANGE:
    case CLIENT_TUNNEL:
    case CLIENT_CLOSED: break;
    }
    return deadline_after(client->since_ms, timeouts->idle_ms);
}

static void client_arm(struct client *client)
{
    wheel_arm(&client->worker->wheel, &client->timer, client_due_ms(client));
}

static void client_enter(struct client *client, enum client_state state)
{
    struct worker_stats *stats = &client->worker->stats;
    if (client->state == CLIENT_IDLE) {
        stat_sub(&stats->clients_idle, 1);
    } else if (client->state == CLIENT_TUNNEL) {
        stat_sub(&stats->tunnels_open, 1);
    }
    client->state = (uint8_t)state;
    client->since_ms = worker_now_ms(client->worker);
    if (state == CLIENT_IDLE) {
        stat_add(&stats->clients_idle, 1);
    } else if (state == CLIENT_TUNNEL) {
        stat_add(&stats->tunnels_open, 1);
        stat_add(&stats->tunnels, 1);
    }
    /* an exchange has its own timer; ours stays where it was and looks again then */
    if (state != CLIENT_EXCHANGE && state != CLIENT_TUNNEL && state != CLIENT_CLOSED) {
        client_arm(client);
    }
}

static void client_bury(struct corpse *corpse, void *owner)
{
    struct client *client = (struct client *)((char *)corpse - offsetof(struct client, corpse));
    struct worker *worker = owner;
    slab_give(worker->clients, &client);
}

/* The only way a client ends. An exchange must be over. */
static void client_close(struct client *client, bool reset)
{
    struct worker *worker = client->worker;
    CHECK(client->exchange == NULL && client->state != CLIENT_CLOSED);
    client_enter(client, CLIENT_CLOSED);
    event_del(&client->event);
    stream_close(&client->stream, reset);
    wheel_disarm(&worker->wheel, &client->timer);
    worker_again_cancel(worker, &client->again);
    buf_give(worker->bufs, &client->in);
    buf_give(worker->bufs, &client->out);
    TAILQ_REMOVE(&worker->open, client, link);
    stat_sub(&worker->stats.clients_open, 1);
    stat_add(&worker->stats.clients_closed, 1);
    bound_give(client->refused ? &worker->env.bounds->refusals : &worker->env.bounds->clients, 1);
    bound_give(&worker->env.bounds->fds, 1);
    worker_listener_put(client->listener);
    graveyard_bury(&worker->graveyard, &client->corpse, client_bury);
    worker_client_gone(worker);
}

/* The client is no longer there: its exchange, if any, is cancelled. */
static void client_lost(struct client *client, enum exchange_reason reason)
{
    if (client->exchange != NULL) {
        client->keep = false;
        exchange_finish(client->exchange, reason);
    }
    if (client->state != CLIENT_CLOSED) {
        client_close(client, true);
    }
}

static void client_on_timer(struct wheel_timer *timer, uint64_t now_ms)
{
    struct client *client = (struct client *)((char *)timer - offsetof(struct client, timer));
    bool in_exchange = client->exchange != NULL;
    if (in_exchange && client->out == NULL) {
        wheel_arm(&client->worker->wheel, timer,
                  deadline_after(now_ms, client->listener->timeouts.idle_ms));
        return;
    }
    if (!deadline_passed(client_due_ms(client), now_ms)) {
        client_arm(client);
        return;
    }
    stat_add(&client->worker->stats.client_timeouts, 1);
    if (in_exchange) {
        client_lost(client, REASON_CLIENT_STALLED);
        return;
    }
    if (client->state == CLIENT_HEAD) {
        client_refuse(client, REASON_REQUEST_TIMEOUT, NULL);
        return;
    }
    client_close(client, client->out != NULL);
}

static void client_on_event(evutil_socket_t fd, short what, void *arg)
{
    struct client *client = arg;
    (void)fd;
    if (client->state == CLIENT_CLOSED) {
        return;
    }
    if (what & EV_CLOSED) {
        client->saw_end = true;
    }
    if (what & (EV_READ | EV_CLOSED)) {
        client->readable = true;
    }
    if (client->out != NULL) {
        if (!client_flush(client)) {
            return;
        }
    } else if ((what & EV_WRITE) && client->exchange != NULL && client->exchange->response_full) {
        /* bytes wait in a pipe, not here */
        exchange_client_drained(client->exchange);
    }
    client_run(client);
}

static void client_on_again(struct again *again)
{
    client_run((struct client *)((char *)again - offsetof(struct client, again)));
}

static struct exchange_origin client_origin(struct client *client)
{
    return (struct exchange_origin){client->worker,
                                    &client_ops,
                                    client,
                                    &client->address.any,
                                    client->listener->name,
                                    &client->listener->timeouts};
}

/* Answers a request that there is no exchange for. */
static void client_refuse(struct client *client, enum exchange_reason reason, const char *detail)
{
    const struct exchange_origin origin = client_origin(client);
    client->keep = false;
    client_enter(client, CLIENT_EXCHANGE);
    if (!exchange_refuse(&origin, reason, detail, &client->exchange)) {
        client_close(client, true);
    }
}

/* ---- sending ---- */

static size_t pieces_bytes(const struct iovec *pieces, size_t count)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        total += pieces[i].iov_len;
    }
    return total;
}

/* Keeps what the socket did not take. False: no memory for it. */
static bool client_keep_out(struct client *client, const struct iovec *pieces, size_t count,
                            size_t sent)
{
    struct worker *worker = client->worker;
    size_t left = pieces_bytes(pieces, count) - sent;
    bool first = client->out == NULL;
    if (first || buf_room(client->out) + client->out->begin < left) {
        size_t before = client->out != NULL ? buf_length(client->out) : 0;
        struct buf *larger = buf_take(worker->bufs, before + left);
        if (larger == NULL) {
            return false;
        }
        if (client->out != NULL) {
            CHECK(buf_append(larger, client->out->bytes + client->out->begin, before));
            buf_give(worker->bufs, &client->out);
        }
        client->out = larger;
    }
    for (size_t i = 0; i < count; i++) {
        size_t skip = sent < pieces[i].iov_len ? sent : pieces[i].iov_len;
        sent -= skip;
        CHECK(buf_append(client->out, (const char *)pieces[i].iov_base + skip,
                         pieces[i].iov_len - skip));
    }
    if (first) {
        client->since_ms = worker_now_ms(worker);
        client_arm(client);
    }
    return true;
}

static enum sink client_send(struct client *client, const struct iovec *pieces, size_t count)
{
    size_t sent = 0;
    if (client->out == NULL) {
        enum stream_result result = stream_send(&client->stream, pieces, count, &sent);
        if (result == STREAM_OK) {
            stat_add(&client->worker->stats.client_bytes_out, sent);
            if (sent == pieces_bytes(pieces, count)) {
                return SINK_OPEN;
            }
        } else if (result != STREAM_BLOCKED) {
            client_lost(client, REASON_CLIENT_ABORT);
            return SINK_BROKEN;
        }
    }
    if (!client_keep_out(client, pieces, count, sent)) {
        client_lost(client, REASON_NO_MEMORY);
        return SINK_BROKEN;
    }
    return SINK_FULL;
}

static void client_finish_sending(struct client *client)
{
    bool unread =
        client->refused || client->in != NULL || client->readable || !h1_body_done(&client->body);
    if (!unread || client->saw_end) {
        client_close(client, false);
        return;
    }
    stream_end(&client->stream);
    client_enter(client, CLIENT_LINGER);
    client_run(client);
}

/* Sends what waits. False: the client is closed. */
static bool client_flush(struct client *client)
{
    struct buf *out = client->out;
    struct iovec piece = {out->bytes + out->begin, buf_length(out)};
    size_t sent = 0;
    enum stream_result result = stream_send(&client->stream, &piece, 1, &sent);
    if (result == STREAM_BLOCKED) {
        return true;
    }
    if (result != STREAM_OK) {
        client_lost(client, REASON_CLIENT_ABORT);
        return false;
    }
    stat_add(&client->worker->stats.client_bytes_out, sent);
    client->since_ms = worker_now_ms(client->worker);
    buf_consume(out, sent);
    if (buf_length(out) > 0) {
        return true;
    }
    buf_give(client->worker->bufs, &client->out);
    if (client->end_wanted) {
        stream_end(&client->stream);
    }
    if (client->exchange != NULL) {
        exchange_client_drained(client->exchange);
    } else if (client->state == CLIENT_CLOSING) {
        client_finish_sending(client);
    } else {
        client_arm(client);
    }
    return client->state != CLIENT_CLOSED;
}

/* ---- receiving ---- */

/* More bytes: behind those in `in` when there are some, else into the scratch. */
static enum stream_result client_receive(struct client *client, struct input *ret_input)
{
    struct worker *worker = client->worker;
    char *room = worker->read_scratch;
    size_t room_bytes = WORKER_READ_BYTES, got;
    if (client->in != NULL) {
        if (buf_room(client->in) < 512) {
            struct buf *larger = buf_take(worker->bufs, buf_length(client->in) * 2 + 1024);
            if (larger == NULL) {
                return STREAM_ERROR;
            }
            CHECK(
                buf_append(larger, client->in->bytes + client->in->begin, buf_length(client->in)));
            buf_give(worker->bufs, &client->in);
            client->in = larger;
        }
        room = client->in->bytes + client->in->end;
        room_bytes = buf_room(client->in);
    }
    enum stream_result result = stream_recv(&client->stream, room, room_bytes, &got);
    if (result != STREAM_OK) {
        client->readable = result != STREAM_BLOCKED;
        return result;
    }
    /* a short read emptied the socket: the next edge will tell, unless the end is already known to follow */
    client->readable = got == room_bytes || client->saw_end;
    stat_add(&worker->stats.client_bytes_in, got);
    if (client->in != NULL) {
        client->in->end += (uint32_t)got;
        *ret_input =
            (struct input){client->in->bytes + client->in->begin, buf_length(client->in), true};
    } else {
        *ret_input = (struct input){room, got, false};
    }
    return STREAM_OK;
}

/* The bytes to look at next: those kept, or new ones. */
static enum stream_result client_input(struct client *client, struct input *ret_input)
{
    if (client->in != NULL && !client->starved) {
        *ret_input =
            (struct input){client->in->bytes + client->in->begin, buf_length(client->in), true};
        return STREAM_OK;
    }
    if (!client->readable) {
        return STREAM_BLOCKED;
    }
    return client_receive(client, ret_input);
}

/* Keeps what was not consumed for later. */
static bool client_keep_in(struct client *client, const struct input *input, size_t consumed)
{
    if (input->buffered) {
        if (client->in != NULL) {
            buf_consume(client->in, consumed);
            if (buf_length(client->in) == 0) {
                buf_give(client->worker->bufs, &client->in);
            }
        }
        return true;
    }
    size_t left = input->length - consumed;
    if (left == 0) {
        return true;
    }
    CHECK(client->in == NULL);
    client->in = buf_take(client->worker->bufs, left);
    return client->in != NULL && buf_append(client->in, input->bytes + consumed, left);
}

/* Which of our reasons an unparsable head is. */
static enum exchange_reason reason_of_parse(enum h1_result result)
{
    switch (h1_result_status(result)) {
    case 414: return REASON_TARGET_TOO_LONG;
    case 431: return REASON_HEAD_TOO_LARGE;
    case 417: return REASON_EXPECTATION_FAILED;
    case 501: return REASON_NOT_IMPLEMENTED;
    case 505: return REASON_VERSION_NOT_SUPPORTED;
    default: return REASON_REQUEST_INVALID;
    }
}

/* Payload of the request at the front of the bytes: *ret_consumed of them. Without `trailers` it stops before them. False: *ret_reason. */
static bool client_decode(struct client *client, const char *bytes, size_t length,
                          struct iovec pieces[CLIENT_PIECES], struct payload *ret_payload,
                          struct http_head *trailers, size_t *ret_consumed,
                          enum exchange_reason *ret_reason, const char **ret_detail)
{
    const struct limit_settings *limits = &client->worker->generation->settings->limits;
    size_t count = 0, consumed = 0;
    enum h1_result result =
        h1_body_take(&client->body, bytes, length, pieces, CLIENT_PIECES, &count, &consumed);
    *ret_payload = (struct payload){pieces, count, false, NULL};
    client->starved = false;
    if (result == H1_OK && trailers != NULL && client->body.state == H1_BODY_TRAILERS) {
        const struct h1_limits h1_limits = {(uint32_t)limits->head_bytes,
                                            (uint32_t)limits->fields_count};
        size_t section = 0;
        trailers->fields = client->worker->trailer_fields;
        trailers->field_limit = WORKER_FIELDS_COUNT;
        result = h1_body_trailers(&client->body, bytes + consumed, length - consumed, &h1_limits,
                                  trailers, &section);
        if (result == H1_OK) {
            consumed += section;
            ret_payload->trailers = trailers->field_count > 0 ? trailers : NULL;
        } else if (result == H1_INCOMPLETE) {
            client->starved = true;
            result = H1_OK;
        }
    }
    if (result != H1_OK) {
        *ret_reason = REASON_REQUEST_INVALID;
        *ret_detail = h1_result_name(result);
        return false;
    }
    if (client->body.total_bytes > limits->body_bytes) {
        *ret_reason = REASON_BODY_TOO_LARGE;
        *ret_detail = NULL;
        return false;
    }
    ret_payload->last = h1_body_done(&client->body);
    *ret_consumed = consumed;
    return true;
}

static bool client_keeps_alive(const struct client *client, const struct http_head *head)
{
    return !(head->facts & FACT_CLOSE) && !client->worker->draining;
}

/* A whole head: starts the exchange with what came with it. */
static void client_start(struct client *client, const struct input *input,
                         const struct http_head *head)
{
    const struct exchange_origin origin = client_origin(client);
    struct iovec pieces[CLIENT_PIECES];
    struct payload payload = {pieces, 0, true, NULL};
    size_t consumed = 0;
    enum exchange_reason reason = REASON_REQUEST_INVALID;
    const char *detail = NULL;
    const char *rest = input->bytes + head->head_bytes;
    size_t rest_bytes = input->length - head->head_bytes;

    client->served = true;
    client->http_1_0 = (head->facts & FACT_HTTP_1_0) != 0;
    client->keep = client_keeps_alive(client, head);
    client->paused = false;
    client->starved = false;
    client->out_chunked = client->out_close = false;
    h1_body_init(&client->body, head->framing, head->content_length);
    client_enter(client, CLIENT_EXCHANGE);
    bool valid = true;
    if (!h1_body_done(&client->body) && rest_bytes > 0) {
        /* payload may have to be held until there is a connection; trailers cannot be: they wait for the next step */
        valid = client_decode(client, rest, rest_bytes, pieces, &payload, NULL, &consumed, &reason,
                              &detail);
    } else {
        payload.last = h1_body_done(&client->body);
    }
    if (!client_keep_in(client, input, input->buffered ? 0 : head->head_bytes + consumed)) {
        client_close(client, true);
        return;
    }
    if (!valid) {
        client_refuse(client, reason, detail);
    } else if (!exchange_start(&origin, head, &payload, &client->exchange)) {
        client_close(client, true);
    }
    if (input->buffered && client->state != CLIENT_CLOSED) {
        client_keep_in(client, input, head->head_bytes + consumed);
    }
    if (client->exchange != NULL) {
        client->paused = client->exchange->request_full;
    }
}

/* A step in IDLE or HEAD. True: there may be more to do. */
static bool client_take_head(struct client *client)
{
    struct worker *worker = client->worker;
    const struct limit_settings *limits = &worker->generation->settings->limits;
    const struct h1_limits h1_limits = {(uint32_t)limits->head_bytes,
                                        (uint32_t)limits->fields_count};
    struct input input;
    if (client->out != NULL) {
        return false; /* the last response is still on its way: one at a time */
    }
    enum stream_result received = client_input(client, &input);
    if (received == STREAM_BLOCKED) {
        return false;
    }
    if (received != STREAM_OK) {
        client_close(client, received != STREAM_END);
        return false;
    }
    size_t empty = h1_skip_empty_lines(input.bytes, input.length);
    input.bytes += empty;
    input.length -= empty;
    if (empty > 0 && input.buffered) {
        buf_consume(client->in, empty);
        if (input.length == 0) {
            buf_give(worker->bufs, &client->in);
        }
    }
    if (input.length == 0) {
        return true;
    }
    struct http_head head = {.fields = worker->fields, .field_limit = WORKER_FIELDS_COUNT};
    size_t scanned = client->state == CLIENT_HEAD && empty == 0 ? client->body.total_bytes : 0;
    enum h1_result result = H1_INCOMPLETE;
    if (input.length > 1 || input.bytes[0] != '\r') {
        result = h1_parse_request(input.bytes, input.length, &h1_limits, &scanned, &head);
    }
    if (result == H1_OK) {
        client_start(client, &input, &head);
        return client->state != CLIENT_CLOSED;
    }
    if (result != H1_INCOMPLETE) {
        client_refuse(client, reason_of_parse(result), h1_result_name(result));
        return client->state != CLIENT_CLOSED;
    }
    if (!client_keep_in(client, &input, 0)) {
        client_refuse(client, REASON_NO_MEMORY, NULL);
        return client->state != CLIENT_CLOSED;
    }
    client->starved = true;
    client->body.total_bytes =
        scanned; /* no body yet: the word remembers how far the head was searched */
    if (client->state == CLIENT_IDLE) {
        client_enter(client, CLIENT_HEAD);
    }
    return client->readable;
}

/* A step of the request's payload in EXCHANGE. */
static bool client_take_payload(struct client *client)
{
    struct iovec pieces[CLIENT_PIECES];
    struct payload payload;
    struct http_head trailers;
    struct input input;
    size_t consumed = 0;
    enum exchange_reason reason;
    const char *detail;
    if (h1_body_done(&client->body)) {
        /* whatever comes now belongs to the next request; but a client that leaves takes its exchange with it */
        if (client->saw_end) {
            client_lost(client, REASON_CLIENT_ABORT);
        }
        return false;
    }
    if (client->paused) {
        return false;
    }
    enum stream_result received = client_input(client, &input);
    if (received == STREAM_BLOCKED) {
        return false;
    }
    if (received != STREAM_OK) {
        client_lost(client, REASON_CLIENT_ABORT);
        return false;
    }
    if (!client_decode(client, input.bytes, input.length, pieces, &payload, &trailers, &consumed,
                       &reason, &detail)) {
        client->keep = false;
        exchange_fail(client->exchange, reason, detail);
        return client->state != CLIENT_CLOSED;
    }
    enum sink sink = SINK_OPEN;
    if (payload.count > 0 || payload.last) {
        sink = exchange_request_payload(client->exchange, &payload);
    }
    if (client->state == CLIENT_CLOSED) {
        return false;
    }
    if (!client_keep_in(client, &input, consumed)) {
        client_lost(client, REASON_NO_MEMORY);
        return false;
    }
    if (sink == SINK_FULL) {
        client->paused = true;
    }
    return true;
}

/* A step of a tunnel. */
static bool client_take_raw(struct client *client)
{
    struct input input;
    if (client->paused) {
        return false;
    }
    client->starved = false;
    enum stream_result received = client_input(client, &input);
    if (received == STREAM_BLOCKED) {
        return false;
    }
    if (received == STREAM_END) {
        client->readable = false;
        client->saw_end = false;
        exchange_client_raw_end(client->exchange);
        return false;
    }
    if (received != STREAM_OK) {
        client_lost(client, REASON_CLIENT_ABORT);
        return false;
    }
    struct iovec piece = {(void *)(uintptr_t)input.bytes, input.length};
    enum sink sink = exchange_client_raw(client->exchange, &piece, 1);
    if (sink == SINK_BROKEN || client->state == CLIENT_CLOSED) {
        return false;
    }
    client_keep_in(client, &input, input.length);
    client->paused = sink == SINK_FULL;
    return true;
}

static bool client_discard(struct client *client)
{
    struct input input;
    buf_give(client->worker->bufs, &client->in);
    if (!client->readable) {
        return false;
    }
    enum stream_result received = client_receive(client, &input);
    if (received == STREAM_BLOCKED) {
        return false;
    }
    if (received != STREAM_OK) {
        client_close(client, false);
        return false;
    }
    return true;
}

static bool client_step(struct client *client)
{
    switch ((enum client_state)client->state) {
    case CLIENT_IDLE:
    case CLIENT_HEAD: return client_take_head(client);
    case CLIENT_EXCHANGE: return client_take_payload(client);
    case CLIENT_TUNNEL: return client_take_raw(client);
    case CLIENT_LINGER: return client_discard(client);
    case CLIENT_CLOSING:
    case CLIENT_CLOSED: break;
    }
    return false;
}

/* Does what can be done now; a client that always has more lets the others go first after a while. */
static void client_run(struct client *client)
{
    if (client->running) {
        return;
    }
    client->running = true;
    unsigned steps = 0;
    while (client_step(client)) {
        if (++steps == WORKER_TURN_READS) {
            worker_again(client->worker, &client->again);
            break;
        }
    }
    client->running = false;
}

/* ---- what an exchange asks of its client ---- */

static struct client *client_of(const struct exchange *exchange)
{
    return exchange->owner;
}

/* The pieces of a payload as they go out, with the chunk's frame around them. Returns the count. */
static size_t client_frame(struct client *client, const struct payload *payload,
                           char chunk_head[H1_CHUNK_HEAD_BYTES], struct h1_writer *writer,
                           struct iovec out[CLIENT_PIECES + 4])
{
    size_t count = 0;
    size_t bytes = pieces_bytes(payload->pieces, payload->count);
    if (client->out_chunked && bytes > 0) {
        out[count++] = (struct iovec){chunk_head, h1_chunk_head(chunk_head, bytes)};
    }
    for (size_t i = 0; i < payload->count; i++) {
        out[count++] = payload->pieces[i];
    }
    if (client->out_chunked) {
        char *begin = writer->at;
        if (bytes > 0) {
            h1_write_bytes(writer, "\r\n", 2);
        }
        if (payload->last) {
            h1_write_bytes(writer, "0\r\n", 3);
            if (payload->trailers != NULL) {
                h1_write_fields(writer, payload->trailers);
            }
            h1_write_bytes(writer, "\r\n", 2);
        }
        if (writer->at > begin) {
            out[count++] = (struct iovec){begin, (size_t)(writer->at - begin)};
        }
    }
    return count;
}

static void client_write_head(struct client *client, const struct exchange *exchange,
                              const struct http_head *head, struct h1_writer *writer)
{
    bool head_only = exchange->request.method == METHOD_HEAD || head->status == 304;
    h1_write_status_line(writer, head);
    h1_write_fields(writer, head);
    if (!head_has(head, FIELD_DATE)) {
        h1_write_bytes(writer, "Date: ", 6);
        h1_write_bytes(writer, worker_date(client->worker), 29);
        h1_write_bytes(writer, "\r\n", 2);
    }
    if (head_only) {
        if (head_has(head, FIELD_CONTENT_LENGTH)) {
            h1_write_framing(writer, FRAMING_LENGTH, head->content_length);
        }
    } else if (head->framing == FRAMING_LENGTH) {
        h1_write_framing(writer, FRAMING_LENGTH, head->content_length);
    } else if (head->framing != FRAMING_NONE) {
        client->out_chunked = !client->http_1_0;
        client->out_close = client->http_1_0;
        if (client->out_chunked) {
            h1_write_framing(writer, FRAMING_CHUNKED, 0);
        }
    }
    /* a request that is not whole yet would be taken for the next one */
    client->keep = client->keep && !client->out_close && h1_body_done(&client->body) &&
                   !client->worker->draining;
    if (!client->keep) {
        h1_write_field_literal(writer, "Connection", "close");
    } else if (client->http_1_0) {
        h1_write_field_literal(writer, "Connection", "keep-alive");
    }
    h1_write_end(writer);
}

static enum sink client_send_head(struct exchange *exchange, const struct http_head *head,
                                  const struct payload *payload)
{
    struct client *client = client_of(exchange);
    struct h1_writer writer;
    struct iovec out[CLIENT_PIECES + 5];
    char chunk_head[H1_CHUNK_HEAD_BYTES];
    h1_writer_init(&writer, client->worker->write_scratch, WORKER_WRITE_BYTES);
    client_write_head(client, exchange, head, &writer);
    out[0] = (struct iovec){writer.begin, h1_writer_length(&writer)};
    size_t count = 1 + client_frame(client, payload, chunk_head, &writer, out + 1);
    if (!h1_writer_ok(&writer)) {
        client_lost(client, REASON_UPSTREAM_HEAD_TOO_LARGE);
        return SINK_BROKEN;
    }
    return client_send(client, out, count);
}

static enum sink client_send_payload(struct exchange *exchange, const struct payload *payload)
{
    struct client *client = client_of(exchange);
    struct h1_writer writer;
    struct iovec out[CLIENT_PIECES + 4];
    char chunk_head[H1_CHUNK_HEAD_BYTES];
    h1_writer_init(&writer, client->worker->write_scratch, WORKER_WRITE_BYTES);
    size_t count = client_frame(client, payload, chunk_head, &writer, out);
    if (count == 0) {
        return client->out == NULL ? SINK_OPEN : SINK_FULL;
    }
    return client_send(client, out, count);
}

static void client_send_interim(struct exchange *exchange, const struct http_head *head)
{
    struct client *client = client_of(exchange);
    struct h1_writer writer;
    if (client->http_1_0) {
        return; /* RFC 9110 15.2: never to HTTP/1.0 */
    }
    h1_writer_init(&writer, client->worker->write_scratch, WORKER_WRITE_BYTES);
    h1_write_status_line(&writer, head);
    h1_write_fields(&writer, head);
    h1_write_end(&writer);
    struct iovec piece = {writer.begin, h1_writer_length(&writer)};
    (void)client_send(client, &piece, 1);
}

static enum sink client_send_upgrade(struct exchange *exchange, const struct http_head *head)
{
    struct client *client = client_of(exchange);
    struct h1_writer writer;
    const struct http_field *upgrade = head_find(head, FIELD_UPGRADE);
    CHECK(upgrade != NULL);
    h1_writer_init(&writer, client->worker->write_scratch, WORKER_WRITE_BYTES);
    h1_write_status_line(&writer, head);
    h1_write_fields(&writer, head);
    h1_write_field_literal(&writer, "Connection", "Upgrade");
    h1_write_field(&writer, "Upgrade", 7, head->base + upgrade->value_at, upgrade->value_bytes);
    h1_write_end(&writer);
    client->keep = false;
    client_enter(client, CLIENT_TUNNEL);
    struct iovec piece = {writer.begin, h1_writer_length(&writer)};
    return client_send(client, &piece, 1);
}

static enum sink client_send_raw(struct exchange *exchange, const struct iovec *pieces,
                                 size_t count)
{
    return client_send(client_of(exchange), pieces, count);
}

static void client_end_raw(struct exchange *exchange)
{
    struct client *client = client_of(exchange);
    client->end_wanted = true;
    if (client->out == NULL) {
        stream_end(&client->stream);
    }
}

static void client_read_on(struct exchange *exchange)
{
    struct client *client = client_of(exchange);
    client->paused = false;
    client_run(client);
}

static int client_splice_fd(struct exchange *exchange)
{
    const struct client *client = client_of(exchange);
    if (client->out != NULL || client->out_chunked || !stream_spliceable(&client->stream)) {
        return -1;
    }
    return client->stream.fd;
}

static void client_finished(struct exchange *exchange, bool intact)
{
    struct client *client = client_of(exchange);
    client->exchange = NULL;
    client->paused = false;
    if (client->state == CLIENT_CLOSED) {
        return;
    }
    if (!intact) {
        /* where only the connection's end marks the body's end, nothing but a reset shows the break */
        client_close(client, client->out_close);
        return;
    }
    if (client->keep && h1_body_done(&client->body) && !client->worker->draining) {
        client->starved = false;
        client_enter(client, CLIENT_IDLE);
        client_run(client);
        return;
    }
    client_enter(client, CLIENT_CLOSING);
    if (client->out == NULL) {
        client_finish_sending(client);
    }
}

static const struct downstream_ops client_ops = {
    .send_head = client_send_head,
    .send_payload = client_send_payload,
    .send_interim = client_send_interim,
    .send_upgrade = client_send_upgrade,
    .send_raw = client_send_raw,
    .end_raw = client_end_raw,
    .read_on = client_read_on,
    .splice_fd = client_splice_fd,
    .finished = client_finished,
};
