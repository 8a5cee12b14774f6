/* A session between its socket, its streams and the pool. */
#include "proxy/upstream/h2_connection.h"

#include <event2/event.h>
#include <stdlib.h>

#include "pool/dial.h"
#include "proxy/upstream/h2_connection_state.h"
#include "proxy/worker/worker.h"
#include "steady/check.h"
#include "steady/fault.h"

/* What a stalled client can make a stream keep, as much as a read of HTTP/1 holds back. */
#define WINDOW_BYTES WORKER_READ_BYTES
/* Five minutes, and as much as the way there of one PING may be faster than that of the last. */
#define ASK_AGAIN_MS 310000
#define ASK_SOON_MOST 3

static void on_deferred(struct deferred *deferred);
static void on_timer(struct wheel_timer *timer, uint64_t now_ms);

static const struct h2_events events;

static struct h2_connection *h2_of(const struct connection *connection)
{
    return connection->session;
}

struct h2_connection *h2_connection_of(const struct lease *lease)
{
    return h2_of(lease->connection);
}

static void free_h2(struct h2_connection *h2)
{
    h2_session_free(&h2->session);
    free(h2);
}

/* While a frame is in an object it is not freed, although an event may end the connection. */
static void enter(struct h2_connection *h2)
{
    h2->depth++;
}

static void leave(struct h2_connection *h2)
{
    if (--h2->depth == 0 && h2->connection == NULL) {
        free_h2(h2);
    }
}

void h2_connection_later(struct h2_connection *h2)
{
    if (h2->connection != NULL) { /* a session goes on with what it has taken behind the end */
        loop_defer(&h2->worker->loop, &h2->deferred);
    }
}

static struct local_stats *stats_of(const struct h2_connection *h2)
{
    return &h2->connection->local->stats;
}

/* ---- the end ---- */

/* True: not a byte of the stream was taken by the socket. */
static bool is_untouched(const struct h2_connection *h2, const struct h2_upstream *upstream)
{
    return h2->sent_bytes <= upstream->opened_at_bytes;
}

static void close_streams(struct h2_connection *h2)
{
    struct h2_upstream *upstream;
    while ((upstream = TAILQ_FIRST(&h2->streams)) != NULL) {
        TAILQ_REMOVE(&h2->streams, upstream, link);
        h2_stream_reset(&upstream->stream, H2_CANCEL);
        upstream->stream.session = NULL;
        upstream->event = h2_connection_event(h2);
        h2_upstream_over(upstream,
                         is_untouched(h2, upstream) ? H2_UPSTREAM_UNSENT : H2_UPSTREAM_CUT,
                         H2_NO_ERROR);
    }
}

void h2_connection_note_end(struct h2_connection *h2, enum ending ending)
{
    if (h2->ending == ENDING_NONE || ending_is_death(ending)) {
        h2->ending = ending;
    }
}

void h2_connection_break_off(struct h2_connection *h2, enum ending ending)
{
    h2_connection_note_end(h2, ending);
    h2->state = H2_CONNECTION_OVER;
}

/* Tells the pool and the streams what was noted, outside of the session's events. An idle connection is ended by the pool
   where the pool asks. */
static void settle(struct h2_connection *h2)
{
    struct connection *connection = h2->connection;
    enum ending ending = h2->ending;
    bool over = h2->state == H2_CONNECTION_OVER;
    h2->ending = ENDING_NONE;
    if (connection->state == CONNECTION_DIALLING) {
        dial_fail(connection, ending == ENDING_BROKEN ? DIAL_PROTOCOL : DIAL_RESET);
        return;
    }
    connection_stop(connection, ending);
    if (over) {
        close_streams(h2);
    }
}

/* What the last read has changed. */
static void tell_pool(struct h2_connection *h2)
{
    bool starting = h2->state == H2_CONNECTION_STARTING;
    if (h2->connection == NULL) {
        return;
    }
    if (h2->ending != ENDING_NONE) {
        settle(h2);
    } else if (h2->allowed_changed && (!starting || h2->allowed_count > 0)) {
        h2->allowed_changed = false;
        if (starting) {
            h2->state = H2_CONNECTION_SERVING;
            connection_expect(h2->connection, h2->allowed_count);
            dial_done(h2->connection, 0);
        } else {
            connection_allow(h2->connection, h2->allowed_count);
        }
    }
}

/* ---- what the session tells ---- */

static struct h2_upstream *upstream_of(struct h2_stream *stream)
{
    return container_of(stream, struct h2_upstream, stream);
}

static void on_allowed(void *owner, uint32_t streams_count)
{
    struct h2_connection *h2 = owner;
    h2->allowed_count = streams_count;
    h2->allowed_changed = true;
}

/* The streams that this refuses may be sent again at once, so the pool must not lend the connection for them. */
static void on_going_away(void *owner, uint32_t code)
{
    struct h2_connection *h2 = owner;
    if (h2->connection == NULL) {
        return;
    }
    count_add(&stats_of(h2)->goaways, 1);
    if (code == H2_HTTP_1_1_REQUIRED) {
        protocol_fall_back(h2->connection);
    }
    if (h2->connection == NULL) {
        return;
    }
    if (h2->connection->loans.lent_count > 0) {
        connection_stop(h2->connection, ENDING_WITHDRAWN);
    } else {
        h2_connection_note_end(h2, ENDING_DIED_ORDERLY);
    }
}

/* What has sent a response has processed the request, whatever it says afterwards: it is not sent again behind that. */
static enum h2_upstream_state state_of_end(const struct h2_upstream *upstream, struct h2_end end)
{
    bool heard = upstream->state != H2_UPSTREAM_HEAD || upstream->side.answered;
    if (!heard && (end.unsent || end.code == H2_HTTP_1_1_REQUIRED)) {
        return H2_UPSTREAM_UNSENT;
    }
    return end.remote ? H2_UPSTREAM_RESET : H2_UPSTREAM_INVALID;
}

static void on_closed(struct h2_stream *stream, struct h2_end end)
{
    struct h2_upstream *upstream = upstream_of(stream);
    struct h2_connection *h2 = upstream->connection;
    TAILQ_REMOVE(&h2->streams, upstream, link);
    upstream->stream.session = NULL;
    upstream->event = h2_connection_event(h2);
    if (h2->connection != NULL && end.unsent) {
        count_add(&stats_of(h2)->refused, 1);
    }
    if (h2->connection != NULL && end.code == H2_HTTP_1_1_REQUIRED) {
        protocol_fall_back(h2->connection);
        h2_connection_note_end(h2, ENDING_WITHDRAWN);
    }
    h2_upstream_over(upstream, state_of_end(upstream, end), end.code);
}

static void on_pong(void *owner)
{
    struct h2_connection *h2 = owner;
    h2->pinged = false;
    if (h2->asked_count == 0) { /* an answer that has crossed the question was sent before it */
        h2->asked_count = 1;
    }
}

static void on_wants_pull(void *owner)
{
    struct h2_connection *h2 = owner;
    if (h2->connection == NULL) {
        return; /* it has ended with its last stream, in this event */
    }
    if (h2->depth > 0) {
        h2_connection_later(h2);
    } else { /* requests of this pass: all clients that were ready have sent theirs by its end */
        loop_defer_within(&h2->worker->loop, &h2->deferred);
    }
}

static const struct h2_events events = {
    .response = h2_upstream_on_response,
    .allowed = on_allowed,
    .going_away = on_going_away,
    .pong = on_pong,
    .payload = h2_upstream_on_payload,
    .drained = h2_upstream_on_drained,
    .closed = on_closed,
    .wants_pull = on_wants_pull,
};

/* ---- events ---- */

/* One turn of the connection; what it means for the pool is told at its end. */
static void on_event(struct connection *connection, short what)
{
    struct h2_connection *h2 = h2_of(connection);
    enter(h2);
    duplex_on_event(&h2->duplex, what);
    if ((what & EV_WRITE) != 0 && h2->duplex.out != NULL) {
        h2_connection_flush(h2);
    }
    if (h2->connection != NULL) {
        h2_connection_read(h2);
    }
    tell_pool(h2);
    leave(h2);
}

static void on_deferred(struct deferred *deferred)
{
    struct h2_connection *h2 = container_of(deferred, struct h2_connection, deferred);
    enter(h2);
    if (h2->duplex.readable) {
        h2_connection_read(h2);
    }
    if (!h2_connection_ended(h2)) {
        h2_connection_flush(h2);
    }
    tell_pool(h2);
    leave(h2);
}

static enum ending on_event_at_rest(struct connection *connection, short what)
{
    struct h2_connection *h2 = h2_of(connection);
    enter(h2);
    duplex_on_event(&h2->duplex, what);
    if ((what & EV_WRITE) != 0 && h2->duplex.out != NULL) {
        h2_connection_flush(h2);
    }
    h2_connection_read(h2);
    enum ending ending = h2->ending;
    if (ending == ENDING_NONE) {
        tell_pool(h2);
    }
    leave(h2);
    return ending;
}

/* ---- liveness ---- */

static void arm(struct h2_connection *h2, uint64_t due_ms)
{
    wheel_arm(&h2->worker->loop.wheel, &h2->timer, due_ms);
}

/* When it is asked, if nothing is heard until then. Servers of gRPC end a connection at the third PING since they last sent something of
   a stream that comes less than five minutes behind the one before. The first is none of these, the next two are left to new streams. Of
   streams that follow each other the first counts: else a server that hangs under traffic would never be asked. */
static uint64_t ask_due_ms(const struct h2_connection *h2)
{
    uint64_t ping_ms = h2->connection->local->limits.ping_ms;
    if (h2->asked_count == 0) {
        return h2->heard_ms + ping_ms;
    }
    if (h2->opened_ms > h2->asked_ms && h2->asked_count < ASK_SOON_MOST) {
        return (h2->opened_ms > h2->heard_ms ? h2->opened_ms : h2->heard_ms) + ping_ms;
    }
    return h2->asked_ms + (ping_ms > ASK_AGAIN_MS ? ping_ms : ASK_AGAIN_MS);
}

static void ask(struct h2_connection *h2, uint64_t now_ms)
{
    h2->pinged = true;
    h2->asked_ms = now_ms;
    h2->asked_count += h2->asked_count < ASK_SOON_MOST;
    h2_session_ping(h2->session);
    arm(h2, now_ms + h2->connection->local->limits.ping_ms);
}

/* A connection that carries streams and is silent is asked; one that does not answer is dead (RFC 9113 6.7). */
static void on_timer(struct wheel_timer *timer, uint64_t now_ms)
{
    struct h2_connection *h2 = container_of(timer, struct h2_connection, timer);
    if (TAILQ_EMPTY(&h2->streams)) {
        return;
    }
    if (!h2->pinged) {
        if (now_ms < ask_due_ms(h2)) {
            arm(h2, ask_due_ms(h2));
        } else {
            ask(h2, now_ms);
        }
        return;
    }
    enter(h2);
    count_add(&stats_of(h2)->pings_failed, 1);
    h2_connection_break_off(h2, ENDING_BROKEN);
    tell_pool(h2);
    leave(h2);
}

/* A stream was opened. */
static void watch_it(struct h2_connection *h2)
{
    bool first = TAILQ_EMPTY(&h2->streams);
    uint64_t now_ms = worker_now_ms(h2->worker);
    if (first) {
        h2->heard_ms = now_ms;
        h2->pinged = false;
    }
    if (h2->opened_ms <= h2->asked_ms) {
        h2->opened_ms = now_ms;
    }
    if (!h2->pinged && (h2->asked_count > 0 || (first && !wheel_timer_armed(&h2->timer)))) {
        arm(h2, ask_due_ms(h2));
    }
}

void h2_connection_answered(struct h2_connection *h2)
{
    if (h2->asked_count > 0) {
        h2->asked_count = 0;
        arm(h2, ask_due_ms(h2));
    }
}

/* ---- streams ---- */

/* Its ids are used up, or it has ended in this pass. Where only memory for a head is missing, the connection is as good as another. */
static void leave_pool_if_closed(struct h2_connection *h2)
{
    if (h2->state != H2_CONNECTION_SERVING || !h2_session_takes_streams(h2->session)) {
        h2_connection_note_end(h2, ENDING_WITHDRAWN);
        h2_connection_later(h2);
    }
}

bool h2_connection_open_stream(struct h2_connection *h2, struct h2_upstream *upstream,
                               const struct http_head *head, const struct added_fields *added,
                               bool last)
{
    bool secure = h2->connection->stream.tls != NULL;
    upstream->stream = (struct h2_stream){.session = NULL};
    upstream->opened_at_bytes = h2->pulled_bytes;
    upstream->event = h2_connection_event(h2);
    if (h2->state != H2_CONNECTION_SERVING ||
        !h2_stream_open(h2->session, &upstream->stream, head, added, secure, last)) {
        leave_pool_if_closed(h2);
        return false;
    }
    watch_it(h2);
    TAILQ_INSERT_TAIL(&h2->streams, upstream, link);
    return true;
}

void h2_connection_leave_stream(struct h2_connection *h2, struct h2_upstream *upstream)
{
    if (upstream->stream.session == NULL) {
        return;
    }
    TAILQ_REMOVE(&h2->streams, upstream, link);
    h2_stream_reset(&upstream->stream, H2_CANCEL);
    upstream->stream.session = NULL;
    if (h2->duplex.readable) { /* the session may have room again */
        h2_connection_later(h2);
    }
}

/* ---- the pool's side ---- */

static struct h2_env env_of(const struct worker *worker)
{
    return (struct h2_env){.bufs = worker->bufs};
}

/* A connection that is dialled before the first settings are adopted has the highest limits. */
static struct h2_limits limits_of(const struct connection *connection, const struct worker *worker)
{
    struct h2_limits limits = {.streams_count = connection->local->limits.streams_count,
                               .window_bytes = WINDOW_BYTES,
                               .head_bytes = WORKER_HEAD_BYTES,
                               .fields_count = WORKER_FIELDS_COUNT};
    if (worker->generation != NULL) {
        const struct limit_settings *settings = &worker->generation->settings->limits;
        limits.head_bytes = (uint32_t)settings->head_bytes;
        limits.fields_count = (uint32_t)settings->fields_count;
    }
    limits.memory_bytes = h2_memory_for(&limits);
    return limits;
}

static bool start(struct connection *connection)
{
    struct worker *worker = connection->local->worker->env.owner;
    const struct h2_limits limits = limits_of(connection, worker);
    const struct h2_env env = env_of(worker);
    struct h2_connection *h2 = fault_hits(FAULT_ALLOC) ? NULL : calloc(1, sizeof *h2);
    if (h2 == NULL) {
        return false;
    }
    h2->connection = connection;
    h2->worker = worker;
    h2->duplex.stream = &connection->stream;
    h2->deferred.run = on_deferred;
    TAILQ_INIT(&h2->streams);
    wheel_timer_init(&h2->timer, on_timer);
    h2->session = h2_session_create(H2_ROLE_CLIENT, &limits, &env, &events, h2);
    if (h2->session == NULL) {
        free(h2);
        return false;
    }
    connection->session = h2;
    h2_connection_later(h2);
    return true;
}

/* A lease that comes back says nothing about the connection: the session knows. */
static enum ending take_back(struct connection *connection, struct lease *lease, enum ending left)
{
    (void)connection;
    (void)lease;
    (void)left;
    return ENDING_NONE;
}

static bool leave_worker(struct connection *connection)
{
    struct h2_connection *h2 = h2_of(connection);
    if (h2->depth > 0 || h2->deferred.queued || h2->duplex.out != NULL || h2->duplex.readable ||
        h2->ending != ENDING_NONE || h2_session_has_output(h2->session)) {
        return false;
    }
    wheel_disarm(&h2->worker->loop.wheel, &h2->timer);
    h2_session_leave(h2->session);
    h2->worker = NULL;
    return true;
}

static void join_worker(struct connection *connection)
{
    struct h2_connection *h2 = h2_of(connection);
    h2->worker = connection->local->worker->env.owner;
    h2->connection = connection;
    h2->duplex.stream = &connection->stream;
    const struct h2_env env = env_of(h2->worker);
    h2_session_move(h2->session, &env, h2);
}

static void release(struct connection *connection)
{
    struct h2_connection *h2 = h2_of(connection);
    CHECK(TAILQ_EMPTY(&h2->streams));
    loop_defer_cancel(&h2->worker->loop, &h2->deferred);
    wheel_disarm(&h2->worker->loop.wheel, &h2->timer);
    duplex_release(&h2->duplex, h2->worker->bufs);
    h2->connection = NULL;
    if (h2->depth == 0) {
        free_h2(h2);
    }
}

const struct connection_protocol h2_connection_protocol = {
    .name = "http2",
    .shares = true,
    .start = start,
    .on_event = on_event,
    .take_back = take_back,
    .on_event_at_rest = on_event_at_rest,
    .leave = leave_worker,
    .join = join_worker,
    .release = release,
};
