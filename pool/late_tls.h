/*
 * Late TLS: TLS that begins when it is known whose request will come, because the origin is told of the client before it.
 *
 * Owns: a connection between its rest, or its dial, and its lease: LATE_TLS, for one request, which stays pending. Private to pool/.
 * Thread: its worker's. Time base: the loop clock; the deadline is that of a handshake (timeouts.tls).
 *
 * Such a connection is dialled ahead like others and rests without TLS. It is cheap to lose: nobody else can have it.
 */
#ifndef EVENKEEL_POOL_LATE_TLS_H
#define EVENKEEL_POOL_LATE_TLS_H

#include "pool/connection.h"
#include "pool/lease.h"

/* For a request that is out of the line. What becomes of it is told later, never from within the call. */
void late_tls_start(struct connection *connection, struct lease_request *request);
/* An event while it is LATE_TLS. */
void late_tls_event(struct connection *connection);
/* The request is granted the connection, or refused. */
void late_tls_over(struct connection *connection, enum dial_result result);
/* The request does not want it any more: nobody does. */
void late_tls_cancel(struct lease_request *request);

#endif
