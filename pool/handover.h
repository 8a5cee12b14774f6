/*
 * Hand-over: an idle connection moves from the worker that has most of them to one that has none.
 *
 * Owns: nothing; the message is embedded in the connection that is to receive the descriptor. Private to pool/.
 * Thread: the asking worker, then the asked one, then the asking one again.
 */
#ifndef EVENKEEL_POOL_HANDOVER_H
#define EVENKEEL_POOL_HANDOVER_H

#include "pool/connection.h"

/* Asks the sibling with the most idle connections. False: no sibling has one. for_fresh: only the place of pool.max is
   wanted. */
__attribute__((warn_unused_result)) bool handover_ask(struct endpoint_local *local, bool for_fresh);
/* Asks the siblings in turn, although none seems to have an idle connection. False: there are no siblings. */
__attribute__((warn_unused_result)) bool handover_ask_anyone(struct endpoint_local *local);
/* Asks for a connection that no request counts on, because a dial is also in progress. Does nothing if no sibling has
   one. */
void handover_ask_besides(struct endpoint_local *local);
/* The sibling has not answered in time. */
void handover_late(struct connection *connection);

#endif
