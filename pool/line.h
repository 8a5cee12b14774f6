/*
 * The line at an endpoint: requests of one worker that wait for a connection, and the dials and asks that bring one.
 *
 * Owns: which request gets which connection. Private to pool/. Thread: its worker's. Invariant: a request in line
 * counts on a dial or an ask of its own, or the local is starved (its dials are bounded) and one will end.
 */
#ifndef EVENKEEL_POOL_LINE_H
#define EVENKEEL_POOL_LINE_H

#include "pool/connection.h"
#include "pool/endpoint.h"
#include "pool/lease.h"

/* What pool_lease() does where no whole connection rests: lends a share, or puts the request in line and starts what it needs.
   Not inlined, so that the fast path before it has no registers to save. */
__attribute__((noinline)) enum lease_result line_join(struct endpoint_local *local,
                                                      struct lease_request *request,
                                                      struct lease **ret_lease);
void line_leave(struct endpoint_local *local, struct lease_request *request);
/* A connection is ready (dialled, handed over): the first who may have it gets it, else it rests. */
void line_offer(struct endpoint_local *local, struct connection *connection);
/* A dial has failed: so has the request that waits longest, and all that no other dial or ask is under way for.
   Else a line would wait for one connect timeout after the other at an endpoint that does not answer. */
void line_dial_failed(struct endpoint_local *local, enum dial_result result);
/* A request that is out of the line gets the connection, or the reason why not. */
void line_grant(struct endpoint_local *local, struct lease_request *request,
                struct connection *connection);
void line_refuse(struct endpoint_local *local, struct lease_request *request,
                 enum dial_result result);
/* Gives idle connections to those in line and starts what is missing. From a frame of its own. */
void line_serve(struct endpoint_local *local);
/* Starts what those in line miss; after a vain ask rather by dialling. */
void line_bring(struct endpoint_local *local, bool rather_dial);

#endif
