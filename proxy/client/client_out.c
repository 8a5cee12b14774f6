/* Responses out: heads, payload in its frame, a tunnel's bytes, and what the socket did not take at once. */
#include <sys/socket.h>

#include "pool/proxy_header.h"
#include "proxy/client/client_state.h"
#include "proxy/http1/h1_frame.h"
#include "proxy/http1/h1_write.h"
#include "steady/check.h"

/* A payload this small goes behind its head: one piece is cheaper to send than two. */
#define CLIENT_COPY_BYTES 2048

/* Keeps what the socket did not take. False: no memory for it. */
static bool client_keep_out(struct client *client, const struct iovec *iov, size_t count,
                            size_t sent)
{
    bool first = client->out == NULL;
    if (!iov_keep(client->worker->bufs, &client->out, iov, count, sent)) {
        return false;
    }
    if (first) {
        client->since_ms = worker_now_ms(client->worker);
        client_arm(client);
    }
    return true;
}

static enum sink client_send(struct client *client, const struct iovec *iov, size_t count)
{
    size_t sent = 0;
    if (client->out == NULL) {
        enum stream_result result = stream_send(&client->stream, iov, count, &sent);
        if (result == STREAM_OK) {
            stat_add(&client->worker->stats.client_bytes_out, sent);
            if (sent == iov_bytes(iov, count) && !stream_unsent(&client->stream)) {
                return SINK_OPEN;
            }
        } else if (result != STREAM_BLOCKED) {
            client_lost(client, REASON_CLIENT_ABORT);
            return SINK_BROKEN;
        }
    }
    if (!client_keep_out(client, iov, count, sent)) {
        client_lost(client, REASON_NO_MEMORY);
        return SINK_BROKEN;
    }
    return SINK_FULL;
}

/* Of a response; `last`: nothing of it follows. */
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

bool client_flush(struct client *client)
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
    if (buf_length(out) > 0 || stream_unsent(&client->stream)) {
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

/* ---- what an exchange asks of its client ---- */

static void client_write_head(struct client *client, const struct exchange *exchange,
                              const struct http_head *head, struct h1_writer *writer)
{
    bool head_only = exchange->request.method == METHOD_HEAD || head->status == 304;
    h1_write_status_line(writer, head);
    h1_write_fields(writer, head);
    if (!head_has(head, FIELD_DATE)) {
        h1_write_literal(writer, "Date: ");
        h1_write_bytes(writer, worker_date(client->worker), 29);
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
    /* a request that is not whole yet would be taken for the next one */
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
    h1_writer_init(&writer, client->worker->write_scratch, WORKER_WRITE_BYTES);
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
    h1_writer_init(&writer, client->worker->write_scratch, WORKER_WRITE_BYTES);
    size_t count = payload_frame(payload, client->out_chunked, chunk_head, &writer, out);
    if (count == 0) {
        return client->out == NULL ? SINK_OPEN : SINK_FULL;
    }
    return client_send_part(client, out, count, payload->last);
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

static enum sink client_send_raw(struct exchange *exchange, const struct iovec *iov, size_t count)
{
    return client_send(client_of(exchange), iov, count);
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

static size_t client_proxy_header(struct exchange *exchange, char *space)
{
    struct address own = {.length = sizeof(own.v6)};
    if (getsockname(client_of(exchange)->stream.fd, &own.any, &own.length) != 0) {
        own.any.sa_family = AF_UNSPEC;
    }
    return proxy_header_write(exchange->client_address, &own.any, space);
}

static bool client_gone(struct exchange *exchange)
{
    return client_is_gone(client_of(exchange));
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
    if (client->keep && h1_body_done(&client->body) && !client_leaves(client)) {
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

const struct downstream_ops client_ops = {
    .send_head = client_send_head,
    .send_payload = client_send_payload,
    .send_interim = client_send_interim,
    .send_upgrade = client_send_upgrade,
    .send_raw = client_send_raw,
    .end_raw = client_end_raw,
    .read_on = client_read_on,
    .splice_fd = client_splice_fd,
    .proxy_header = client_proxy_header,
    .gone = client_gone,
    .finished = client_finished,
};
