/*
 * The TLS part of a dial: after the connect, before the connection is anybody's.
 *
 * Owns: nothing; the connection stays DIALLING, with TLS in its stream. Private to pool/. Thread: its worker's. Time base:
 * the loop clock; its deadline (timeouts.tls) is its own.
 *
 * A server of TLS 1.3 judges our certificate only after its part of the handshake is over for us. Where one was asked for,
 * the dial waits for the server's next word, a ticket or an alert, though not long: not every server has one.
 */
#ifndef EVENKEEL_POOL_HANDSHAKE_H
#define EVENKEEL_POOL_HANDSHAKE_H

#include "pool/connection.h"

/* The socket is connected. */
void handshake_begin(struct connection *connection);
/* An event of the dial, from then on. */
void handshake_event(struct connection *connection);
/* A resting connection turns out to be refused after all, or broken: counted like a handshake that failed, and not
   dialled again at once. */
void handshake_revoked(struct connection *connection);
/* Its timer. */
void handshake_late(struct connection *connection);

#endif
