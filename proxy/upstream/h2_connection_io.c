/* The socket of a session: frames out, frames in. */
#include "pool/handshake.h"
#include "proxy/upstream/h2_connection_state.h"
#include "proxy/worker/worker.h"

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
    h2_connection_later(h2);
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
        h2_connection_break_off(h2, ENDING_BROKEN);
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
    case DUPLEX_NO_MEMORY: h2_connection_break_off(h2, ENDING_ABANDONED); break;
    }
    return false;
}

void h2_connection_flush(struct h2_connection *h2)
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
    h2->reads_count++;
    h2->heard_ms = worker_now_ms(h2->worker);
    h2->pinged = false;
    if (h2_session_take(h2->session, input->bytes, input->length, h2->heard_ms) == H2_OVER &&
        h2->connection != NULL) {
        bool idle = h2->connection->state == CONNECTION_IDLE;
        h2_connection_flush(h2); /* GOAWAY says why */
        h2_connection_break_off(h2, idle ? ENDING_STRAY_BYTES : ENDING_BROKEN);
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
        h2_connection_break_off(h2, ending_of(h2, result));
    }
    return false;
}

void h2_connection_read(struct h2_connection *h2)
{
    for (unsigned reads = 0; reads < WORKER_TURN_READS; reads++) {
        if (h2_connection_ended(h2) || !read_once(h2)) {
            return;
        }
    }
    if (!h2_connection_ended(h2)) {
        h2_connection_later(h2);
    }
}
