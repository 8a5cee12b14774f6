/* HTTP/1: a lease is the whole connection, and no byte may arrive while it is idle. Spec: RFC 9112 section 9. */
#include <event2/event.h>

#include "pool/connection.h"
#include "pool/handshake.h"
#include "pool/protocol.h"

/* stream_probe() takes late tickets. An end without close_notify is usual for many servers. */
static enum ending on_event_at_rest(struct connection *connection, short what)
{
    if ((what & (EV_CLOSED | EV_READ)) == 0) {
        return ENDING_NONE;
    }
    enum stream_result found = stream_probe(&connection->stream);
    if ((what & EV_CLOSED) == 0 && found == STREAM_BLOCKED) {
        return ENDING_NONE;
    }
    enum tls_failure failure = stream_failure(&connection->stream);
    if (found == STREAM_END || failure == TLS_FAILURE_TRUNCATED) {
        return ENDING_DIED_ORDERLY;
    }
    if (failure != TLS_FAILURE_NONE && failure != TLS_FAILURE_RECORD_FLOOD) {
        handshake_revoked(connection);
    }
    return found == STREAM_OK ? ENDING_STRAY_BYTES : ENDING_DIED_RESET;
}

const struct connection_protocol protocol_http1 = {
    .name = "http1",
    .capacity_count = 1,
    .on_event_at_rest = on_event_at_rest,
};
