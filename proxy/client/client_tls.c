/* A client's TLS handshake: begun with the connection, bounded in number and time, over before anything of HTTP. */
#include <stdlib.h>

#include "proxy/client/client_state.h"
#include "steady/check.h"
#include "tls/server.h"

void client_begin_tls(struct client *client)
{
    struct worker *worker = client->origin.worker;
    CHECK(client->state == CLIENT_IDLE || client->state == CLIENT_PREFACE);
    if (!bound_take(&worker->env.bounds->handshakes, 1)) {
        stat_add(&worker->stats.handshakes_refused, 1);
        client_close(client, true);
        return;
    }
    client_enter(client, CLIENT_HANDSHAKE);
    /* a reload may take it from the listener in the middle of the handshake */
    client->tls = tls_server_get(client->listener->tls);
    if (!tls_server_accept(client->tls, &client->stream, worker->tls_scratch)) {
        client_close(client, true);
    }
}

static bool client_secured(struct client *client)
{
    struct worker_stats *stats = &client->origin.worker->stats;
    stat_add(tls_agreement(&client->stream).resumed ? &stats->handshakes_resumed
                                                    : &stats->handshakes_full,
             1);
    client->origin.certificate = tls_client_certificate(&client->stream);
    tls_server_put(&client->tls);
    client_enter(client, CLIENT_IDLE);
    /* the first request may have come with the end of the handshake */
    client->duplex.readable = true;
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
    /* what the socket alone has to say is that the client went away */
    enum tls_failure failure = stream_failure(&client->stream);
    failure = failure != TLS_FAILURE_NONE ? failure : TLS_FAILURE_TRUNCATED;
    stat_add(&client->origin.worker->stats.handshakes_failed[failure], 1);
    if (failure != TLS_FAILURE_NOT_TLS) {
        client_close(client, false);
        return false;
    }
    /* said in the clear, because whoever asked in the clear will not read anything else */
    stream_stop_tls(&client->stream);
    client_refuse(client, REASON_TLS_REQUIRED, NULL, METHOD_OTHER);
    return false;
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
