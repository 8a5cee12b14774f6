/*
 * What endpoints were like, kept beyond the life of the process: how slow, and how many connections they needed.
 *
 * Owns nothing. Thread: control; before the workers run when restoring.
 */
#ifndef EVENKEEL_POOL_ENDPOINT_MEMORY_H
#define EVENKEEL_POOL_ENDPOINT_MEMORY_H

#include <stddef.h>

#include "pool/upstream.h"
#include "steady/pack.h"

void pools_save_endpoints(struct pools *pools, struct pack *pack);
/* Endpoints that are not in the settings any more are passed over. Returns how many are. */
size_t pools_restore_endpoints(struct pools *pools, struct unpack *unpack);
/* The start is over: what was needed then is no measure any more. */
void pools_forget_needs(struct pools *pools);

#endif
