/*
 * The session cache as bytes, saved for the next process.
 *
 * Owns nothing. Thread: control. The bytes contain secrets. A restored session keeps its key, so it is offered only
 * with the same name, port, ALPN and trust settings, and no longer than it would have been.
 */
#ifndef EVENKEEL_TLS_SESSION_MEMORY_H
#define EVENKEEL_TLS_SESSION_MEMORY_H

#include "steady/pack.h"
#include "tls/session_cache.h"

void session_memory_save(struct session_cache *cache, uint64_t now_ms, struct pack *pack);
/* age_ms: time since the bytes were made. Returns how many sessions were restored. */
size_t session_memory_restore(struct session_cache *cache, struct unpack *unpack, uint64_t age_ms,
                              uint64_t now_ms);

#endif
