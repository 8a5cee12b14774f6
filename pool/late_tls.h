/*
 * Late TLS: a TLS handshake that begins only when it is known whose request uses the connection, because the origin is
 * told the client before TLS begins.
 *
 * Owns: a connection in the state LATE_TLS, for one request, which stays pending. Private to pool/. Thread: its
 * worker's. Time base: the loop clock; the deadline is that of a handshake (timeouts.tls).
 *
 * Such a connection is dialled ahead like others and is idle without TLS. It can be dropped without harm, because no
 * other request can have it.
 */
#ifndef EVENKEEL_POOL_LATE_TLS_H
#define EVENKEEL_POOL_LATE_TLS_H

#include "pool/connection.h"
#include "pool/lease.h"

/* Begins for a request that has left the line. The result is reported later, never from within the call. */
void late_tls_start(struct connection *connection, struct lease_request *request);
/* Handles an event in the state LATE_TLS. */
void late_tls_event(struct connection *connection);
/* The handshake has ended: the request gets the connection, or the failure. */
void late_tls_over(struct connection *connection, enum dial_result result);
/* The request is cancelled, so the connection is closed. */
void late_tls_cancel(struct lease_request *request);

#endif
