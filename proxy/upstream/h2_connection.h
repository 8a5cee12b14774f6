/*
 * A pooled connection that speaks HTTP/2: the session that all streams of the connection share, its reading and its
 * writing.
 *
 * Owns: the session, bytes that the socket has not taken. Lives from the dial to the close as connection->session. Thread: the
 * connection's worker; it moves to another one only at rest. Time base: the loop clock. What is to be sent is sent once in a
 * pass. Errors: endings of the pool (pool/ending.h), and each stream is told how it ended. Spec: RFC 9113 3.4, 5.4, 6.7, 6.8.
 */
#ifndef EVENKEEL_PROXY_UPSTREAM_H2_CONNECTION_H
#define EVENKEEL_PROXY_UPSTREAM_H2_CONNECTION_H

#include "pool/protocol.h"
#include "proxy/upstream/h2_upstream.h"

/* For pools_set_http2(). */
extern const struct connection_protocol h2_connection_protocol;

/* The connection of a lease that is a share. */
struct h2_connection *h2_connection_of(const struct lease *lease);
/* Opens the stream and sends this head; `last`: nothing follows. False: the connection takes no further stream, and nothing
   was sent. */
__attribute__((warn_unused_result)) bool h2_connection_open_stream(struct h2_connection *h2,
                                                                   struct h2_upstream *upstream,
                                                                   const struct http_head *head,
                                                                   const struct added_fields *added,
                                                                   bool last);
/* Something of a stream has arrived; so the connection has not ended, which no stream outlives. */
void h2_connection_answered(struct h2_connection *h2);
/* The stream's owner is done with it. A stream that is over is fine. */
void h2_connection_leave_stream(struct h2_connection *h2, struct h2_upstream *upstream);

#endif
