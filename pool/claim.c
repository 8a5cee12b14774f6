/* A header that tells of the client, a handshake, and whom the connection is for. */
#include "pool/claim.h"

#include "pool/dial.h"
#include "pool/handshake.h"
#include "pool/line.h"
#include "pool/proxy_header.h"
#include "pool/upkeep.h"

static struct lease_request *release(struct connection *connection)
{
    struct lease_request *request = connection->claimant;
    connection->claimant = NULL;
    request->claimed = NULL;
    return request;
}

void claim_start(struct connection *connection, struct lease_request *request)
{
    const struct pool_worker *worker = connection->slot->worker;
    connection_enter(connection, connection->state, CONNECTION_SECURING);
    connection->claimant = request;
    request->claimed = connection;
    wheel_arm(&worker->env.loop->wheel, &connection->timer,
              loop_clock_ms(&worker->env.loop->clock) + connection->slot->tls_ms);
    event_active(&connection->event, EV_WRITE, 1);
}

void claim_event(struct connection *connection)
{
    char header[PROXY_HEADER_WRITE_BYTES];
    if (!connection->unsecured) {
        handshake_event(connection);
        return;
    }
    size_t bytes = connection->claimant->introduce(connection->claimant, header);
    connection->unsecured = false;
    if (dial_say(&connection->lease.stream, header, bytes))
        handshake_begin(connection);
    else
        claim_over(connection, DIAL_RESET);
}

void claim_over(struct connection *connection, enum dial_result result)
{
    struct endpoint_slot *slot = connection->slot;
    struct lease_request *request = release(connection);
    if (result == DIAL_OK) {
        line_grant(slot, request, connection);
        connection_event(connection, EV_READ);
        return;
    }
    count_add(&slot->stats.dial_failures, 1);
    connection_drop(connection, true);
    upkeep_hold_back(slot);
    line_refuse(slot, request, endpoint_retired(slot->endpoint) ? DIAL_RETIRED : result);
}

void claim_cancel(struct lease_request *request)
{
    struct connection *connection = request->claimed;
    (void)release(connection);
    connection_drop(connection, true);
}
