/* A client's TLS handshake: it begins with the connection, is bounded in number and time, and is over before HTTP
   begins. */
#include <stdlib.h>

#include "proxy/client/client_state.h"
#include "proxy/client/h2_client.h"
#include "steady/check.h"
#include "steady/deadline.h"
#include "tls/server.h"

/* A client that speaks TLS has sent a byte by then: a round trip after the connection, or two after a lost packet. */
#define EVICTABLE_AFTER_MS 1000

static struct client_list *list_of(struct worker *worker, enum client_state state)
{
    return state == CLIENT_SILENT ? &worker->open.silent : &worker->open.shaking;
}

void client_join_handshake(struct client *client)
{
    TAILQ_INSERT_TAIL(list_of(client->origin.worker, (enum client_state)client->state), client,
                      shaking);
}

void client_leave_handshake(struct client *client)
{
    struct worker *worker = client->origin.worker;
    enum client_state state = (enum client_state)client->state;
    TAILQ_REMOVE(list_of(worker, state), client, shaking);
    client->body = (struct h1_body){0};
    if (state == CLIENT_HANDSHAKE) {
        bound_give(&worker->env.bounds->handshakes, 1);
    }
}

bool clients_evict(struct worker *worker, enum client_state state)
{
    struct client *oldest = TAILQ_FIRST(list_of(worker, state));
    if (oldest == NULL || !deadline_passed(deadline_after(oldest->since_ms, EVICTABLE_AFTER_MS),
                                           worker_now_ms(worker))) {
        return false;
    }
    stat_add(&worker->stats.handshakes_evicted, 1);
    client_close(oldest, true);
    return true;
}

void client_await_tls(struct client *client)
{
    CHECK(client->state == CLIENT_IDLE || client->state == CLIENT_PREFACE);
    client->tls = tls_server_get(client->listener->tls);
    client_enter(client, CLIENT_SILENT);
}

static bool take_handshake(struct worker *worker)
{
    struct bound *handshakes = &worker->env.bounds->handshakes;
    if (bound_try(handshakes, 1) ||
        (clients_evict(worker, CLIENT_HANDSHAKE) && bound_try(handshakes, 1))) {
        return true;
    }
    bound_refuse(handshakes, 1);
    return false;
}

static void client_begin_tls(struct client *client)
{
    struct worker *worker = client->origin.worker;
    uint64_t since_ms = client->since_ms;
    if (!take_handshake(worker)) {
        stat_add(&worker->stats.handshakes_refused, 1);
        client_close(client, true);
        return;
    }
    client_enter(client, CLIENT_HANDSHAKE);
    /* the silence before it counts as part of its time */
    client->since_ms = since_ms;
    client_arm(client);
    if (!tls_server_accept(client->tls, &client->stream, worker->tls_scratch)) {
        client_close(client, true);
    }
}

static void client_handshake_failed(struct client *client, enum tls_failure failure)
{
    stat_add(&client->origin.worker->stats.handshakes_failed[failure], 1);
}

/* A handshake takes a place of limits.handshakes with its first byte, so that a silent connection takes none. */
bool client_meet_tls(struct client *client)
{
    enum stream_result result =
        client->duplex.readable ? stream_probe(&client->stream) : STREAM_BLOCKED;
    client->duplex.readable = result == STREAM_OK;
    if (result == STREAM_BLOCKED) {
        return false;
    }
    if (result != STREAM_OK) {
        client_handshake_failed(client, TLS_FAILURE_TRUNCATED);
        client_close(client, false);
        return false;
    }
    client_begin_tls(client);
    return client->state == CLIENT_HANDSHAKE;
}

static bool client_secured(struct client *client)
{
    struct worker_stats *stats = &client->origin.worker->stats;
    const struct tls_agreement agreed = tls_agreement(&client->stream);
    stat_add(agreed.resumed ? &stats->handshakes_resumed : &stats->handshakes_full, 1);
    client->origin.certificate = tls_client_certificate(&client->stream);
    tls_server_put(&client->tls);
    client_enter(client, CLIENT_IDLE);
    /* the first request may have come with the end of the handshake */
    client->duplex.readable = true;
    if (agreed.http2) {
        h2_client_begin(client, NULL);
        return false;
    }
    return true;
}

bool client_shake(struct client *client)
{
    enum stream_result result = stream_handshake(&client->stream);
    if (result == STREAM_OK) {
        return client_secured(client);
    }
    if (result == STREAM_BLOCKED) {
        client->duplex.readable = false;
        return false;
    }
    /* if only the socket reports a failure, the client went away */
    enum tls_failure failure = stream_failure(&client->stream);
    failure = failure != TLS_FAILURE_NONE ? failure : TLS_FAILURE_TRUNCATED;
    client_handshake_failed(client, failure);
    if (failure != TLS_FAILURE_NOT_TLS) {
        client_break_off(client, false);
        return false;
    }
    /* answered in plain text, because the client asked in plain text */
    stream_stop_tls(&client->stream);
    client_refuse(client, REASON_TLS_REQUIRED, NULL, NULL);
    return false;
}

bool client_linger_behind_alert(struct client *client)
{
    if (!stream_alerted(&client->stream)) {
        return false;
    }
    client_end_tls(client);
    stream_stop_tls(&client->stream);
    stream_end(&client->stream);
    duplex_release(&client->duplex, client->origin.worker->bufs);
    client->duplex.readable = true;
    client_enter(client, CLIENT_LINGER);
    client_run_soon(client);
    return true;
}

bool client_is_misdirected(const struct client *client, const struct http_head *head)
{
    const char *host = head_text(head, head->host);
    const struct tls_server *server = client->listener->tls;
    return server != NULL && tls_server_misdirects(server, &client->stream, host,
                                                   host_name_bytes(host, head->host.bytes));
}

void client_end_tls(struct client *client)
{
    enum tls_failure failure = stream_failure(&client->stream);
    bool agreed = client->tls == NULL;
    if (agreed && failure != TLS_FAILURE_NONE) {
        stat_add(&client->origin.worker->stats.tls_broken[failure], 1);
    }
    free(client->origin.certificate);
    client->origin.certificate = NULL;
    tls_server_put(&client->tls);
}
