/* The life of an upstream connection. */
#include "pool/connection.h"

#include <sys/socket.h>
#include <unistd.h>

#include "pool/descriptor.h"
#include "pool/dial.h"
#include "pool/handover.h"
#include "pool/handshake.h"
#include "pool/late_tls.h"
#include "pool/queue.h"
#include "pool/upkeep.h"
#include "steady/check.h"

static struct connection *connection_of_timer(struct wheel_timer *timer)
{
    return container_of(timer, struct connection, timer);
}

static struct connection *connection_of_freed(struct deferred_free *freed)
{
    return container_of(freed, struct connection, freed);
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    connection_event(arg, what);
}

/* What it means depends on the state; a lent connection's limits are its borrower's. */
static void on_timer(struct wheel_timer *timer, uint64_t now_ms)
{
    struct connection *connection = connection_of_timer(timer);
    (void)now_ms;
    switch (connection->state) {
    case CONNECTION_ASKING: handover_late(connection); break;
    case CONNECTION_DIALLING: dial_late(connection); break;
    case CONNECTION_IDLE: upkeep_idle_over(connection); break;
    case CONNECTION_LATE_TLS: handshake_late(connection); break;
    case CONNECTION_LENT:
    case CONNECTION_CLOSED: break;
    }
}

static void on_retire(struct wheel_timer *timer, uint64_t now_ms)
{
    struct connection *connection = container_of(timer, struct connection, retire);
    (void)now_ms;
    upkeep_overdue(connection, LEASE_CLOSED_LIFETIME);
}

struct connection *connection_create(struct endpoint_local *local, enum connection_state state)
{
    struct pool_worker *worker = local->worker;
    struct connection *connection = slab_take(worker->slab);
    if (connection == NULL)
        return NULL;
    *connection = (struct connection){
        .lease = {.connection = connection,
                  .stream = &connection->stream,
                  .endpoint = local->endpoint},
        .state = CONNECTION_CLOSED,
        .handed = {.fd = -1},
        .end_reason = LEASE_CLOSED_REQUESTS,
        .local = local,
    };
    stream_init(&connection->stream, -1);
    wheel_timer_init(&connection->timer, on_timer);
    wheel_timer_init(&connection->retire, on_retire);
    (void)event_assign(&connection->event, worker->env.base, -1, 0, on_event, connection);
    TAILQ_INSERT_TAIL(&worker->connections, connection, link);
    worker->connection_count++;
    endpoint_local_use(local);
    connection_enter(connection, CONNECTION_CLOSED, state);
    return connection;
}

bool connection_watch(struct connection *connection, const struct stream *stream)
{
    (void)event_assign(&connection->event, connection->local->worker->env.base, stream->fd,
                       EV_READ | EV_WRITE | EV_CLOSED | EV_ET | EV_PERSIST, on_event, connection);
    if (event_add(&connection->event, NULL) != 0)
        return false;
    connection->stream = *stream;
    return true;
}

/* Tickets that come late are taken by the look. An end without close_notify is the habit of many servers. */
static void idle_event(struct connection *connection, bool closed)
{
    const struct stream *stream = &connection->stream;
    enum stream_result found = stream_probe(&connection->stream);
    if (!closed && found == STREAM_BLOCKED)
        return;
    enum tls_failure failure = stream_failure(stream);
    bool orderly = found == STREAM_END || failure == TLS_FAILURE_TRUNCATED;
    if (!orderly && failure != TLS_FAILURE_NONE)
        handshake_revoked(connection);
    upkeep_on_death(connection, !orderly);
    connection_close_idle(connection, LEASE_CLOSED_DIED_IDLE);
}

/* An event may be older than the lease it meets: told twice is told enough, and an idle connection looks for itself. */
void connection_event(struct connection *connection, short what)
{
    switch (connection->state) {
    case CONNECTION_DIALLING: dial_event(connection, what); break;
    case CONNECTION_LATE_TLS: late_tls_event(connection); break;
    case CONNECTION_LENT:
        if (connection->lease.on_event != NULL)
            connection->lease.on_event(&connection->lease, what);
        break;
    case CONNECTION_IDLE:
        if ((what & (EV_CLOSED | EV_READ)) != 0)
            idle_event(connection, (what & EV_CLOSED) != 0);
        break;
    case CONNECTION_ASKING:
    case CONNECTION_CLOSED: break;
    }
}

static void free_connection(struct deferred_free *freed, void *owner)
{
    struct connection *connection = connection_of_freed(freed);
    struct endpoint_local *local = connection->local;
    (void)owner;
    slab_give(local->worker->slab, &connection);
    endpoint_local_leave(local);
}

/* Takes it out of everything; what it holds has been given back. */
static void bury(struct connection *connection)
{
    struct pool_worker *worker = connection->local->worker;
    connection_enter(connection, connection->state, CONNECTION_CLOSED);
    wheel_disarm(&worker->env.loop->wheel, &connection->timer);
    wheel_disarm(&worker->env.loop->wheel, &connection->retire);
    if (connection->retire_place > 0)
        retirements_change(&connection->local->retirements, connection->retire_place - 1,
                           (uint32_t)-1);
    TAILQ_REMOVE(&worker->connections, connection, link);
    worker->connection_count--;
    loop_free_later(worker->env.loop, &connection->freed, free_connection);
}

static void forget_place(struct connection *connection)
{
    struct endpoint_local *local = connection->local;
    __atomic_fetch_sub(&local->endpoint->upstream->own->connections_count, 1, __ATOMIC_RELAXED);
    local->open_count--;
    connection->has_place = false;
}

bool connection_gives_up_place(struct connection *connection)
{
    CHECK(connection->has_place);
    bool surplus = bound_give_surplus(&connection->local->endpoint->connections);
    if (surplus)
        forget_place(connection);
    return surplus;
}

void connection_drop(struct connection *connection, bool reset)
{
    struct endpoint_local *local = connection->local;
    struct pool_worker *worker = local->worker;
    CHECK(connection->state != CONNECTION_CLOSED);
    (void)event_del(&connection->event);
    if (connection->stream.fd >= 0) {
        stream_close(&connection->stream, reset);
        descriptor_give(worker);
    }
    bool had_place = connection->has_place;
    upkeep_forget(connection);
    if (connection->ready)
        __atomic_fetch_sub(&local->endpoint->upkeep.ready_count, 1, __ATOMIC_ACQ_REL);
    connection->ready = false;
    if (had_place) {
        bound_give(&local->endpoint->connections, 1);
        forget_place(connection);
    }
    bury(connection);
    if (had_place) {
        queue_capacity_freed(worker, local->endpoint);
        upkeep_on_gone(local);
    }
}

struct stream connection_hand_over(struct connection *connection)
{
    CHECK(connection->state == CONNECTION_IDLE);
    (void)event_del(&connection->event);
    struct stream stream = connection->stream;
    stream_init(&connection->stream, -1);
    upkeep_forget(connection);
    connection->has_place = connection->ready = false;
    connection->local->open_count--;
    count_add(&connection->local->stats.handed_over, 1);
    bury(connection);
    return stream;
}

void connection_close_idle(struct connection *connection, enum lease_close_reason reason)
{
    CHECK(connection->state == CONNECTION_IDLE);
    count_add(&connection->local->stats.closed[reason], 1);
    connection_drop(connection, false);
}
