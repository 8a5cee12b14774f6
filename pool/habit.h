/*
 * Habit: whether an endpoint keeps its connections, learned from its responses. A server that takes one connection at a time (a
 * simple HTTP server, a sync worker) is blocked by a connection that carries no request; such servers also close after each response.
 *
 * Owns: endpoint->upkeep.habit and closes_row (atomics, of the process). Private to pool/. Thread: the connection's worker.
 *
 * UNKNOWN, until the first response: with pool.warm_min = "auto" one connection without a request at most, and none beside a
 * connection that carries one. KEEPS: the warm level. CLOSES: no connection without a request.
 */
#ifndef EVENKEEL_POOL_HABIT_H
#define EVENKEEL_POOL_HABIT_H

#include "pool/connection.h"

/* Responses in a row, each the first of its connection and the last, after which an endpoint that keeps its connections is
   believed to close them. Servers close after some errors, and when they stop. */
#define HABIT_CLOSES_ROW 8

/* The response on this connection, whose lease is still out, says that it is the last. */
void habit_told_last(struct connection *connection);
/* The connection came back in order and has reached its limit: whether that is pool.max_requests, and not the first exchange of a
   connection that was lent before the habit was known. */
bool habit_limit_reached(struct connection *connection);
/* Whether a connection that has become ready, and that nobody waits for, would be in the way of those that carry requests. */
bool habit_unwelcome(const struct connection *connection);
/* Whether the endpoint's first request is out: until its answer every connection that is dialled ahead would be unwelcome. */
bool habit_holds_back(const struct endpoint *endpoint);
/* Connections of the endpoint are shared, so they are kept. */
void habit_shares(struct endpoint_local *local);
/* A fresh connection is about to carry a request: closes what rests beside it and could be in its way. */
void habit_make_way(struct endpoint_local *local);

#endif
