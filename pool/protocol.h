/*
 * What a protocol makes of a connection: how many leases it carries at once, and what its bytes mean to the pool.
 *
 * Owns: connection->session, which only the protocol looks into. Private to pool/ and to who speaks the protocol. Thread:
 * the connection's worker; a connection at rest may move to another one with its session, which therefore keeps no pointer
 * to either. The pool counts connections, leases, deaths and endings by itself: hooks only say what happened.
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
    /* False: a lease is the whole connection, and the borrower reads and writes lease->stream. True: a lease is a share,
       its stream is NULL, and the protocol reads and writes for all of them. */
    bool shares;
    /* Leases at once until the other side has said what it allows; then connection_allow(). 1 without shares. */
    uint32_t capacity_count;
    /* An event of the socket while leases are out, for the protocol to pass on to their borrowers. Without shares NULL:
       the one borrower hears it. */
    void (*on_event)(struct connection *connection, short what);
    /* A share comes back, left by its borrower in this way (ENDING_NONE: in order). Returns what that means for the
       connection; ENDING_NONE: it serves on. Without shares NULL: what befalls the lease befalls the connection. */
    enum ending (*take_back)(struct connection *connection, struct lease *lease, enum ending left);
    /* An event of the socket at rest: bytes, the end, or a stale edge. ENDING_NONE: it rests on. */
    enum ending (*on_event_at_rest)(struct connection *connection, short what);
    /* The connection ends, before its socket is closed: frees the session. NULL where there is none. */
    void (*release)(struct connection *connection);
};

/* Also HTTP/1.0, and anything else that has a connection to itself. */
extern const struct connection_protocol protocol_http1;

#endif
