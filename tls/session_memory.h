/*
 * The session cache as bytes, to be kept beyond the life of the process.
 *
 * Owns nothing. Thread: control. The bytes hold secrets. What is restored keeps its key, so a session is offered only where its
 * name, port, ALPN and trust settings are asked for again, and no longer than it would have been.
 */
#ifndef EVENKEEL_TLS_SESSION_MEMORY_H
#define EVENKEEL_TLS_SESSION_MEMORY_H

#include "steady/pack.h"
#include "tls/session_cache.h"

void session_memory_save(struct session_cache *cache, uint64_t now_ms, struct pack *pack);
/* age_ms: how long ago the bytes were made. Returns how many sessions are in the cache by it. */
size_t session_memory_restore(struct session_cache *cache, struct unpack *unpack, uint64_t age_ms,
                              uint64_t now_ms);

#endif
