/*
 * What names stood for, kept beyond the life of the process.
 *
 * Owns nothing. Private to pool/. Thread: control. What is restored counts as old from the first moment: it is used until it is
 * confirmed or replaced, as any stale answer. Names of services (SRV) are not kept: their order is new each time.
 */
#ifndef EVENKEEL_POOL_NAMES_MEMORY_H
#define EVENKEEL_POOL_NAMES_MEMORY_H

#include "pool/names.h"
#include "steady/pack.h"

void names_save(const struct names *names, struct pack *pack);
/* Addresses of names that are known and have none yet. Returns how many questions have got some. */
size_t names_restore(struct names *names, struct unpack *unpack, uint64_t now_ms);

#endif
