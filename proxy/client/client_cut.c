/* Uploads that can never become whole, because their client has ended its direction before their end. */
#include <string.h>

#include "proxy/client/client_state.h"

/* Bytes behind the kept ones, without taking them, into the worker's scratch. False: not all of them can be seen. */
static bool client_view(struct client *client, uint64_t unread_bytes, size_t *ret_length)
{
    char *scratch = client->origin.worker->read_scratch;
    const struct buf *in = client->duplex.in;
    size_t kept = in != NULL ? buf_length(in) : 0, seen = 0;
    if (client->stream.tls != NULL || kept + unread_bytes > WORKER_READ_BYTES) {
        return false;
    }
    if (in != NULL) {
        memcpy(scratch, in->bytes + in->begin, kept);
    }
    if (unread_bytes > 0 &&
        stream_peek(&client->stream, scratch + kept, unread_bytes, &seen) != STREAM_OK) {
        return false;
    }
    *ret_length = kept + seen;
    return seen == unread_bytes;
}

/* The number of bytes says enough about a length. Chunks have to be looked at: of TLS, and of more than fits the scratch, only the
   reader finds out. */
bool client_upload_is_cut(struct client *client)
{
    const struct h1_body *body = &client->body;
    const struct buf *in = client->duplex.in;
    uint64_t unread_bytes = stream_unread_bytes(&client->stream);
    size_t length;
    if (unread_bytes == UINT64_MAX) {
        return false;
    }
    if (unread_bytes + (in != NULL ? buf_length(in) : 0) < h1_body_least_bytes(body)) {
        return true;
    }
    return body->state != H1_BODY_LENGTH && client_view(client, unread_bytes, &length) &&
           !h1_body_ends_within(body, client->origin.worker->read_scratch, length);
}
