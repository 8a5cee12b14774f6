/*
 * What a protocol decides about a connection: how many leases it carries at a time, and what its bytes mean to the
 * pool.
 *
 * Owns: connection->session, which only the protocol uses. Private to pool/ and to the code that speaks the protocol.
 * Thread: the connection's worker. An idle connection may move to another worker with its session, so the session
 * keeps no pointer to either worker. The pool counts connections, leases, deaths and endings; hooks only report what
 * happened.
 */
#ifndef EVENKEEL_POOL_PROTOCOL_H
#define EVENKEEL_POOL_PROTOCOL_H

#include <stdbool.h>
#include <stdint.h>

#include "pool/ending.h"
#include "pool/lease.h"

struct connection;

struct connection_protocol {
    const char *name;
    /* False: a lease is the whole connection, and the borrower reads and writes lease->stream. True: a lease is a
       share, its stream is NULL, and the protocol reads and writes for all shares. */
    bool shares;
    /* Number of leases at a time until the other side has said what it allows; then connection_allow() changes it. 1
       without shares; 0: not known before, so that one dial finds it out before others follow. */
    uint32_t capacity_count;
    /* The socket is connected, with TLS: begins a session, after which dial_done() or dial_fail() is called, not from
       within. False: no memory. NULL: the connection can be lent at once. */
    bool (*start)(struct connection *connection);
    /* An event of the socket while the session starts or leases are out, which the protocol passes on to their
       borrowers. NULL without shares: the one borrower gets the event. */
    void (*on_event)(struct connection *connection, short what);
    /* A share comes back; `left` says how its borrower left it (ENDING_NONE: in order). Returns what that means for the
       connection; ENDING_NONE: it continues to serve. NULL without shares: the ending of the lease is the ending of the
       connection. */
    enum ending (*take_back)(struct connection *connection, struct lease *lease, enum ending left);
    /* An event of the socket while it is idle: bytes, the end, or an old edge. ENDING_NONE: the connection stays idle. */
    enum ending (*on_event_at_rest)(struct connection *connection, short what);
    /* At its worker: the idle connection is about to move to another one. False: it cannot now. NULL: it always can. */
    bool (*leave)(struct connection *connection);
    /* At its new worker: the session's connection is now this one. NULL: the session need not know. */
    void (*join)(struct connection *connection);
    /* The connection ends, and its socket is about to be closed: frees the session. NULL: there is none. */
    void (*release)(struct connection *connection);
};

/* HTTP/1.1 and HTTP/1.0, and anything else that uses a connection alone. */
extern const struct connection_protocol protocol_http1;

/* ---- which protocol it is ---- */

struct endpoint;
struct upstream_view;

/* What the next connection of the endpoint is expected to speak; any thread. */
const struct connection_protocol *protocol_of(const struct endpoint *endpoint);
/* Decides what a new endpoint speaks. */
void protocol_init(struct endpoint *endpoint, const struct upstream_view *view);
/* The socket is connected, with TLS: decides what the connection speaks. False: not what it has to. */
__attribute__((warn_unused_result)) bool protocol_agree(struct connection *connection);
/* The endpoint asks for HTTP/1 (RFC 9113 7, HTTP_1_1_REQUIRED): new connections speak it, and shared ones of this worker
   take no further lease. */
void protocol_fall_back(struct connection *connection);

#endif
