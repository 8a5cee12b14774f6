/*
 * What is saved of endpoints for the next process: latency, the number of connections they needed, and which of them the operator
 * has drained.
 *
 * Owns nothing. Thread: control; for restoring, before the workers run.
 */
#ifndef EVENKEEL_POOL_ENDPOINT_MEMORY_H
#define EVENKEEL_POOL_ENDPOINT_MEMORY_H

#include <stddef.h>

#include "pool/upstream.h"
#include "steady/pack.h"

void pools_save_endpoints(struct pools *pools, struct pack *pack);
/* Skips endpoints that are not in the settings any more. Returns how many are in them. */
size_t pools_restore_endpoints(struct pools *pools, struct unpack *unpack);
void pools_save_drained(struct pools *pools, struct pack *pack);
/* Drains them again, once the first set is in use, and gives all others back. Returns how many are drained. */
size_t pools_restore_drained(struct pools *pools, struct unpack *unpack);
/* The start is over: the restored numbers of needed connections are no longer used. */
void pools_forget_needs(struct pools *pools);

#endif
