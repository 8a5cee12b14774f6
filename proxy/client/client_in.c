/* Reading requests: heads, payload, the bytes of a tunnel. Unconsumed bytes are kept, at most one read of them. */
#include <string.h>

#include "proxy/client/client_state.h"
#include "proxy/client/h2_client.h"
#include "proxy/http1/h1_glimpse.h"
#include "proxy/http1/h1_parse.h"
#include "proxy/worker/generation.h"
#include "steady/check.h"

/* Who was cut off for what it sent, and goes on sending, has more of it dropped only after so long. */
#define DISCARD_MS 50
/* Reads that drop what comes, of all clients in a pass: some 15 microseconds each. */
#define PASS_DISCARDS 4u

static enum stream_result client_receive(struct client *client, size_t most_bytes,
                                         struct duplex_input *ret_input)
{
    size_t got = 0;
    enum stream_result result =
        duplex_receive(&client->duplex, client->origin.worker, most_bytes, ret_input, &got);
    stat_add(&client->origin.worker->stats.client_bytes_in, got);
    return result;
}

/* Keeps the unconsumed bytes of the input. False: no memory. */
static bool client_keep(struct client *client, const struct duplex_input *input, size_t consumed)
{
    return duplex_keep(&client->duplex, client->origin.worker->bufs, input, consumed);
}

/* The next bytes to parse: kept ones, or at most so many new ones. */
static enum stream_result client_input(struct client *client, size_t most_bytes,
                                       struct duplex_input *ret_input)
{
    struct duplex *duplex = &client->duplex;
    if (duplex_kept_input(duplex, ret_input)) {
        return STREAM_OK;
    }
    /* libevent does not tell an error from readiness: if more is expected, only the socket says that nothing comes */
    bool awaits = client->state == CLIENT_HEAD || client->state == CLIENT_TUNNEL ||
                  (client->state == CLIENT_EXCHANGE && !h1_body_done(&client->body));
    if (!duplex->readable && !(duplex->suspect && awaits)) {
        return STREAM_BLOCKED;
    }
    return client_receive(client, most_bytes, ret_input);
}

void client_refuse_head(struct client *client, enum exchange_reason reason, const char *detail,
                        enum http_method method, const char *bytes, size_t length)
{
    struct http_head seen = {.method = (uint8_t)method,
                             .fields = client->origin.worker->fields,
                             .field_limit = WORKER_FIELDS_COUNT};
    h1_glimpse(bytes, length, &seen);
    client_refuse(client, reason, detail, &seen);
}

/* The reason for a head that cannot be parsed. */
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

/* Decodes payload of the request at the front of the bytes: *ret_consumed of them. Without `trailers` it stops before
   them. False: *ret_reason. */
static bool client_decode(struct client *client, const char *bytes, size_t length,
                          struct iovec iov[PAYLOAD_IOVS], struct payload *ret_payload,
                          struct http_head *trailers, size_t *ret_consumed,
                          enum exchange_reason *ret_reason, const char **ret_detail)
{
    const struct limit_settings *limits = &client->origin.worker->generation->settings->limits;
    size_t count = 0, consumed = 0;
    enum h1_result result =
        h1_body_take(&client->body, bytes, length, iov, PAYLOAD_IOVS, &count, &consumed);
    *ret_payload = (struct payload){iov, count, false, NULL};
    client->duplex.starved = false;
    if (result == H1_OK && trailers != NULL && client->body.state == H1_BODY_TRAILERS) {
        const struct h1_limits h1_limits = {(uint32_t)limits->head_bytes,
                                            (uint32_t)limits->fields_count};
        size_t section = 0;
        trailers->fields = client->origin.worker->trailer_fields;
        trailers->field_limit = WORKER_FIELDS_COUNT;
        result = h1_body_trailers(&client->body, bytes + consumed, length - consumed, &h1_limits,
                                  trailers, &section);
        if (result == H1_OK) {
            consumed += section;
            ret_payload->trailers = trailers->field_count > 0 ? trailers : NULL;
        } else if (result == H1_INCOMPLETE) {
            client->duplex.starved = true;
            result = H1_OK;
        }
    }
    if (result != H1_OK) {
        *ret_reason = REASON_REQUEST_INVALID;
        *ret_detail = h1_result_name(result);
        return false;
    }
    /* what comes with the head is judged by the exchange, which knows the route */
    if (client->exchange != NULL &&
        client->body.total_bytes > exchange_body_limit(client->exchange)) {
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
    /* after a refused CONNECT the client may continue as if it had a tunnel */
    return !(head->facts & FACT_CLOSE) && head->method != METHOD_CONNECT && !client_leaves(client);
}

/* A complete head: starts the exchange with the bytes that came with it. */
static void client_start(struct client *client, const struct duplex_input *input,
                         const struct http_head *head)
{
    struct iovec iov[PAYLOAD_IOVS];
    struct payload payload = {iov, 0, true, NULL};
    size_t consumed = 0;
    enum exchange_reason reason = REASON_REQUEST_INVALID;
    const char *detail = NULL;
    const char *rest = input->bytes + head->head_bytes;
    size_t rest_bytes = input->length - head->head_bytes;

    client->served = true;
    client->http_1_0 = (head->facts & FACT_HTTP_1_0) != 0;
    client->keep = client_keeps_alive(client, head);
    client->duplex.starved = false;
    h1_body_init(&client->body, head->framing, head->content_length);
    client_enter_exchange(client);
    client_judge(client);
    bool valid = true;
    if (client->stream.tls != NULL && client_is_misdirected(client, head)) {
        valid = false;
        reason = REASON_MISDIRECTED;
    } else if (!h1_body_done(&client->body) && rest_bytes > 0) {
        /* payload may have to be held until there is a connection; trailers cannot be held, so they wait for the next
           step */
        valid = client_decode(client, rest, rest_bytes, iov, &payload, NULL, &consumed, &reason,
                              &detail);
    } else {
        payload.last = h1_body_done(&client->body);
    }
    if (!client_keep(client, input, input->buffered ? 0 : head->head_bytes + consumed)) {
        client_close(client, true);
        return;
    }
    if (!valid) {
        client_refuse_head(client, reason, detail, head->method, head->base, head->head_bytes);
    } else if (!exchange_start(&client->origin, &client_ops, client, head, &payload,
                               &client->exchange)) {
        client_close(client, true);
    }
    if (input->buffered && client->state != CLIENT_CLOSED) {
        client_keep(client, input, head->head_bytes + consumed);
    }
}

/* What came is no head of HTTP/1. True: there may be more to do. */
__attribute__((noinline)) static bool client_take_unknown(struct client *client,
                                                          const struct duplex_input *input,
                                                          const struct http_head *head,
                                                          enum h1_result result)
{
    /* a first line that names no version of HTTP is taken for a wrong preface, where one may come: the session says so */
    bool nameless = result == H1_BAD_VERSION && h2_client_may_begin(client);
    if (nameless || h2_client_recognises(client, input->bytes, input->length)) {
        h2_client_begin(client, input);
        return false;
    }
    client_refuse_head(client, reason_of_parse(result), h1_result_name(result), head->method,
                       input->bytes, input->length);
    return client->state != CLIENT_CLOSED;
}

/* What may be HTTP/2 may have to wait for its turn: little of it is read before. */
static size_t client_head_room(const struct client *client)
{
    return client->served || !h2_client_may_begin(client) ? WORKER_READ_BYTES : WORKER_TIGHT_BYTES;
}

/* A step in IDLE or HEAD. True: there may be more to do. */
static bool client_take_head(struct client *client)
{
    struct worker *worker = client->origin.worker;
    const struct limit_settings *limits = &worker->generation->settings->limits;
    const struct h1_limits h1_limits = {(uint32_t)limits->head_bytes,
                                        (uint32_t)limits->fields_count};
    struct duplex_input input;
    if (client->duplex.out != NULL) {
        return false; /* the last response is still being sent: one exchange at a time */
    }
    enum stream_result received = client_input(client, client_head_room(client), &input);
    if (received == STREAM_BLOCKED) {
        return false;
    }
    if (received != STREAM_OK) {
        client_break_off(client, received != STREAM_END);
        return false;
    }
    size_t empty = h1_skip_empty_lines(input.bytes, input.length);
    input.bytes += empty;
    input.length -= empty;
    if (empty > 0 && input.buffered) {
        buf_consume(client->duplex.in, empty);
        if (input.length == 0) {
            buf_give(worker->bufs, &client->duplex.in);
        }
    }
    if (input.length == 0) {
        if (client->state == CLIENT_HEAD) {
            client_enter(client, CLIENT_IDLE); /* all that had begun was an empty line */
        }
        return true;
    }
    struct http_head head;
    head.fields = worker->fields;
    head.field_limit = WORKER_FIELDS_COUNT;
    size_t scanned = client->state == CLIENT_HEAD && empty == 0 ? client->body.total_bytes : 0;
    enum h1_result result =
        h1_parse_request(input.bytes, input.length, &h1_limits, &scanned, &head);
    if (result == H1_OK) {
        client_start(client, &input, &head);
        return client->state != CLIENT_CLOSED;
    }
    if (result != H1_INCOMPLETE) {
        return client_take_unknown(client, &input, &head, result);
    }
    if (!client_keep(client, &input, 0)) {
        client_refuse_head(client, REASON_NO_MEMORY, NULL, head.method, input.bytes, input.length);
        return client->state != CLIENT_CLOSED;
    }
    client->duplex.starved = true;
    client->body.total_bytes =
        scanned; /* there is no body yet: this field remembers how far the head was searched */
    if (client->state == CLIENT_IDLE) {
        client_enter(client, CLIENT_HEAD);
    }
    return true;
}

/* The client has ended its direction, and its request is whole. It may have closed the connection, or wait for its answer
   (RFC 9293 3.6, RFC 8446 6.1): only a reset tells, at the latest the one that meets the first bytes of the answer. No
   request follows on the connection, beyond those received. */
static bool client_left_at_end(struct client *client)
{
    if (client->listener->view.abort_on_close) {
        return true;
    }
    client->keep = client->keep && client->duplex.in != NULL;
    return stream_is_broken(&client->stream);
}

/* A reset is reported only as readiness, without the mark of an end. So this checks, but leaves the bytes of the next
   request in the socket. An end stays readable: whoever takes the next request, or what comes after the last one, meets
   it there. */
bool client_is_gone(struct client *client)
{
    enum stream_result result = stream_probe(&client->stream);
    client->duplex.readable = result == STREAM_OK || result == STREAM_END;
    if (result == STREAM_END) {
        return client_left_at_end(client);
    }
    return result != STREAM_OK && result != STREAM_BLOCKED;
}

/* The request is whole, so what is readable belongs to the next one. */
static bool client_left(struct client *client)
{
    if (!client->duplex.readable) {
        return false;
    }
    bool ended = client->duplex.saw_end && client->listener->view.abort_on_close;
    return ended || client_is_gone(client);
}

/* The exchange takes nothing for now, so that nothing is read that would bring the error of a reset, or the end. An edge has
   announced a reset as readiness, before or after the last read, and an end as such. Who has a response before its upload is whole
   may end the upload and read on (RFC 9112 9.5). */
static void client_awaits_room(struct client *client)
{
    const struct duplex *duplex = &client->duplex;
    bool cut = duplex->saw_end && client->state == CLIENT_EXCHANGE &&
               client->exchange->response.status == 0 && client_upload_is_cut(client);
    if (cut || ((duplex->readable || duplex->suspect) && stream_is_reset(&client->stream))) {
        client_lost(client, REASON_CLIENT_ABORT);
    }
}

/* A step of the request's payload in EXCHANGE. */
static bool client_take_payload(struct client *client)
{
    struct iovec iov[PAYLOAD_IOVS];
    struct payload payload;
    struct http_head trailers;
    struct duplex_input input;
    size_t consumed = 0;
    enum exchange_reason reason;
    const char *detail;
    if (h1_body_done(&client->body)) {
        if (client_left(client)) {
            client_lost(client, REASON_CLIENT_ABORT);
        }
        return false;
    }
    size_t room = exchange_request_room(client->exchange);
    if (room == 0) {
        client_awaits_room(client);
        return false;
    }
    enum stream_result received = client_input(client, room, &input);
    if (received == STREAM_BLOCKED) {
        return false;
    }
    if (received != STREAM_OK) {
        client_lost(client, REASON_CLIENT_ABORT);
        return false;
    }
    if (!client_decode(client, input.bytes, input.length, iov, &payload, &trailers, &consumed,
                       &reason, &detail)) {
        client->keep = false;
        exchange_fail(client->exchange, reason, detail);
        return client->state != CLIENT_CLOSED;
    }
    if (payload.count > 0 || payload.last) {
        (void)exchange_request_payload(client->exchange, &payload);
    }
    if (client->state == CLIENT_CLOSED) {
        return false;
    }
    if (!client_keep(client, &input, consumed)) {
        client_lost(client, REASON_NO_MEMORY);
        return false;
    }
    return true;
}

/* A step of a tunnel. */
static bool client_take_raw(struct client *client)
{
    struct duplex_input input;
    size_t room = exchange_request_room(client->exchange);
    if (room == 0) {
        client_awaits_room(client);
        return false;
    }
    client->duplex.starved = false;
    enum stream_result received = client_input(client, room, &input);
    if (received == STREAM_BLOCKED) {
        return false;
    }
    if (received == STREAM_END) {
        client->duplex.readable = false;
        client->duplex.saw_end = false;
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
    return client_keep(client, &input, input.length);
}

/* False: enough has been dropped in this pass; the client is run again in the next one. */
static bool client_may_discard(struct client *client)
{
    struct worker_turns *turns = worker_turns_of_pass(client->origin.worker);
    if (turns->discards_count < PASS_DISCARDS) {
        turns->discards_count++;
        return true;
    }
    client_run_soon(client);
    return false;
}

/* One read in a pass, of bytes that are not copied: who goes on sending takes little time from others, however many do. */
static bool client_discard(struct client *client)
{
    struct worker *worker = client->origin.worker;
    struct duplex *duplex = &client->duplex;
    size_t got = 0;
    buf_give(worker->bufs, &duplex->in);
    if (!duplex->readable || worker_now_ms(worker) < client->discard_ms ||
        !client_may_discard(client)) {
        return false;
    }
    enum stream_result received =
        stream_discard(duplex->stream, worker->read_scratch, WORKER_READ_BYTES, &got);
    stat_add(&worker->stats.client_bytes_in, got);
    duplex->readable = received == STREAM_OK && (!duplex->stream->drained || duplex->saw_end);
    if (received != STREAM_OK && received != STREAM_BLOCKED) {
        client_close(client, false);
    } else if (client_is_blamed(client)) {
        client->discard_ms = worker_now_ms(worker) + DISCARD_MS;
        client_arm(client);
    } else if (duplex->readable) {
        client_run_soon(client);
    }
    return false;
}

static bool client_step(struct client *client)
{
    switch ((enum client_state)client->state) {
    case CLIENT_PREFACE: return client_take_preface(client);
    case CLIENT_SILENT: return client_meet_tls(client);
    case CLIENT_HANDSHAKE: return client_shake(client);
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

/* Does what can be done now. A client that always has more bytes lets others run after a while. */
void client_run(struct client *client)
{
    unsigned steps = 0;
    while (client_step(client)) {
        if (++steps == WORKER_TURN_READS) {
            client_run_soon(client);
            break;
        }
    }
}
