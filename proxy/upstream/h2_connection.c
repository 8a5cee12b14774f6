/* A session between its socket, its streams and the pool. */
#include "proxy/upstream/h2_connection.h"

#include <event2/event.h>
#include <stdlib.h>

#include "pool/connection.h"
#include "pool/dial.h"
#include "pool/handshake.h"
#include "proxy/worker/duplex.h"
#include "proxy/worker/worker.h"
#include "steady/check.h"
#include "steady/fault.h"

/* What a stalled client can make a stream keep, as much as a read of HTTP/1 holds back. */
#define WINDOW_BYTES WORKER_READ_BYTES
/* What a session may hold for HPACK and its streams. */
#define MEMORY_BYTES (4u * 1024 * 1024)

TAILQ_HEAD(h2_upstream_list, h2_upstream);

enum h2_connection_state {
    H2_CONNECTION_STARTING, /* the SETTINGS of the endpoint have not arrived, or allow no stream */
    H2_CONNECTION_SERVING,
    H2_CONNECTION_OVER, /* nothing more is read or sent */
};

struct h2_connection {
    struct h2_session *session;
    struct connection
        *connection;       /* the pool's; NULL: it has ended, or is on its way to another worker */
    struct worker *worker; /* NULL: on its way */
    struct duplex duplex;
    struct h2_upstream_list streams;   /* open ones */
    struct deferred deferred;          /* sends what waits, and reads on */
    struct wheel_timer timer;          /* the next look at its liveness, while streams are open */
    uint64_t heard_ms;                 /* when the endpoint last sent a byte */
    uint64_t event;                    /* number of the last read, for what it refuses */
    uint64_t pulled_bytes, sent_bytes; /* of the session, and of these the socket's */
    uint32_t allowed_count;
    unsigned depth; /* frames of this file that are using the object; it is freed by the last one */
    uint8_t state;  /* enum h2_connection_state */
    bool allowed_changed; /* the pool does not know allowed_count yet */
    bool pinged;          /* a PING is out, and nothing has been heard since */
    enum ending ending;   /* how the connection is to end; ENDING_NONE: it goes on */
};

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

static bool ended(const struct h2_connection *h2)
{
    return h2->connection == NULL || h2->state == H2_CONNECTION_OVER;
}

static void later(struct h2_connection *h2)
{
    loop_defer(&h2->worker->loop, &h2->deferred);
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
        upstream->event = h2->event;
        h2_upstream_over(upstream,
                         is_untouched(h2, upstream) ? H2_UPSTREAM_UNSENT : H2_UPSTREAM_CUT,
                         H2_NO_ERROR);
    }
}

/* Notes how the connection ends. The first one decides. */
static void note_end(struct h2_connection *h2, enum ending ending)
{
    if (h2->ending == ENDING_NONE || ending_is_death(ending)) {
        h2->ending = ending;
    }
}

static void break_off(struct h2_connection *h2, enum ending ending)
{
    note_end(h2, ending);
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
        note_end(h2, ENDING_DIED_ORDERLY);
    }
}

static enum h2_upstream_state state_of_end(struct h2_end end)
{
    if (end.unsent || end.code == H2_HTTP_1_1_REQUIRED) {
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
    upstream->event = h2->event;
    if (h2->connection != NULL && end.unsent) {
        count_add(&stats_of(h2)->refused, 1);
    }
    if (h2->connection != NULL && end.code == H2_HTTP_1_1_REQUIRED) {
        protocol_fall_back(h2->connection);
        note_end(h2, ENDING_WITHDRAWN);
    }
    h2_upstream_over(upstream, state_of_end(end), end.code);
}

static void on_pong(void *owner)
{
    struct h2_connection *h2 = owner;
    h2->pinged = false;
}

static void on_wants_pull(void *owner)
{
    later(owner);
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

/* ---- sending ---- */

static void count_sent(struct h2_connection *h2, size_t sent)
{
    h2->sent_bytes += sent;
    stat_add(&h2->worker->stats.upstream_bytes_out, sent);
}

/* What has arrived may still decide how the streams end. */
static void sending_broke(struct h2_connection *h2)
{
    h2->duplex.readable = true;
    later(h2);
}

static bool flush_kept(struct h2_connection *h2)
{
    size_t sent;
    enum duplex_result result = duplex_flush(&h2->duplex, h2->worker->bufs, &sent);
    count_sent(h2, sent);
    if (result == DUPLEX_BROKEN) {
        sending_broke(h2);
    }
    return result == DUPLEX_SENT;
}

static bool send_frames(struct h2_connection *h2)
{
    char *space = h2->worker->read_scratch;
    size_t sent, bytes = h2_session_pull(h2->session, space, WORKER_READ_BYTES);
    if (h2->connection == NULL) {
        return false;
    }
    h2->pulled_bytes += bytes;
    if (h2_session_is_over(h2->session)) {
        break_off(h2, ENDING_BROKEN);
    }
    if (bytes == 0) {
        return false;
    }
    const struct iovec piece = {space, bytes};
    enum duplex_result result = duplex_send(&h2->duplex, h2->worker->bufs, &piece, 1, &sent);
    count_sent(h2, sent);
    switch (result) {
    case DUPLEX_SENT: return true;
    case DUPLEX_KEPT: break;
    case DUPLEX_BROKEN: sending_broke(h2); break;
    case DUPLEX_NO_MEMORY: break_off(h2, ENDING_ABANDONED); break;
    }
    return false;
}

static void flush(struct h2_connection *h2)
{
    if (h2->duplex.send_broken || (h2->duplex.out != NULL && !flush_kept(h2))) {
        return;
    }
    while (h2_session_has_output(h2->session) && send_frames(h2)) {
    }
}

/* ---- reading ---- */

static void take(struct h2_connection *h2, const struct duplex_input *input)
{
    h2->event++;
    h2->heard_ms = worker_now_ms(h2->worker);
    h2->pinged = false;
    if (h2_session_take(h2->session, input->bytes, input->length, h2->heard_ms) == H2_OVER &&
        h2->connection != NULL) {
        flush(h2); /* GOAWAY says why */
        break_off(h2,
                  h2->connection->state == CONNECTION_IDLE ? ENDING_STRAY_BYTES : ENDING_BROKEN);
    }
}

/* The end of the other side; for an idle connection as in HTTP/1. */
static enum ending ending_of(const struct h2_connection *h2, enum stream_result result)
{
    const struct connection *connection = h2->connection;
    enum tls_failure failure = stream_failure(&connection->stream);
    bool orderly = result == STREAM_END || failure == TLS_FAILURE_TRUNCATED;
    if (connection->state != CONNECTION_IDLE && connection->state != CONNECTION_DIALLING) {
        return ENDING_BROKEN;
    }
    if (!orderly && failure != TLS_FAILURE_NONE && failure != TLS_FAILURE_RECORD_FLOOD) {
        handshake_revoked(h2->connection);
    }
    return orderly ? ENDING_DIED_ORDERLY : ENDING_DIED_RESET;
}

/* Reads once. True: there may be more. */
static bool read_once(struct h2_connection *h2)
{
    struct duplex_input input;
    size_t got = 0, room = h2_session_room(h2->session);
    if (room == 0 || !h2->duplex.readable) {
        return false;
    }
    enum stream_result result = duplex_receive(&h2->duplex, h2->worker, room, &input, &got);
    if (result == STREAM_OK) {
        stat_add(&h2->worker->stats.upstream_bytes_in, got);
        take(h2, &input);
        return true;
    }
    if (result != STREAM_BLOCKED || h2->duplex.send_broken) {
        break_off(h2, ending_of(h2, result));
    }
    return false;
}

static void read_some(struct h2_connection *h2)
{
    for (unsigned reads = 0; reads < WORKER_TURN_READS; reads++) {
        if (ended(h2) || !read_once(h2)) {
            return;
        }
    }
    later(h2);
}

/* ---- events ---- */

/* One turn of the connection; what it means for the pool is told at its end. */
static void on_event(struct connection *connection, short what)
{
    struct h2_connection *h2 = h2_of(connection);
    enter(h2);
    duplex_on_event(&h2->duplex, what);
    if ((what & EV_WRITE) != 0 && h2->duplex.out != NULL) {
        flush(h2);
    }
    if (h2->connection != NULL) {
        read_some(h2);
    }
    tell_pool(h2);
    leave(h2);
}

static void on_deferred(struct deferred *deferred)
{
    struct h2_connection *h2 = container_of(deferred, struct h2_connection, deferred);
    enter(h2);
    if (h2->duplex.readable) {
        read_some(h2);
    }
    if (!ended(h2)) {
        flush(h2);
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
        flush(h2);
    }
    read_some(h2);
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

/* A connection that carries streams and is silent is asked; one that does not answer is dead (RFC 9113 6.7). */
static void on_timer(struct wheel_timer *timer, uint64_t now_ms)
{
    struct h2_connection *h2 = container_of(timer, struct h2_connection, timer);
    uint64_t ping_ms = h2->connection->local->limits.ping_ms;
    if (TAILQ_EMPTY(&h2->streams)) {
        return;
    }
    if (now_ms < h2->heard_ms + ping_ms) {
        arm(h2, h2->heard_ms + ping_ms);
        return;
    }
    if (!h2->pinged) {
        h2->pinged = true;
        h2_session_ping(h2->session);
        arm(h2, now_ms + ping_ms);
        return;
    }
    enter(h2);
    count_add(&stats_of(h2)->pings_failed, 1);
    break_off(h2, ENDING_BROKEN);
    tell_pool(h2);
    leave(h2);
}

static void begin_to_watch(struct h2_connection *h2)
{
    h2->heard_ms = worker_now_ms(h2->worker);
    h2->pinged = false;
    if (!wheel_timer_armed(&h2->timer)) {
        arm(h2, h2->heard_ms + h2->connection->local->limits.ping_ms);
    }
}

/* ---- streams ---- */

bool h2_connection_open_stream(struct h2_connection *h2, struct h2_upstream *upstream,
                               const struct http_head *head, const struct added_fields *added,
                               bool last)
{
    bool secure = h2->connection->stream.tls != NULL;
    upstream->stream = (struct h2_stream){.session = NULL};
    upstream->opened_at_bytes = h2->pulled_bytes;
    upstream->event = h2->event;
    if (h2->state != H2_CONNECTION_SERVING ||
        !h2_stream_open(h2->session, &upstream->stream, head, added, secure, last)) {
        note_end(h2, ENDING_WITHDRAWN); /* its ids are used up, or it has ended in this pass */
        later(h2);
        return false;
    }
    if (TAILQ_EMPTY(&h2->streams)) {
        begin_to_watch(h2);
    }
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
        later(h2);
    }
}

/* ---- the pool's side ---- */

static struct h2_env env_of(const struct worker *worker)
{
    return (struct h2_env){.bufs = worker->bufs};
}

/* A connection that is dialled before the first settings are adopted has the highest limits. */
static struct h2_limits limits_of(const struct worker *worker)
{
    struct h2_limits limits = {.window_bytes = WINDOW_BYTES,
                               .head_bytes = WORKER_HEAD_BYTES,
                               .fields_count = WORKER_FIELDS_COUNT,
                               .memory_bytes = MEMORY_BYTES};
    if (worker->generation != NULL) {
        const struct limit_settings *settings = &worker->generation->settings->limits;
        limits.head_bytes = (uint32_t)settings->head_bytes;
        limits.fields_count = (uint32_t)settings->fields_count;
    }
    return limits;
}

static bool start(struct connection *connection)
{
    struct worker *worker = connection->local->worker->env.owner;
    const struct h2_limits limits = limits_of(worker);
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
    later(h2);
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
