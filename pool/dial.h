/*
 * Dials: a non-blocking connect with its limits, and its result.
 *
 * Owns: the socket until it is connected. Private to pool/. Thread: its worker's. Spec: connect(2), tcp(7).
 */
#ifndef EVENKEEL_POOL_DIAL_H
#define EVENKEEL_POOL_DIAL_H

#include "pool/connection.h"
#include "pool/lease.h"
#include "steady/fds.h"

/* Begins a dial for an exchange in line, or ahead of requests. The caller has taken a place of endpoint->connections,
   which passes to the dial. False: no descriptor or no memory, and the place is still the caller's. A later failure is
   reported in the connection's event. */
__attribute__((warn_unused_result)) bool dial_start(struct endpoint_local *local, enum fd_use use);
/* Handles an event of a DIALLING connection. */
void dial_event(struct connection *connection, short what);
/* The same for one request, which gets the connection whole and in HTTP/1 when it is ready. */
__attribute__((warn_unused_result)) bool dial_start_alone(struct endpoint_local *local,
                                                          struct lease_request *request);
/* The socket is connected, with TLS: the connection is ready, or begins the session that it needs first. `what` as in
   dial_done(). */
void dial_open(struct connection *connection, short what);
/* Ends a dial without telling any request. */
void dial_abandon(struct connection *connection);
void dial_fail(struct connection *connection, enum dial_result result);
/* The connect timeout has passed. */
void dial_late(struct connection *connection);
/* The connection is ready. `what` is the event that came with it, which is reported again to its borrower. */
void dial_done(struct connection *connection, short what);
enum dial_result dial_result_of_errno(int error);
/* Sends a PROXY protocol header as the first bytes of a connection. False: the connection has broken, or the socket did
   not take the whole header, which does not happen. */
__attribute__((warn_unused_result)) bool dial_report(struct stream *stream, char *header,
                                                     size_t bytes);
/* Sends a PROXY protocol header that names no client. */
__attribute__((warn_unused_result)) bool dial_proxy_header(struct stream *stream);
/* True: the socket is connected to itself. When a local port has no listener, the kernel may give the dial that very
   port as its own. */
bool dial_reached_itself(int fd, const struct address *address);

#endif
