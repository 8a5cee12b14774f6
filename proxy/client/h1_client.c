/* A client that speaks HTTP/1, or nothing yet: what its life asks of the protocol. */
#include "proxy/client/client_state.h"
#include "steady/check.h"
#include "steady/deadline.h"

static void h1_client_run(struct deferred *deferred)
{
    client_run(container_of(deferred, struct client, deferred));
}

static bool h1_client_busy(const struct client *client)
{
    return client->exchange != NULL;
}

static void h1_client_drained(struct client *client)
{
    if (client->exchange != NULL) {
        exchange_client_drained(client->exchange);
    } else if (client->state == CLIENT_CLOSING) {
        client_finish_sending(client);
    } else {
        client_arm(client);
    }
}

static void h1_client_expired(struct client *client)
{
    if (client->state == CLIENT_HEAD) {
        const struct buf *in =
            client->duplex.in; /* what has begun: there is always something in HEAD */
        client_refuse_head(client, REASON_REQUEST_TIMEOUT, NULL, METHOD_OTHER,
                           in->bytes + in->begin, buf_length(in));
        return;
    }
    if (client->state == CLIENT_SILENT || client->state == CLIENT_HANDSHAKE) {
        stat_add(&client->origin.worker->stats.handshakes_failed[TLS_FAILURE_TIMEOUT], 1);
    }
    client_close(client, client->duplex.out != NULL);
}

static void h1_client_leave(struct client *client)
{
    if (client->state != CLIENT_IDLE || client->duplex.out != NULL) {
        return;
    }
    /* a request that is already in the socket is served */
    client->duplex.readable = true;
    client_run(client);
    if (client->state != CLIENT_IDLE) {
        return;
    }
    if (client->served &&
        deadline_passed(client_due_ms(client), worker_now_ms(client->origin.worker))) {
        client_close(client, false);
    } else if (client->served) {
        client_arm(client);
    } else {
        client_enter(client, CLIENT_IDLE);
    }
}

static void h1_client_cut(struct client *client)
{
    if (client->exchange != NULL) {
        exchange_fail(client->exchange, REASON_DRAIN_CUT, NULL);
    }
    if (client->state != CLIENT_CLOSED) {
        client_close(client, false);
    }
}

static void h1_client_end_tunnels(struct client *client)
{
    if (client->state == CLIENT_TUNNEL) {
        h1_client_cut(client);
    }
}

static void h1_client_lost(struct client *client, enum exchange_reason reason)
{
    if (client->exchange != NULL) {
        client->keep = false;
        exchange_finish(client->exchange, reason);
    }
}

static void h1_client_close(struct client *client)
{
    CHECK(client->exchange == NULL);
}

const struct client_protocol h1_client_protocol = {
    .run = h1_client_run,
    .busy = h1_client_busy,
    .drained = h1_client_drained,
    .expired = h1_client_expired,
    .leave = h1_client_leave,
    .end_tunnels = h1_client_end_tunnels,
    .cut = h1_client_cut,
    .lost = h1_client_lost,
    .close = h1_client_close,
};
