/*
 * The line at an endpoint: requests of one worker that wait for a connection, and the dials and asks that get them
 * one.
 *
 * Owns: which request gets which connection. Private to pool/. Thread: its worker's. Invariant: a request in line
 * counts on a dial or an ask of its own; or the local is starved, that is, its worker has the most dials in progress
 * that it may have, and one of them will end.
 */
#ifndef EVENKEEL_POOL_LINE_H
#define EVENKEEL_POOL_LINE_H

#include "pool/connection.h"
#include "pool/endpoint.h"
#include "pool/lease.h"

/* The part of pool_lease() that runs if there is no idle whole connection: lends a share, or puts the request in line
   and starts what it needs. Not inlined, so that the fast path before it saves no registers. */
__attribute__((noinline)) enum lease_result line_join(struct endpoint_local *local,
                                                      struct lease_request *request,
                                                      struct lease **ret_lease);
void line_leave(struct endpoint_local *local, struct lease_request *request);
/* A connection is ready (dialled or handed over): the first request that may have it gets it, else it becomes idle. */
void line_offer(struct endpoint_local *local, struct connection *connection);
/* A dial has failed. The request that has waited longest fails too, and so do all requests for which no other dial or
   ask is in progress. Else a line would wait for one connect timeout after the other at an endpoint that does not
   answer. */
void line_dial_failed(struct endpoint_local *local, enum dial_result result);
/* Gives a request that has left the line its connection, or the reason for its failure. */
void line_grant(struct endpoint_local *local, struct lease_request *request,
                struct connection *connection);
void line_refuse(struct endpoint_local *local, struct lease_request *request,
                 enum dial_result result);
/* Gives idle connections to the requests in line, and starts missing dials. Called from a frame of the event loop only. */
void line_serve(struct endpoint_local *local);
/* Starts the dials and asks that the requests in line need; with rather_dial, after a vain ask, preferably dials. */
void line_bring(struct endpoint_local *local, bool rather_dial);

#endif
