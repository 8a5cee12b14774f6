/*
 * The inside of a session cache, for its files: session_cache.c (what is kept) and session_figures.c (what is counted).
 *
 * Owns: names and sessions in shards, each under its lock. Thread: any. Private to tls/.
 */
#ifndef EVENKEEL_TLS_SESSION_CACHE_STATE_H
#define EVENKEEL_TLS_SESSION_CACHE_STATE_H

#include <pthread.h>
#include <stdint.h>

#include "tls/session_cache.h"
#include "tls/session_name.h"

#define SHARDS 16
#define CACHE_LINE_BYTES 64

#define KEY_PORT SESSION_TRUST_BYTES
#define KEY_ALPN_BYTES (KEY_PORT + 2)
#define KEY_ALPN (KEY_ALPN_BYTES + 1)

struct shard {
    pthread_mutex_t lock;
    struct lru *names;
    struct bound name_bound;      /* of this map alone, so that its newest name always fits */
    struct session_list sessions; /* least recently stored or reused first */
    uint64_t stored, offered, accepted, evicted, expired, dropped;
} __attribute__((aligned(CACHE_LINE_BYTES)));

struct session_cache {
    struct bound_registry *registry;
    struct bound entries, bytes, names;
    uint64_t seed;
    uint64_t next_id;                /* atomic */
    uint64_t per_name_count, ttl_ms; /* atomic */
    struct shard shards[SHARDS];
};

#endif
