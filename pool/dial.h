/*
 * Dials: a non-blocking connect with its limits, and what became of it.
 *
 * Owns: the socket until it is connected. Private to pool/. Thread: its worker's. Spec: connect(2), tcp(7).
 */
#ifndef EVENKEEL_POOL_DIAL_H
#define EVENKEEL_POOL_DIAL_H

#include "pool/connection.h"
#include "pool/lease.h"
#include "steady/fds.h"

/* Begins a dial for an exchange in line or for the stock; a place of endpoint->connections was taken and passes to it. False: no
   descriptor or no memory, the place is still the caller's. What fails later, fails in the connection's event. */
__attribute__((warn_unused_result)) bool dial_start(struct endpoint_local *local, enum fd_use use);
/* An event of a DIALLING connection. */
void dial_event(struct connection *connection, short what);
/* Ends it without telling anyone. */
void dial_abandon(struct connection *connection);
void dial_fail(struct connection *connection, enum dial_result result);
/* Its time is over. */
void dial_late(struct connection *connection);
/* It is ready; `what` came with it and is told again. */
void dial_done(struct connection *connection, short what);
enum dial_result dial_result_of_errno(int error);
/* Sends a PROXY protocol header, as the first bytes of a connection. False: it does not fit, which never is, or the connection has
   broken. */
__attribute__((warn_unused_result)) bool dial_report(struct stream *stream, char *header,
                                                     size_t bytes);
/* The same with one that tells of no client. */
__attribute__((warn_unused_result)) bool dial_proxy_header(struct stream *stream);
/* With nobody listening, a dial to a local port may be given that very port as its own and reach itself. */
bool dial_reached_itself(int fd, const struct address *address);

#endif
