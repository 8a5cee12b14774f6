/* The PROXY header, the handshake, and the request that gets the connection. */
#include "pool/late_tls.h"

#include "pool/dial.h"
#include "pool/handshake.h"
#include "pool/line.h"
#include "pool/proxy_header.h"
#include "pool/upkeep.h"

void late_tls_start(struct connection *connection, struct lease_request *request)
{
    const struct pool_worker *worker = connection->local->worker;
    connection_enter(connection, connection->state, CONNECTION_LATE_TLS);
    connection_promise(connection, request);
    connection->loans.lent_count = 1;
    wheel_arm(&worker->env.loop->wheel, &connection->timer,
              loop_clock_ms(&worker->env.loop->clock) + connection->local->limits.tls_ms);
    event_active(&connection->event, EV_WRITE, 1);
}

void late_tls_event(struct connection *connection)
{
    char header[PROXY_HEADER_WRITE_BYTES];
    if (connection->lending != LENDS_LATE_TLS) {
        handshake_event(connection);
        return;
    }
    size_t bytes = connection->promised_to->proxy_header(connection->promised_to, header);
    connection->lending = connection->protocol->shares ? LENDS_SHARES : LENDS_WHOLE;
    if (dial_report(&connection->stream, header, bytes)) {
        handshake_begin(connection);
    } else {
        late_tls_over(connection, DIAL_RESET);
    }
}

void late_tls_over(struct connection *connection, enum dial_result result)
{
    struct endpoint_local *local = connection->local;
    struct lease_request *request = connection_promise_over(connection);
    if (result == DIAL_OK) {
        line_grant(local, request, connection);
        connection_event(connection, EV_READ);
        return;
    }
    count_add(&local->stats.dial_failures, 1);
    connection_drop(connection, true);
    upkeep_hold_back(local);
    line_refuse(local, request, endpoint_retired(local->endpoint) ? DIAL_RETIRED : result);
}

void late_tls_cancel(struct lease_request *request)
{
    struct connection *connection = request->promised;
    (void)connection_promise_over(connection);
    if (connection->state == CONNECTION_DIALLING) {
        dial_abandon(connection);
    } else {
        connection_drop(connection, true);
    }
}
