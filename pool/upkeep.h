/*
 * Upkeep: connections are dialled before they are needed and replaced before they end.
 *
 * Owns: per worker and endpoint what is overdue, what was lost, and the timer until the next dial. Private to pool/.
 * Thread: its worker's; the endpoint's level, its count of ready connections and the wait between failing dials are
 * shared. Time base: the loop clock.
 *
 * Three levels, each kept by dials that nobody waits for:
 * - the warm level (pool.warm_min) is the process's: a place is taken only while fewer are, so it is exact;
 * - the target is a worker's: what it needed just before a loss, until that is there again or TARGET_MS is over;
 * - what is overdue (its lifetime, or idle limit below the warm level) stays in use until it can be spared.
 */
#ifndef EVENKEEL_POOL_UPKEEP_H
#define EVENKEEL_POOL_UPKEEP_H

#include "pool/connection.h"
#include "pool/endpoint.h"

void upkeep_init(struct endpoint_local *local);
/* The local's settings have been adopted: dials the worker's share. */
void upkeep_adopt(struct endpoint_local *local, const struct upstream_settings *settings);
/* A shorter lifetime, just adopted, holds for what is open too. */
void upkeep_shorten(struct connection *connection);
/* The local's endpoint has gone, or the worker ends. */
void upkeep_stop(struct endpoint_local *local);
/* Dials what is missing, ends what can be spared. From a frame of its own. */
void upkeep_run(struct endpoint_local *local);

/* A connection of the local has become ready. */
void upkeep_on_ready(struct connection *connection);
/* A dial has failed. */
void upkeep_on_dial_failed(struct endpoint_local *local, enum dial_result result);
/* Dials ahead wait as after one that failed. */
void upkeep_hold_back(struct endpoint_local *local);
/* The local has a place of its endpoint less, or one that no longer counts. */
void upkeep_on_gone(struct endpoint_local *local);
/* A connection is about to end because the other side ended it while it rested, or broke it while it was lent. */
void upkeep_on_death(struct connection *connection, bool reset);
/* Its time is over. It is closed, or marked to be replaced. */
void upkeep_overdue(struct connection *connection, enum ending ending);
/* It is not overdue any more, as it ends or moves to another worker. */
void upkeep_forget(struct connection *connection);
/* It does not count as ready any more. */
void upkeep_not_ready(struct connection *connection);
/* An idle connection's limit is over. */
void upkeep_idle_over(struct connection *connection);

#endif
