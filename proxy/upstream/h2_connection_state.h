/*
 * What the files of a connection's session share.
 *
 * Owns: see h2_connection.h. Thread: the connection's worker.
 */
#ifndef EVENKEEL_PROXY_UPSTREAM_H2_CONNECTION_STATE_H
#define EVENKEEL_PROXY_UPSTREAM_H2_CONNECTION_STATE_H

#include "pool/connection.h"
#include "proxy/upstream/h2_upstream.h"
#include "proxy/worker/duplex.h"
#include "steady/loop.h"

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
    uint64_t heard_ms;                 /* when the endpoint last sent a byte, or began to owe one */
    uint64_t asked_ms, opened_ms;      /* the last PING, and the first stream behind it */
    uint64_t reads_count;              /* what one of them refuses is one event */
    uint64_t pulled_bytes, sent_bytes; /* of the session, and of these the socket's */
    uint32_t allowed_count;
    unsigned depth; /* frames of this file that are using the object; it is freed by the last one */
    uint8_t state;  /* enum h2_connection_state */
    uint8_t
        asked_count; /* PINGs since something of a stream was heard; not counted beyond the most */
    bool allowed_changed; /* the pool does not know allowed_count yet */
    bool pinged;          /* a PING is out, and nothing has been heard since */
    enum ending ending;   /* how the connection is to end; ENDING_NONE: it goes on */
};

/* Continues at the end of the pass. */
void h2_connection_later(struct h2_connection *h2);

/* The number of the last read among those of all connections of a worker; never 0. */
static inline uint64_t h2_connection_event(const struct h2_connection *h2)
{
    return ((uint64_t)(uintptr_t)h2 << 16) ^ (h2->reads_count & 0xfffff);
}

/* Whether nothing more can be read or sent. */
static inline bool h2_connection_ended(const struct h2_connection *h2)
{
    return h2->connection == NULL || h2->state == H2_CONNECTION_OVER;
}

/* Notes how the connection ends, of which the pool is told at the end of the turn. The first ending stays, unless a later one is
   a death. */
void h2_connection_note_end(struct h2_connection *h2, enum ending ending);
/* The same; nothing more is read or sent. */
void h2_connection_break_off(struct h2_connection *h2, enum ending ending);

/* ---- h2_connection_io.c ---- */

/* Sends what waits, as far as the socket takes it. */
void h2_connection_flush(struct h2_connection *h2);
/* Reads and handles what has arrived, for one turn. */
void h2_connection_read(struct h2_connection *h2);

#endif
