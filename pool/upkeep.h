/*
 * Upkeep: connections are dialled before they are needed and replaced before they end.
 *
 * Owns: for each worker and endpoint, the overdue connections, the number lost, and the timer until the next dial.
 * Private to pool/. Thread: its worker's. The endpoint's level, its count of ready connections and the wait between
 * failing dials are shared. Time base: the loop clock.
 *
 * Three levels are kept by dials ahead of requests:
 * - the warm level (pool.warm_min) is for the process: a place is taken only while fewer are taken, so it is exact;
 * - the target is for a worker: the connections that it needed just before a loss, until they are there again or
 * TARGET_MS is over;
 * - an overdue connection (past its lifetime, or past its idle limit below the warm level) stays in use until it can
 * be spared.
 */
#ifndef EVENKEEL_POOL_UPKEEP_H
#define EVENKEEL_POOL_UPKEEP_H

#include "pool/connection.h"
#include "pool/endpoint.h"

void upkeep_init(struct endpoint_local *local);
/* The local's settings have been adopted: dials the worker's share of the warm level. */
void upkeep_adopt(struct endpoint_local *local, const struct upstream_settings *settings);
/* Applies a shorter lifetime, just adopted, to an open connection. */
void upkeep_shorten(struct connection *connection);
/* The local's endpoint is gone, or the worker ends. */
void upkeep_stop(struct endpoint_local *local);
/* Dials missing connections, and ends those that can be spared. Called from a frame of the event loop only. */
void upkeep_run(struct endpoint_local *local);

/* A connection of the local has become ready. */
void upkeep_on_ready(struct connection *connection);
/* A dial has failed. */
void upkeep_on_dial_failed(struct endpoint_local *local, enum dial_result result);
/* Delays dials ahead of requests as after a failed dial. */
void upkeep_hold_back(struct endpoint_local *local);
/* Dials what is missing of the warm level, soon. */
void upkeep_fill(struct endpoint_local *local);
/* The local has lost a place of its endpoint, or a connection that does not count any more. */
void upkeep_on_gone(struct endpoint_local *local);
/* A connection is about to end because the other side lets it carry nothing any more. */
void upkeep_on_withdrawn(const struct connection *connection);
/* A connection is about to end because the other side ended it while it was idle, or broke it while it was lent. */
void upkeep_on_death(struct connection *connection, bool reset);
/* The connection's time is over: it is closed, or marked to be replaced. */
void upkeep_overdue(struct connection *connection, enum ending ending);
/* The connection is no longer overdue, because it ends or moves to another worker. */
void upkeep_forget(struct connection *connection);
/* The connection no longer counts as ready. */
void upkeep_not_ready(struct connection *connection);
/* The idle limit of an idle connection has passed. */
void upkeep_idle_over(struct connection *connection);

#endif
