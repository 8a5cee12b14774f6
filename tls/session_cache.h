/*
 * Session cache: sessions that upstreams have issued, by server name and never by address.
 *
 * Owns: serialised sessions. The key is server name, port, ALPN and trust profile. The address that issued a session
 * is only a hint, so changing addresses add no entries. Bounded in sessions (tls_sessions), bytes (tls_session_bytes)
 * and names (tls_session_names), for each name, and in time. Thread: any except create, free and set_limits; short
 * locks, one for each shard. Time base: any monotonic ms, the same for all calls. Errors: a session that cannot be
 * kept is dropped and counted. Spec: RFC 8446 4.6.1 (single use, lifetime), C.4; RFC 5077; RFC 5246 F.1.4.
 */
#ifndef EVENKEEL_TLS_SESSION_CACHE_H
#define EVENKEEL_TLS_SESSION_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "steady/address.h"
#include "steady/bound.h"

struct session_cache;
struct ssl_session_st;

#define SESSION_TRUST_BYTES 32
#define SESSION_ALPN_MOST_BYTES 32
#define SESSION_NAME_MOST_BYTES 255
#define SESSION_KEY_MOST_BYTES \
    (SESSION_TRUST_BYTES + 2 + 1 + SESSION_ALPN_MOST_BYTES + SESSION_NAME_MOST_BYTES)

struct session_key {
    size_t byte_count;
    /* trust, port, length of ALPN, ALPN, name in lower case */
    uint8_t bytes[SESSION_KEY_MOST_BYTES];
};

/* IPv4 as ::ffff:a.b.c.d; without a port, which is part of the key. */
struct session_address {
    uint8_t bytes[16];
};

struct session_limits {
    uint64_t entries_count, per_name_count, bytes, ttl_ms;
};

/* What was offered in a handshake, to be judged when it is over. Zeroed: nothing. */
struct session_offer {
    uint64_t id; /* 0: nothing */
    /* new sessions of the resumed connection may be kept until then, like this one */
    uint64_t until_ms;
    bool across; /* another address issued it */
    bool single_use;
};

enum session_verdict {
    SESSION_ACCEPTED,
    SESSION_DECLINED, /* a full handshake took place */
    SESSION_SPOILT,   /* the handshake failed: no evidence, but the session is not offered again */
};

/* Reading the figures takes the lock of each shard. */
struct session_figures {
    uint64_t entries, bytes, names;
    uint64_t stored, offered, accepted;
    uint64_t evicted; /* because of a limit: entries, bytes, per_name */
    uint64_t expired;
    uint64_t dropped; /* could not be kept at all: no memory, or larger than the limit */
};

/* The parts of a key, and the figures of a name. */
struct session_name_figures {
    const char *name;
    uint16_t port;
    const uint8_t *trust;
    uint64_t entries, offered, accepted;
    bool apart; /* its addresses do not share ticket keys */
};

/* A session outside the cache. It contains secrets. */
struct session_record {
    struct session_key key;
    struct session_address address;
    uint64_t left_ms;       /* time left of its life */
    uint64_t until_left_ms; /* time until the other side has to be verified again */
    const uint8_t *der;
    size_t der_bytes;
};

enum session_restore_result {
    SESSION_RESTORED,
    SESSION_RESTORE_EXPIRED,
    SESSION_RESTORE_INVALID, /* not a session, or not a key */
    SESSION_RESTORE_NO_ROOM,
};

/* False: a part is too long. */
__attribute__((warn_unused_result)) bool session_key_init(struct session_key *key,
                                                          const char *server_name, uint16_t port,
                                                          const char *alpn,
                                                          const uint8_t trust[SESSION_TRUST_BYTES]);
struct session_address session_address_of(const struct sockaddr *address);

/* Registers its bounds. seed: random. NULL when memory is exhausted. */
struct session_cache *session_cache_create(struct bound_registry *registry, uint64_t seed,
                                           const struct session_limits *limits);
void session_cache_free(struct session_cache **cache);
/* Evicts sessions beyond the new limits at once. Control thread. */
void session_cache_set_limits(struct session_cache *cache, const struct session_limits *limits,
                              uint64_t now_ms);

/* A session to offer, which the caller frees; NULL: none. A TLS 1.3 ticket leaves the cache. */
struct ssl_session_st *session_cache_take(struct session_cache *cache,
                                          const struct session_key *key,
                                          const struct session_address *address, uint64_t now_ms,
                                          struct session_offer *ret_offer);
/* Judges the offered session by the result of the handshake. Without an offer, does nothing. */
void session_cache_judge(struct session_cache *cache, const struct session_key *key,
                         const struct session_offer *offer, enum session_verdict verdict);
/* Keeps a session for as long as the server's hint and the configuration allow, and until until_ms, when the other
   side's identity has to be verified again by a full handshake. A resumed connection inherits until_ms from the offered
   session; else a chain of tickets would outlive any certificate. A ticket is good for one connection, so a name keeps
   as many sessions as its upstream ever had connections at a time, if that is more than per_name, but not more than
   256: then all of them can be opened again at once. */
void session_cache_put(struct session_cache *cache, const struct session_key *key,
                       const struct session_address *address, const struct ssl_session_st *session,
                       uint64_t now_ms, uint64_t until_ms, uint64_t connections_count);
/* Drops expired sessions, and forgets names without sessions that were unused for a session's life. */
void session_cache_sweep(struct session_cache *cache, uint64_t now_ms);

void session_cache_figures(struct session_cache *cache, struct session_figures *ret_figures);
/* Names in no order. `each` is called with a lock held and must not call the cache. */
typedef void session_name_fn(const struct session_name_figures *figures, void *owner);
void session_cache_each_name(struct session_cache *cache, session_name_fn *each, void *owner);
/* Updates the bound of names, which shards count, before the registry is read. */
void session_cache_publish(struct session_cache *cache);

/* Every live session, oldest first within a shard, so that restoring in this order keeps the order. Lock as above. */
typedef void session_record_fn(const struct session_record *record, void *owner);
void session_cache_save(struct session_cache *cache, uint64_t now_ms, session_record_fn *each,
                        void *owner);
/* Restores a saved session if it is valid and its life is not over. The connections of a name are still to come, so it
   keeps what it had, up to 256. */
__attribute__((warn_unused_result)) enum session_restore_result session_cache_restore(
    struct session_cache *cache, const struct session_record *record, uint64_t now_ms);

#endif
