/* The handshake, and the wait for the server's message after it. */
#include "pool/handshake.h"

#include "pool/dial.h"
#include "pool/endpoint_tls.h"
#include "pool/late_tls.h"
#include "pool/upkeep.h"

/* The server's message is awaited for twice the time of the handshake, but at least for this time, because of the
   wheel's tick. */
#define WORD_LEAST_MS 20

static uint64_t now_of(const struct connection *connection)
{
    return loop_clock_ms(&connection->local->worker->env.loop->clock);
}

static void over(struct connection *connection, enum dial_result result)
{
    if (connection->state == CONNECTION_LATE_TLS) {
        late_tls_over(connection, result);
    } else if (result == DIAL_OK) {
        dial_open(connection, EV_READ);
    } else {
        dial_fail(connection, result);
    }
}

static void fail(struct connection *connection, enum tls_failure failure)
{
    struct endpoint_local *local = connection->local;
    if (connection->stream.tls != NULL && connection->tls.word_awaited_ms == 0) {
        (void)tls_client_finish(&connection->stream, false);
    }
    endpoint_tls_failed(local->endpoint, failure);
    local->tls_failure = failure;
    over(connection, DIAL_TLS);
}

/* If only the socket reports a failure, the other side went away. */
static void fail_of_stream(struct connection *connection)
{
    enum tls_failure failure = stream_failure(&connection->stream);
    fail(connection, failure != TLS_FAILURE_NONE ? failure : TLS_FAILURE_TRUNCATED);
}

static void done(struct connection *connection)
{
    struct endpoint_local *local = connection->local;
    if (protocol_agree(connection)) {
        endpoint_tls_succeeded(local->endpoint, &connection->stream, connection->facts.resumed);
        over(connection, DIAL_OK);
        return;
    }
    endpoint_tls_failed(local->endpoint, TLS_FAILURE_NO_COMMON_PROTOCOL);
    local->tls_failure = TLS_FAILURE_NO_COMMON_PROTOCOL;
    over(connection, DIAL_TLS);
}

static void await_word(struct connection *connection)
{
    if (tls_client_confirmed(&connection->stream)) {
        done(connection);
        return;
    }
    uint64_t wait_ms = 2 * connection->facts.tls_us / 1000;
    connection->tls.word_awaited_ms = now_of(connection);
    wheel_arm(&connection->local->worker->env.loop->wheel, &connection->timer,
              connection->tls.word_awaited_ms +
                  (wait_ms > WORD_LEAST_MS ? wait_ms : WORD_LEAST_MS));
}

static void hear(struct connection *connection)
{
    enum stream_result heard = stream_probe(&connection->stream);
    if (heard != STREAM_BLOCKED && heard != STREAM_OK) {
        fail_of_stream(connection);
    } else if (heard == STREAM_OK || tls_client_confirmed(&connection->stream)) {
        done(connection);
    }
}

static void shake(struct connection *connection)
{
    enum stream_result result = stream_handshake(&connection->stream);
    if (result == STREAM_BLOCKED) {
        return;
    }
    if (result != STREAM_OK) {
        fail_of_stream(connection);
        return;
    }
    connection->facts.resumed = tls_client_finish(&connection->stream, true);
    connection->facts.tls_us =
        loop_clock_us(&connection->local->worker->env.loop->clock) - connection->tls.began_us;
    await_word(connection);
}

static const struct tls_target *target_of(const struct connection *connection)
{
    const struct endpoint *endpoint = connection->local->endpoint;
    bool http1_only = connection->promised_to != NULL ||
                      __atomic_load_n(&endpoint->speaks, __ATOMIC_RELAXED) == UPSTREAM_HTTP1;
    return endpoint_tls_target(endpoint, http1_only);
}

void handshake_begin(struct connection *connection)
{
    struct endpoint_local *local = connection->local;
    struct pool_worker *worker = local->worker;
    connection->tls.began_us = loop_clock_us(&worker->env.loop->clock);
    if (!tls_client_begin(target_of(connection), &connection->stream, worker->env.tls_scratch)) {
        fail(connection, TLS_FAILURE_NO_MEMORY);
        return;
    }
    wheel_arm(&worker->env.loop->wheel, &connection->timer,
              now_of(connection) + local->limits.tls_ms);
    shake(connection);
}

void handshake_event(struct connection *connection)
{
    if (connection->tls.word_awaited_ms == 0) {
        shake(connection);
    } else {
        hear(connection);
    }
}

void handshake_revoked(struct connection *connection)
{
    endpoint_tls_failed(connection->local->endpoint, stream_failure(&connection->stream));
    upkeep_hold_back(connection->local);
}

void handshake_late(struct connection *connection)
{
    if (connection->tls.word_awaited_ms == 0) {
        fail(connection, TLS_FAILURE_TIMEOUT);
    } else {
        done(connection);
    }
}
