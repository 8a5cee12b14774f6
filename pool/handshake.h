/*
 * The TLS part of a dial: after the connect, before the connection can be lent.
 *
 * Owns: nothing; the connection stays DIALLING, with TLS in its stream. Private to pool/. Thread: its worker's. Time
 * base: the loop clock; the deadline is timeouts.tls.
 *
 * In TLS 1.3 a server checks the client certificate only after the client has finished the handshake. So if the server
 * asked for one, the dial waits for the server's next message, a ticket or an alert. It does not wait long, because
 * some servers send neither.
 */
#ifndef EVENKEEL_POOL_HANDSHAKE_H
#define EVENKEEL_POOL_HANDSHAKE_H

#include "pool/connection.h"

/* The socket is connected: begins the handshake. */
void handshake_begin(struct connection *connection);
/* Handles an event of the dial from then on. */
void handshake_event(struct connection *connection);
/* An idle connection turns out to be refused or broken after its handshake: counts it as a failed handshake, and does
   not dial again at once. */
void handshake_revoked(struct connection *connection);
/* The timer of the handshake has fired. */
void handshake_late(struct connection *connection);

#endif
