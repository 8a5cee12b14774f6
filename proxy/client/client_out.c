/* Sending responses: heads, payload in its frame, the bytes of a tunnel, and bytes that the socket did not take at
   once. */
#include <sys/socket.h>

#include "pool/proxy_header.h"
#include "proxy/client/client_state.h"
#include "proxy/http1/h1_frame.h"
#include "proxy/http1/h1_write.h"
#include "steady/check.h"

/* A payload this small is copied behind its head, because one piece is cheaper to send than two. */
#define CLIENT_COPY_BYTES 2048

enum sink client_send(struct client *client, const struct iovec *iov, size_t count)
{
    bool first = client->duplex.out == NULL;
    size_t sent;
    enum duplex_result result =
        duplex_send(&client->duplex, client->origin.worker->bufs, iov, count, &sent);
    stat_add(&client->origin.worker->stats.client_bytes_out, sent);
    switch (result) {
    case DUPLEX_SENT: return SINK_OPEN;
    case DUPLEX_KEPT:
        if (first) {
            client->since_ms = worker_now_ms(client->origin.worker);
            client->untaken_mark = 0;
            client_arm(client);
        }
        return SINK_FULL;
    case DUPLEX_BROKEN: client_lost(client, REASON_CLIENT_ABORT); break;
    case DUPLEX_NO_MEMORY: client_lost(client, REASON_NO_MEMORY); break;
    }
    return SINK_BROKEN;
}

/* Sends a part of a response; `last`: nothing of the response follows. */
static enum sink client_send_part(struct client *client, const struct iovec *iov, size_t count,
                                  bool last)
{
    if (last && !client->keep) {
        stream_ends(&client->stream);
    }
    return client_send(client, iov, count);
}

void client_finish_sending(struct client *client)
{
    bool unread = client->refused || client->duplex.in != NULL || client->duplex.readable ||
                  !h1_body_done(&client->body);
    if (!unread) {
        client_close(client, false);
        return;
    }
    stream_end(&client->stream);
    client_enter(client, CLIENT_LINGER);
    client_run_soon(client);
}

bool client_flush(struct client *client)
{
    size_t sent;
    enum duplex_result result = duplex_flush(&client->duplex, client->origin.worker->bufs, &sent);
    stat_add(&client->origin.worker->stats.client_bytes_out, sent);
    if (result == DUPLEX_BROKEN) {
        client_lost(client, REASON_CLIENT_ABORT);
        return false;
    }
    if (sent > 0) {
        client->untaken_mark = 0;
        client->since_ms = worker_now_ms(client->origin.worker);
    }
    if (result != DUPLEX_SENT) {
        return true;
    }
    client->protocol->drained(client);
    return client->state != CLIENT_CLOSED;
}

/* ---- what an exchange asks of its client ---- */

static void client_write_head(struct client *client, const struct exchange *exchange,
                              const struct http_head *head, struct h1_writer *writer)
{
    /* RFC 9110 8.6: a 204 says no length, not even that of nothing */
    bool head_only =
        (exchange->request.method == METHOD_HEAD && head->status != 204) || head->status == 304;
    h1_write_status_line(writer, head);
    h1_write_fields(writer, head);
    if (!head_has(head, FIELD_DATE)) {
        h1_write_literal(writer, "Date: ");
        h1_write_bytes(writer, worker_date(client->origin.worker), 29);
        h1_write_literal(writer, "\r\n");
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
    /* the rest of an incomplete request would be taken for the next one */
    client->keep =
        client->keep && !client->out_close && h1_body_done(&client->body) && !client_leaves(client);
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
    struct iovec out[PAYLOAD_IOVS + FRAME_IOVS + 1];
    char chunk_head[H1_CHUNK_HEAD_BYTES];
    h1_writer_init(&writer, client->origin.worker->write_scratch, WORKER_HEAD_BYTES);
    client_write_head(client, exchange, head, &writer);
    size_t count = 1;
    if (!client->out_chunked && payload_bytes(payload) <= CLIENT_COPY_BYTES) {
        for (size_t i = 0; i < payload->count; i++) {
            h1_write_bytes(&writer, payload->iov[i].iov_base, payload->iov[i].iov_len);
        }
        out[0] = (struct iovec){writer.begin, h1_writer_length(&writer)};
    } else {
        out[0] = (struct iovec){writer.begin, h1_writer_length(&writer)};
        count += payload_frame(payload, client->out_chunked, chunk_head, &writer, out + 1);
    }
    if (!h1_writer_ok(&writer)) {
        client_lost(client, REASON_UPSTREAM_HEAD_TOO_LARGE);
        return SINK_BROKEN;
    }
    return client_send_part(client, out, count, payload->last);
}

static enum sink client_send_payload(struct exchange *exchange, const struct payload *payload)
{
    struct client *client = client_of(exchange);
    struct h1_writer writer;
    struct iovec out[PAYLOAD_IOVS + FRAME_IOVS];
    char chunk_head[H1_CHUNK_HEAD_BYTES];
    h1_writer_init(&writer, client->origin.worker->write_scratch, WORKER_HEAD_BYTES);
    size_t count = payload_frame(payload, client->out_chunked, chunk_head, &writer, out);
    if (count == 0) {
        return client->duplex.out == NULL ? SINK_OPEN : SINK_FULL;
    }
    return client_send_part(client, out, count, payload->last);
}

static enum sink client_send_interim(struct exchange *exchange, const struct http_head *head)
{
    struct client *client = client_of(exchange);
    struct h1_writer writer;
    if (client->http_1_0) {
        return SINK_OPEN; /* RFC 9110 15.2: never to HTTP/1.0 */
    }
    h1_writer_init(&writer, client->origin.worker->write_scratch, WORKER_HEAD_BYTES);
    h1_write_status_line(&writer, head);
    h1_write_fields(&writer, head);
    h1_write_end(&writer);
    struct iovec piece = {writer.begin, h1_writer_length(&writer)};
    return client_send(client, &piece, 1);
}

static enum sink client_send_upgrade(struct exchange *exchange, const struct http_head *head)
{
    struct client *client = client_of(exchange);
    struct h1_writer writer;
    const struct http_field *upgrade = head_find(head, FIELD_UPGRADE);
    CHECK(upgrade != NULL);
    h1_writer_init(&writer, client->origin.worker->write_scratch, WORKER_HEAD_BYTES);
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

static enum sink client_send_raw(struct exchange *exchange, const struct iovec *iov, size_t count)
{
    return client_send(client_of(exchange), iov, count);
}

static void client_end_raw(struct exchange *exchange)
{
    struct client *client = client_of(exchange);
    duplex_end(&client->duplex);
}

static size_t client_room(struct exchange *exchange)
{
    const struct client *client = client_of(exchange);
    if (client->duplex.out != NULL) {
        return 0;
    }
    if (__builtin_expect(worker_has_ample_buffers(client->origin.worker), 1)) {
        return WORKER_READ_BYTES;
    }
    /* the upstream side reads so little at a time that nothing is kept; a head is read in any case */
    bool taken = exchange->response.status == 0 || stream_writable(&client->stream);
    return taken ? WORKER_TIGHT_BYTES : 0;
}

static void client_read_on(struct exchange *exchange)
{
    struct client *client = client_of(exchange);
    client_run_soon(client);
}

static int client_splice_fd(struct exchange *exchange)
{
    const struct client *client = client_of(exchange);
    if (client->duplex.out != NULL || client->out_chunked || !stream_spliceable(&client->stream)) {
        return -1;
    }
    return client->stream.fd;
}

static uint32_t client_untaken(struct exchange *exchange)
{
    const struct client *client = client_of(exchange);
    const struct buf *out = client->duplex.out;
    return stream_untaken_bytes(&client->stream) + (out != NULL ? (uint32_t)buf_length(out) : 0);
}

size_t client_write_proxy_header(const struct client *client, const struct exchange *exchange,
                                 char *space)
{
    struct address own = {.length = sizeof own.v6};
    if (getsockname(client->stream.fd, &own.any, &own.length) != 0) {
        own.any.sa_family = AF_UNSPEC;
    }
    return proxy_header_write(&exchange_client(exchange)->any, &own.any, space);
}

static size_t client_proxy_header(struct exchange *exchange, char *space)
{
    return client_write_proxy_header(client_of(exchange), exchange, space);
}

static bool client_gone(struct exchange *exchange)
{
    return client_is_gone(client_of(exchange));
}

static void client_finished(struct exchange *exchange, bool intact)
{
    struct client *client = client_of(exchange);
    client->exchange = NULL;
    if (client->state == CLIENT_CLOSED) {
        return;
    }
    if (!intact) {
        /* if only the end of the connection marks the end of the body, only a reset shows the break */
        client_break_off(client, client->out_close);
        return;
    }
    if (client->keep && h1_body_done(&client->body) && !client_leaves(client)) {
        client->duplex.starved = false;
        client_enter(client, CLIENT_IDLE);
        if (client->duplex.in != NULL || client->duplex.readable) {
            client_run_soon(client);
        }
        return;
    }
    client_enter(client, CLIENT_CLOSING);
    if (client->duplex.out == NULL) {
        client_finish_sending(client);
    }
}

const struct downstream_ops client_ops = {
    .protocol = "HTTP/1.1",
    .send_head = client_send_head,
    .send_payload = client_send_payload,
    .send_interim = client_send_interim,
    .send_upgrade = client_send_upgrade,
    .send_raw = client_send_raw,
    .end_raw = client_end_raw,
    .room = client_room,
    .read_on = client_read_on,
    .splice_fd = client_splice_fd,
    .untaken = client_untaken,
    .proxy_header = client_proxy_header,
    .gone = client_gone,
    .finished = client_finished,
};
