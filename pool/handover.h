/*
 * Hand-over: an idle connection moves from the worker that has most to one that has none.
 *
 * Owns: nothing; the message is embedded in the connection that is to receive the descriptor. Private to pool/.
 * Thread: the asking worker, then the asked one, then the asking one again.
 */
#ifndef EVENKEEL_POOL_HANDOVER_H
#define EVENKEEL_POOL_HANDOVER_H

#include "pool/connection.h"

/* Asks the sibling with most idle connections; false: none has one. for_fresh: only the place is wanted. */
__attribute__((warn_unused_result)) bool handover_ask(struct endpoint_local *local, bool for_fresh);
/* Asks one sibling after the other though none seems to have one; false: there are no siblings. */
__attribute__((warn_unused_result)) bool handover_ask_anyone(struct endpoint_local *local);
/* Asks for one that is not counted on, as a dial is under way; where none is to be had nothing happens. */
void handover_ask_besides(struct endpoint_local *local);
/* The sibling has not answered in time. */
void handover_late(struct connection *connection);

#endif
