/* The PROXY header that a trusted balancer sends before the client's first byte. Exactly its bytes are removed, so that
   TLS can follow. */
#include "pool/proxy_header.h"
#include "proxy/client/client_state.h"
#include "proxy/worker/generation.h"

void client_await_preface(struct client *client)
{
    struct worker *worker = client->origin.worker;
    if (!generation_trusts(worker->generation, &client->origin.address.any)) {
        stat_add(&worker->stats.proxy_headers_refused, 1);
        client_close(client, true);
        return;
    }
    client_enter(client, CLIENT_PREFACE);
}

/* Removes bytes that were already peeked at. False: the connection has broken since. */
static bool client_drop_front(struct client *client, size_t length)
{
    size_t got = 0;
    return stream_recv(&client->stream, client->origin.worker->read_scratch, length, &got) ==
               STREAM_OK &&
           got == length;
}

static bool client_prefaced(struct client *client, const struct proxy_header *header, size_t length)
{
    if (!client_drop_front(client, length)) {
        client_close(client, true);
        return false;
    }
    if (header->known) {
        client_set_address(client, &header->source);
    }
    client->duplex.readable = true;
    if (client->listener->tls != NULL) {
        client_await_tls(client);
    } else {
        client_enter(client, CLIENT_IDLE);
    }
    return client->state != CLIENT_CLOSED;
}

bool client_take_preface(struct client *client)
{
    struct worker *worker = client->origin.worker;
    struct proxy_header header;
    size_t got, length;
    if (!client->duplex.readable) {
        return false;
    }
    enum stream_result result =
        stream_peek(&client->stream, worker->read_scratch, PROXY_HEADER_MAX_BYTES, &got);
    client->duplex.readable = false;
    if (result == STREAM_BLOCKED) {
        return false;
    }
    enum proxy_header_result parsed =
        result == STREAM_OK ? proxy_header_parse(worker->read_scratch, got, &header, &length)
                            : PROXY_HEADER_INVALID;
    if (parsed == PROXY_HEADER_OK) {
        return client_prefaced(client, &header, length);
    }
    if (parsed == PROXY_HEADER_INCOMPLETE && !client->duplex.saw_end) {
        return false;
    }
    stat_add(&worker->stats.proxy_headers_invalid, result == STREAM_OK);
    client_close(client, true);
    return false;
}
