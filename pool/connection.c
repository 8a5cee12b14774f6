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

/* The meaning of the timer depends on the state. The limits of a lent connection are its borrower's. */
static void on_timer(struct wheel_timer *timer, uint64_t now_ms)
{
    struct connection *connection = connection_of_timer(timer);
    (void)now_ms;
    switch (connection->state) {
    case CONNECTION_ASKING: handover_late(connection); break;
    case CONNECTION_DIALLING: dial_late(connection); break;
    case CONNECTION_IDLE: upkeep_idle_over(connection); break;
    case CONNECTION_LATE_TLS: handshake_late(connection); break;
    case CONNECTION_SHARING:
    case CONNECTION_LENT:
    case CONNECTION_CLOSED: break;
    }
}

static void on_retire(struct wheel_timer *timer, uint64_t now_ms)
{
    struct connection *connection = container_of(timer, struct connection, retire.timer);
    (void)now_ms;
    upkeep_overdue(connection, ENDING_LIFETIME);
}

struct connection *connection_create(struct endpoint_local *local, enum connection_state state)
{
    struct pool_worker *worker = local->worker;
    struct connection *connection = slab_take(worker->slab);
    if (connection == NULL) {
        return NULL;
    }
    const struct connection_protocol *protocol = protocol_of(local->endpoint);
    *connection = (struct connection){
        .lease = {.connection = connection,
                  .stream = &connection->stream,
                  .endpoint = local->endpoint},
        .state = CONNECTION_CLOSED,
        .lending = protocol->shares ? LENDS_SHARES : LENDS_WHOLE,
        .loans = {.allowed_count = endpoint_capacity_count(local->endpoint),
                  .capacity_count = endpoint_capacity_count(local->endpoint)},
        .ask = {.handed = {.fd = -1}},
        .protocol = protocol,
        .local = local,
    };
    TAILQ_INIT(&connection->loans.shares);
    stream_init(&connection->stream, -1);
    wheel_timer_init(&connection->timer, on_timer);
    wheel_timer_init(&connection->retire.timer, on_retire);
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
    if (event_add(&connection->event, NULL) != 0) {
        return false;
    }
    connection->stream = *stream;
    return true;
}

static void idle_event(struct connection *connection, short what)
{
    enum ending ending = connection->protocol->on_event_at_rest(connection, what);
    if (ending != ENDING_NONE) {
        connection_end(connection, ending);
    }
}

static void lent_event(struct connection *connection, short what)
{
    struct lease *lease = &connection->lease;
    if (connection->lending == LENDS_SHARES) {
        connection->protocol->on_event(connection, what);
    } else if (lease->on_event != NULL) {
        lease->on_event(lease, what);
    }
}

/* An event may be older than the lease that it meets. A borrower may be told twice, and an idle connection checks its
   socket. */
void connection_event(struct connection *connection, short what)
{
    switch (connection->state) {
    case CONNECTION_DIALLING: dial_event(connection, what); break;
    case CONNECTION_LATE_TLS: late_tls_event(connection); break;
    case CONNECTION_SHARING:
    case CONNECTION_LENT: lent_event(connection, what); break;
    case CONNECTION_IDLE: idle_event(connection, what); break;
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

/* Removes a connection from all lists and counts. What it held has been given back. */
static void bury(struct connection *connection)
{
    struct pool_worker *worker = connection->local->worker;
    connection_enter(connection, connection->state, CONNECTION_CLOSED);
    wheel_disarm(&worker->env.loop->wheel, &connection->timer);
    wheel_disarm(&worker->env.loop->wheel, &connection->retire.timer);
    if (connection->retire.place > 0) {
        retirements_change(&connection->local->retirements, connection->retire.place - 1,
                           (uint32_t)-1);
    }
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

/* The place is given back last: while it is taken no other connection is dialled for it, so the warm level stays exact. */
static void give_place(struct connection *connection)
{
    struct endpoint *endpoint = connection->local->endpoint;
    if (connection->ending != ENDING_NONE) {
        connection->local->leaving_count--;
        __atomic_fetch_sub(&endpoint->upkeep.leaving_count, 1, __ATOMIC_ACQ_REL);
    }
    bound_give(&endpoint->connections, 1);
    forget_place(connection);
}

static void give_stream(struct connection *connection, bool reset)
{
    if (connection->session != NULL) {
        connection->protocol->release(connection);
    }
    connection->session = NULL;
    if (connection->stream.fd >= 0) {
        stream_close(&connection->stream, reset);
        descriptor_give(connection->local->worker);
    }
}

void connection_drop(struct connection *connection, bool reset)
{
    struct endpoint_local *local = connection->local;
    CHECK(connection->state != CONNECTION_CLOSED && connection->loans.lent_count == 0);
    (void)event_del(&connection->event);
    give_stream(connection, reset);
    upkeep_forget(connection);
    upkeep_not_ready(connection);
    bool had_place = connection->has_place;
    if (had_place) {
        give_place(connection);
    }
    bury(connection);
    if (had_place) {
        queue_capacity_freed(local->worker, local->endpoint);
        upkeep_on_gone(local);
    }
}

struct stream connection_hand_over(struct connection *connection)
{
    CHECK(connection->state == CONNECTION_IDLE && connection->ending == ENDING_NONE);
    (void)event_del(&connection->event);
    struct stream stream = connection->stream;
    stream_init(&connection->stream, -1);
    upkeep_forget(connection);
    connection->has_place = connection->ready = false;
    connection->session = NULL;
    connection->local->open_count--;
    count_add(&connection->local->stats.handed_over, 1);
    bury(connection);
    return stream;
}

/* ---- the end ---- */

/* A break that Evenkeel has made is not counted as a break by the other side. */
static enum ending real_ending(const struct connection *connection, enum ending ending)
{
    return ending_row(ending)->death == DEATH_BROKEN &&
                   stream_failure(&connection->stream) == TLS_FAILURE_RECORD_FLOOD
               ? ENDING_RECORD_FLOOD
               : ending;
}

void connection_end(struct connection *connection, enum ending ending)
{
    ending = real_ending(connection, ending);
    bool death_told = ending_is_death(connection->ending);
    const struct ending_row *row = ending_row(death_told ? connection->ending : ending);
    count_add(&connection->local->stats.closed[row->closed_as], 1);
    if (row->death != DEATH_NONE && !death_told) {
        upkeep_on_death(connection, row->death == DEATH_BROKEN);
    }
    connection_drop(connection, row->reset);
}

/* The caller has counted the connection as leaving. It keeps its place, but its replacement need not wait for that. */
static void leave(struct connection *connection, enum ending ending)
{
    upkeep_forget(connection);
    upkeep_not_ready(connection);
    connection->ending = ending;
    connection->local->leaving_count++;
    if (connection->state == CONNECTION_SHARING) {
        connection_enter(connection, CONNECTION_SHARING, CONNECTION_LENT);
    }
}

void connection_stop(struct connection *connection, enum ending ending)
{
    if (connection->loans.lent_count == 0) {
        connection_end(connection, ending);
        return;
    }
    struct endpoint_local *local = connection->local;
    const struct ending_row *row = ending_row(ending);
    enum ending before = connection->ending;
    if (before == ENDING_NONE) {
        __atomic_fetch_add(&local->endpoint->upkeep.leaving_count, 1, __ATOMIC_ACQ_REL);
        leave(connection, ending);
    }
    if (row->death != DEATH_NONE && !ending_is_death(before)) {
        connection->ending = ending;
        upkeep_on_death(connection, row->death == DEATH_BROKEN);
    }
    upkeep_on_gone(local);
}

/* Counts one connection of the endpoint as leaving if more stay open than pool.max allows. */
static bool mark_surplus(struct endpoint *endpoint)
{
    uint64_t leaving_count = count_read(&endpoint->upkeep.leaving_count);
    do {
        if (bound_used(&endpoint->connections) <=
            bound_limit(&endpoint->connections) + leaving_count) {
            return false;
        }
    } while (!__atomic_compare_exchange_n(&endpoint->upkeep.leaving_count, &leaving_count,
                                          leaving_count + 1, true, __ATOMIC_ACQ_REL,
                                          __ATOMIC_RELAXED));
    return true;
}

bool connection_is_surplus(struct connection *connection)
{
    struct endpoint *endpoint = connection->local->endpoint;
    CHECK(connection->has_place && connection->ending == ENDING_NONE);
    bool surplus = connection->loans.lent_count == 0 ? bound_give_surplus(&endpoint->connections)
                                                     : mark_surplus(endpoint);
    if (surplus && connection->loans.lent_count == 0) {
        forget_place(connection);
    } else if (surplus) {
        leave(connection, ENDING_SURPLUS);
    }
    return surplus;
}

/* ---- shares ---- */

static enum connection_state state_by_leases(const struct connection *connection)
{
    if (connection->loans.lent_count == 0 && connection->loans.capacity_count > 0) {
        return CONNECTION_IDLE;
    }
    return connection->ending == ENDING_NONE &&
                   connection->loans.lent_count < connection->loans.capacity_count
               ? CONNECTION_SHARING
               : CONNECTION_LENT;
}

void connection_settle(struct connection *connection)
{
    enum connection_state from = connection->state, to = state_by_leases(connection);
    if (connection->loans.lent_count + connection->loans.capacity_count == 0) {
        upkeep_on_withdrawn(connection);
        connection_end(connection, ENDING_WITHDRAWN); /* another one may carry something */
    } else if (to == CONNECTION_IDLE) {
        connection_rest(connection, from);
    } else if (to != from) {
        connection_enter(connection, from, to);
    }
}

void connection_expect(struct connection *connection, uint32_t allowed_count)
{
    struct endpoint_local *local = connection->local;
    uint32_t most_count = local->limits.streams_count;
    connection->loans.allowed_count = allowed_count;
    connection->loans.capacity_count = allowed_count < most_count ? allowed_count : most_count;
    if (connection->loans.capacity_count > 0) {
        __atomic_store_n(&local->endpoint->upkeep.capacity_count, connection->loans.capacity_count,
                         __ATOMIC_RELAXED);
    }
}

void connection_allow(struct connection *connection, uint32_t allowed_count)
{
    struct endpoint_local *local = connection->local;
    CHECK(connection->lending == LENDS_SHARES);
    connection_expect(connection, allowed_count);
    if (connection->state == CONNECTION_IDLE && connection->loans.capacity_count > 0) {
        return;
    }
    connection_settle(connection);
    if (connection->state == CONNECTION_SHARING) {
        pool_worker_schedule_endpoint(local->worker, local);
        queue_capacity_freed(local->worker, local->endpoint);
    }
}

/* When the connection gives its last allowed lease it is stopped, so that its replacement is dialled while it is still
   in use. */
static struct lease *lend_share(struct connection *connection, struct lease *lease)
{
    struct local_stats *stats = &connection->local->stats;
    *lease = (struct lease){.connection = connection,
                            .endpoint = connection->local->endpoint,
                            .facts = connection->facts};
    TAILQ_INSERT_TAIL(&connection->loans.shares, lease, link);
    count_add(lease->facts.reused ? &stats->reused : &stats->fresh, 1);
    connection->facts.reused = true;
    connection->loans.lent_count++;
    count_add(&connection->local->shares_count, 1);
    connection_settle(connection);
    if (connection->facts.exchanges_count + connection->loans.lent_count >=
        connection->loans.exchanges_limit) {
        connection_stop(connection, ENDING_REQUESTS);
    }
    return lease;
}

void connection_promise(struct connection *connection, struct lease_request *request)
{
    connection->promised_to = request;
    request->promised = connection;
}

struct lease_request *connection_promise_over(struct connection *connection)
{
    struct lease_request *request = connection->promised_to;
    if (__builtin_expect(request != NULL, 0)) {
        connection->promised_to = NULL;
        connection->loans.lent_count = 0;
        request->promised = NULL;
    }
    return request;
}

struct lease *connection_lend(struct connection *connection, struct lease_request *request)
{
    return connection->lending == LENDS_SHARES
               ? lend_share(connection, &request->share)
               : connection_lend_whole(connection, connection->state);
}
