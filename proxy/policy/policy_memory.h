/*
 * Outages that breakers know of, kept beyond the life of the process: what is down is not met with full traffic by the next one.
 *
 * Owns nothing. Thread: control; before the workers run when restoring.
 */
#ifndef EVENKEEL_PROXY_POLICY_POLICY_MEMORY_H
#define EVENKEEL_PROXY_POLICY_POLICY_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include "pool/upstream.h"
#include "steady/pack.h"

void policy_memory_save(const struct upstream_set *set, uint64_t now_ms, struct pack *pack);
/* age_ms: how long ago the bytes were made; the outages are taken to have lasted. Returns how many breakers are open by it. */
size_t policy_memory_restore(const struct upstream_set *set, struct unpack *unpack, uint64_t age_ms,
                             uint64_t now_ms);

#endif
