/* The connection of an HTTP/2 client: reading, sending once a pass, and its end. */
#include "proxy/client/h2_client.h"
#include "proxy/client/h2_turn.h"

#include <stdlib.h>
#include <string.h>

#include "proxy/worker/generation.h"
#include "steady/check.h"
#include "steady/deadline.h"
#include "steady/fault.h"

/* Window of a stream: the payload that may have to be kept for it, as much as for a client of HTTP/1. */
#define STREAM_WINDOW_BYTES WORKER_READ_BYTES
/* What is pulled from the session at a time: the most that the socket may make the connection keep. With what TLS adds, one packet of the
   kernel's contains it: what is larger by a few bytes costs another one. */
#define PULL_BYTES (63u * 1024)
/* Between the two GOAWAYs: requests that are on their way when the first is sent have arrived by then. */
#define WARNED_MS 1000
/* A socket that did not take all counts as slow for so long. */
#define BLOCKED_MS 1000
#define PREFACE "PRI * HTTP/2.0\r\n"

static const struct client_protocol h2_client_protocol;

/* ---- sending ---- */

/* Streams that end meanwhile must not let anyone else write into the scratch. */
static struct iovec h2_client_pull(struct client *client, size_t most)
{
    struct h2_client *h2 = client->h2;
    char *space = client->origin.worker->write_scratch;
    h2->pulls = true;
    size_t bytes = h2_session_pull(h2->session, space, most);
    h2->pulls = false;
    return (struct iovec){space, bytes};
}

static void h2_client_note_blocked(struct client *client)
{
    if (client->duplex.out != NULL) {
        client->h2->blocked_ms = worker_now_ms(client->origin.worker);
    }
}

/* False: the client is closed. */
static bool h2_client_send(struct client *client)
{
    struct worker *worker = client->origin.worker;
    struct h2_session *session = client->h2->session;
    size_t most = worker_has_ample_buffers(worker) ? PULL_BYTES : H2_PULL_BYTES;
    if (client->duplex.send_broken) {
        client_lost(client, REASON_CLIENT_ABORT);
        return false;
    }
    while (client->duplex.out == NULL && h2_session_has_output(session)) {
        const struct iovec piece = h2_client_pull(client, most);
        if (piece.iov_len == 0) {
            break;
        }
        if (client_send(client, &piece, 1) == SINK_BROKEN) {
            return false;
        }
        h2_client_note_blocked(client);
    }
    return true;
}

/* Whether several streams share a socket that does not take all that there is: then they get it in turn, at the end of the pass,
   and not whoever comes first. */
static bool h2_client_shares_little(const struct client *client)
{
    return h2_session_streams_count(client->h2->session) > 1 &&
           !deadline_passed(deadline_after(client->h2->blocked_ms, BLOCKED_MS),
                            worker_now_ms(client->origin.worker));
}

/* Sends at once what would else have to be kept. Nothing ends here: a connection that breaks is found at the end of the pass. */
static void h2_client_on_much(void *owner)
{
    struct client *client = ((struct h2_client *)owner)->client;
    struct worker *worker = client->origin.worker;
    struct duplex *duplex = &client->duplex;
    size_t sent;
    if (duplex->out != NULL || duplex->send_broken || !worker_has_ample_buffers(worker) ||
        h2_client_shares_little(client)) {
        return;
    }
    const struct iovec piece = h2_client_pull(client, PULL_BYTES);
    enum duplex_result result = duplex_send(duplex, worker->bufs, &piece, 1, &sent);
    stat_add(&worker->stats.client_bytes_out, sent);
    duplex->send_broken = duplex->send_broken || result == DUPLEX_NO_MEMORY;
    if (result == DUPLEX_KEPT) {
        h2_client_note_blocked(client);
        client->since_ms = worker_now_ms(worker);
        client->untaken_mark = 0;
        client_arm(client);
    }
    client_run_soon(client);
}

/* ---- the end ---- */

static void h2_client_enter(struct h2_client *h2, enum h2_client_stage stage)
{
    struct worker *worker = h2->client->origin.worker;
    if (stage <= h2->stage) {
        return;
    }
    h2->stage = (uint8_t)stage;
    if (stage == H2_CLIENT_WARNED) {
        h2_session_warn(h2->session);
        wheel_arm(&worker->loop.wheel, &h2->warned,
                  deadline_after(worker_now_ms(worker), WARNED_MS));
    } else {
        wheel_disarm(&worker->loop.wheel, &h2->warned);
        h2_session_go_away(h2->session, H2_NO_ERROR);
    }
    stat_add(&worker->stats.h2_goaways, 1);
}

static void h2_client_on_warned(struct wheel_timer *timer, uint64_t now_ms)
{
    struct h2_client *h2 = container_of(timer, struct h2_client, warned);
    (void)now_ms;
    h2_client_enter(h2, H2_CLIENT_LEAVES);
    client_run_soon(h2->client);
}

/* A head that does not end holds the whole connection up. */
static void h2_client_on_head_late(struct wheel_timer *timer, uint64_t now_ms)
{
    struct h2_client *h2 = container_of(timer, struct h2_client, head);
    (void)now_ms;
    stat_add(&h2->client->origin.worker->stats.client_timeouts, 1);
    h2_session_go_away(h2->session, H2_ENHANCE_YOUR_CALM);
    client_run_soon(h2->client);
}

/* What waits for its client's turn may be the rest of the head. */
static void h2_client_watch_head(struct client *client)
{
    struct h2_client *h2 = client->h2;
    struct wheel *wheel = &client->origin.worker->loop.wheel;
    if (!h2_session_in_head(h2->session) || client->duplex.in != NULL) {
        wheel_disarm(wheel, &h2->head);
    } else if (!wheel_timer_armed(&h2->head)) {
        wheel_arm(wheel, &h2->head,
                  deadline_after(worker_now_ms(client->origin.worker),
                                 client->listener->view.timeouts.head_ms));
    }
}

static void h2_client_count(struct worker_stats *stats, const struct h2_counts *counts)
{
    for (size_t i = 0; i < H2_ABUSE_COUNT; i++) {
        stat_add(&stats->h2_charged[i], counts->charged[i]);
    }
    if (counts->calmed < H2_ABUSE_COUNT) {
        stat_add(&stats->h2_calmed[counts->calmed], 1);
    }
}

/* Gives up what is HTTP/2's; what follows is the same for every client. */
static void h2_client_release(struct client *client)
{
    struct h2_client *h2 = client->h2;
    struct worker *worker = client->origin.worker;
    CHECK(TAILQ_EMPTY(&h2->streams));
    wheel_disarm(&worker->loop.wheel, &h2->warned);
    wheel_disarm(&worker->loop.wheel, &h2->head);
    wheel_disarm(&worker->loop.wheel, &h2->turn);
    buf_give(worker->bufs, &client->duplex.in);
    if (h2_session_is_over(h2->session)) {
        stat_add(&worker->stats.h2_connection_errors, 1);
        client_blame(client);
    }
    h2_client_count(&worker->stats, h2_session_counts(h2->session));
    h2_session_free(&h2->session);
    free(h2);
    client->h2 = NULL;
    client->protocol = &h1_client_protocol;
    client->deferred.run = client->protocol->run;
    stat_sub(&worker->stats.h2_clients_open, 1);
}

/* Everything is said: closes behind it. The client may have sent more, which a reset would answer. */
static void h2_client_finish(struct client *client)
{
    h2_client_release(client);
    client->keep = false;
    client->duplex.readable = true;
    client_enter(client, CLIENT_CLOSING);
    if (client->duplex.out == NULL) {
        client_finish_sending(client);
    }
}

static void h2_client_end_streams(struct h2_client *h2, enum exchange_reason reason)
{
    struct client_stream *stream;
    while ((stream = TAILQ_FIRST(&h2->streams)) != NULL) {
        client_stream_end(stream, reason);
    }
}

/* At the end of a run: the client is idle, or over. */
static void h2_client_settle(struct client *client)
{
    struct h2_client *h2 = client->h2;
    bool over = h2_session_is_over(h2->session);
    if (over) {
        h2_client_end_streams(h2, REASON_CLIENT_ABORT);
    }
    bool idle = TAILQ_EMPTY(&h2->streams);
    if (over || (idle && h2->stage == H2_CLIENT_LEAVES)) {
        bool said = !h2_session_has_output(h2->session);
        if (said || (over && client->duplex.out != NULL)) {
            h2_client_finish(client);
        }
        return;
    }
    if (idle != (client->state == CLIENT_IDLE)) {
        client_enter(client, idle ? CLIENT_IDLE : CLIENT_EXCHANGE);
    }
}

/* ---- reading ---- */

/* Who has sent no request yet is read in small pieces: what comes from a stranger may end the connection within its first bytes. */
static size_t h2_client_room(const struct client *client)
{
    size_t room = h2_session_room(client->h2->session);
    bool much = client->served && worker_has_ample_buffers(client->origin.worker);
    size_t most = much ? WORKER_READ_BYTES : WORKER_TIGHT_BYTES;
    return room < most ? room : most;
}

/* The client has ended its direction, or is gone: without its direction there is no HTTP/2. */
static void h2_client_ended(struct client *client, enum stream_result result)
{
    bool broken = result != STREAM_END || !TAILQ_EMPTY(&client->h2->streams);
    h2_client_end_streams(client->h2, REASON_CLIENT_ABORT);
    h2_client_release(client);
    client_break_off(client, broken);
}

/* False: the turn is over, or the session. */
static bool h2_client_take(struct client *client, const struct duplex_input *input)
{
    struct worker *worker = client->origin.worker;
    struct h2_session *session = client->h2->session;
    size_t taken =
        h2_session_take_turn(session, input->bytes, input->length, worker_now_ms(worker));
    client->duplex.starved = false;
    if (h2_session_is_over(session)) {
        h2_turn_note_full(worker);
        return false;
    }
    if (!duplex_keep(&client->duplex, worker->bufs, input, taken)) {
        h2_session_go_away(session, H2_INTERNAL_ERROR);
        return false;
    }
    if (taken < input->length) {
        h2_turn_note_full(worker);
        h2_turn_wait(client);
    }
    return taken == input->length;
}

/* True: there may be more to read. */
static bool h2_client_receive(struct client *client)
{
    struct worker *worker = client->origin.worker;
    struct duplex_input input;
    size_t got = 0, room = h2_client_room(client);
    if (!h2_turn_is_now(client)) {
        return false;
    }
    if (duplex_kept_input(&client->duplex, &input)) {
        return h2_client_take(client, &input);
    }
    if (room == 0 || !client->duplex.readable) {
        return false;
    }
    enum stream_result result = duplex_receive(&client->duplex, worker, room, &input, &got);
    stat_add(&worker->stats.client_bytes_in, got);
    if (result == STREAM_BLOCKED) {
        return false;
    }
    if (result != STREAM_OK) {
        h2_client_ended(client, result);
        return false;
    }
    return h2_client_take(client, &input);
}

static void h2_client_run(struct deferred *deferred)
{
    struct client *client = container_of(deferred, struct client, deferred);
    unsigned reads = 0;
    while (!h2_session_is_over(client->h2->session) && h2_client_receive(client)) {
        if (++reads == WORKER_TURN_READS) {
            client_run_soon(client);
            break;
        }
    }
    if (client->h2 != NULL && h2_client_send(client)) {
        h2_client_watch_head(client);
        h2_client_settle(client);
    }
}

/* ---- the beginning ---- */

bool h2_client_may_begin(const struct client *client)
{
    return client->listener->http2.cleartext && client->stream.tls == NULL && !client->served;
}

bool h2_client_recognises(const struct client *client, const char *bytes, size_t length)
{
    return h2_client_may_begin(client) && length >= sizeof PREFACE - 1 &&
           memcmp(bytes, PREFACE, sizeof PREFACE - 1) == 0;
}

static void h2_client_wants_pull(void *owner)
{
    struct h2_client *h2 = owner;
    client_run_soon(h2->client);
}

/* The client opens no further streams: the connection ends with the last of them. */
static void h2_client_on_going_away(void *owner, uint32_t code)
{
    struct h2_client *h2 = owner;
    (void)code;
    h2_client_enter(h2, H2_CLIENT_LEAVES);
    client_run_soon(h2->client);
}

static const struct h2_events session_events = {
    .going_away = h2_client_on_going_away,
    .opened = client_stream_opened,
    .request = client_stream_on_request,
    .payload = client_stream_on_payload,
    .drained = client_stream_on_drained,
    .closed = client_stream_on_closed,
    .wants_pull = h2_client_wants_pull,
    .has_much = h2_client_on_much,
};

static struct h2_client *h2_client_create(struct client *client)
{
    struct worker *worker = client->origin.worker;
    const struct limit_settings *limits = &worker->generation->settings->limits;
    struct h2_limits session_limits = {
        .streams_count = (uint32_t)client->listener->http2.streams_count,
        .window_bytes = STREAM_WINDOW_BYTES,
        .head_bytes = (uint32_t)limits->head_bytes,
        .fields_count = (uint32_t)limits->fields_count,
    };
    const struct h2_env env = {worker->bufs, worker_frame_space(worker)};
    struct h2_client *h2 = fault_hits(FAULT_ALLOC) ? NULL : calloc(1, sizeof *h2);
    if (h2 == NULL) {
        return NULL;
    }
    session_limits.memory_bytes = h2_memory_for(&session_limits);
    h2->client = client;
    TAILQ_INIT(&h2->streams);
    wheel_timer_init(&h2->warned, h2_client_on_warned);
    wheel_timer_init(&h2->head, h2_client_on_head_late);
    wheel_timer_init(&h2->turn, h2_turn_on_due);
    h2->session = h2_session_create(H2_ROLE_SERVER, &session_limits, &env, &session_events, h2);
    if (h2->session == NULL) {
        free(h2);
        return NULL;
    }
    return h2;
}

/* What has come already waits for the first turn. */
static void h2_client_keep(struct client *client, const struct duplex_input *input)
{
    client->duplex.starved = false;
    if (input != NULL && !duplex_keep(&client->duplex, client->origin.worker->bufs, input, 0)) {
        h2_session_go_away(client->h2->session, H2_INTERNAL_ERROR);
    }
}

void h2_client_begin(struct client *client, const struct duplex_input *input)
{
    struct worker *worker = client->origin.worker;
    struct h2_client *h2 = h2_client_create(client);
    if (h2 == NULL) {
        client_close(client, true);
        return;
    }
    client->h2 = h2;
    client->protocol = &h2_client_protocol;
    client->deferred.run = client->protocol->run;
    stat_add(&worker->stats.h2_clients_open, 1);
    stat_add(&worker->stats.h2_clients, 1);
    if (client->state != CLIENT_IDLE) {
        client_enter(client, CLIENT_IDLE);
    }
    client_run_soon(client);
    if (client_is_blamed(client)) {
        h2_turn_delay(client);
    }
    if (!h2_turn_is_now(client)) {
        h2_client_keep(client, input);
    } else if (input != NULL) {
        (void)h2_client_take(client, input);
    }
    if (client_leaves(client)) {
        client->protocol->leave(client);
    }
}

/* ---- what its life asks ---- */

static bool h2_client_busy(const struct client *client)
{
    return !TAILQ_EMPTY(&client->h2->streams);
}

static struct client_stream *h2_client_first_paused(const struct h2_client *h2)
{
    struct client_stream *stream;
    TAILQ_FOREACH (stream, &h2->streams, link) {
        if (stream->paused) {
            break;
        }
    }
    return stream;
}

/* The socket may be full again behind the first stream: next time it is the last in turn. */
static void h2_client_drained(struct client *client)
{
    struct h2_client *h2 = client->h2;
    struct client_stream *stream;
    while (client->duplex.out == NULL && (stream = h2_client_first_paused(h2)) != NULL) {
        TAILQ_REMOVE(&h2->streams, stream, link);
        TAILQ_INSERT_TAIL(&h2->streams, stream, link);
        client_stream_resume(stream);
    }
    client_arm(client);
    client_run_soon(client);
}

static void h2_client_rest(struct client *client)
{
    h2_session_rest(client->h2->session);
}

static void h2_client_expired(struct client *client)
{
    if (client->duplex.out != NULL) {
        h2_client_release(client);
        client_close(client, true);
        return;
    }
    h2_client_enter(client->h2, H2_CLIENT_LEAVES);
    client_run_soon(client);
}

static void h2_client_leave(struct client *client)
{
    h2_client_enter(client->h2, H2_CLIENT_WARNED);
}

/* The first stream whose exchange runs. Looked for anew for each that is ended: what it is answered with is sent at once if much waits,
   and that may close other streams. */
static struct client_stream *h2_client_first_served(const struct h2_client *h2, bool tunnels_only)
{
    struct client_stream *stream;
    TAILQ_FOREACH (stream, &h2->streams, link) {
        if (stream->exchange != NULL && (stream->tunnel || !tunnels_only)) {
            break;
        }
    }
    return stream;
}

/* Answers what has no response yet, and breaks the others off. */
static void h2_client_cut_streams(struct h2_client *h2, bool tunnels_only)
{
    struct client_stream *stream;
    while ((stream = h2_client_first_served(h2, tunnels_only)) != NULL) {
        exchange_fail(stream->exchange, REASON_DRAIN_CUT, NULL);
        if (stream->exchange != NULL) { /* its answer would come later */
            client_stream_end(stream, REASON_DRAIN_CUT);
        }
    }
}

static void h2_client_end_tunnels(struct client *client)
{
    h2_client_cut_streams(client->h2, true);
}

static void h2_client_cut(struct client *client)
{
    h2_client_cut_streams(client->h2, false);
    h2_client_enter(client->h2, H2_CLIENT_LEAVES);
    (void)h2_client_send(client);
    if (client->state != CLIENT_CLOSED) {
        client_close(client, false);
    }
}

/* Streams whose exchanges are over wait in vain, too. */
static void h2_client_lost(struct client *client, enum exchange_reason reason)
{
    h2_client_end_streams(client->h2, reason);
    h2_client_release(client);
}

/* The connection is closed by whoever found it idle, or cut. */
static void h2_client_close(struct client *client)
{
    if (client->duplex.out == NULL && client->h2->stage == H2_CLIENT_SERVES) {
        size_t sent;
        h2_client_enter(client->h2, H2_CLIENT_LEAVES);
        const struct iovec piece = h2_client_pull(client, H2_PULL_BYTES);
        (void)!stream_send(&client->stream, &piece, piece.iov_len > 0, &sent);
    }
    h2_client_end_streams(client->h2, REASON_CLIENT_ABORT);
    h2_client_release(client);
}

static const struct client_protocol h2_client_protocol = {
    .run = h2_client_run,
    .busy = h2_client_busy,
    .drained = h2_client_drained,
    .expired = h2_client_expired,
    .rest = h2_client_rest,
    .leave = h2_client_leave,
    .end_tunnels = h2_client_end_tunnels,
    .cut = h2_client_cut,
    .lost = h2_client_lost,
    .close = h2_client_close,
};
