/*
 * Breakers, saved for the next process: open ones, so that it does not send full traffic to what is down, and those that the operator
 * has forced.
 *
 * Owns nothing. Thread: control; for restoring, before the workers run.
 */
#ifndef EVENKEEL_PROXY_POLICY_POLICY_MEMORY_H
#define EVENKEEL_PROXY_POLICY_POLICY_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include "pool/upstream.h"
#include "steady/pack.h"

void policy_memory_save(const struct upstream_set *set, uint64_t now_ms, struct pack *pack);
/* age_ms: time since the bytes were made, during which the outages are taken to have lasted. Returns how many breakers
   are open. */
size_t policy_memory_restore(const struct upstream_set *set, struct unpack *unpack, uint64_t age_ms,
                             uint64_t now_ms);

/* Breakers that the operator has forced open or closed. */
void policy_memory_save_forced(const struct upstream_set *set, struct pack *pack);
/* Forces them again, and no others. Returns how many. */
size_t policy_memory_restore_forced(const struct upstream_set *set, struct unpack *unpack,
                                    uint64_t now_ms);

#endif
