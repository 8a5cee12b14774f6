/*
 * The addresses of names, saved for the next process.
 *
 * Owns nothing. Private to pool/. Thread: control. Restored addresses count as stale from the start: like any stale
 * answer they are used until they are confirmed or replaced. Services (SRV) are not saved, because their order is new
 * each time.
 */
#ifndef EVENKEEL_POOL_NAMES_MEMORY_H
#define EVENKEEL_POOL_NAMES_MEMORY_H

#include "pool/names.h"
#include "steady/pack.h"

void names_save(const struct names *names, struct pack *pack);
/* Restores addresses of names that are known and have no address yet. Returns how many questions have got some. */
size_t names_restore(struct names *names, struct unpack *unpack, uint64_t now_ms);

#endif
