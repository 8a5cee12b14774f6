/*
 * The sessions of one server name: which one is offered to an address, and which one is evicted.
 *
 * Owns nothing: links sessions that its caller allocates and frees. Thread: any, under the lock of its shard. Private
 * to tls/. Pure: no lock, no clock, no I/O.
 *
 * A name begins as SHARED: any session may be offered to any of its addresses. If most of the sessions that were
 * offered to an address other than the issuer's were declined, the addresses do not share ticket keys and the name is
 * APART: an address is offered its own sessions only, and now and then one of another address as a trial.
 */
#ifndef EVENKEEL_TLS_SESSION_NAME_H
#define EVENKEEL_TLS_SESSION_NAME_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "steady/lru.h"
#include "tls/session_cache.h"

/* Number of offers across addresses that are judged together, and of trials in an APART name. */
#define SESSION_JUDGED_OFFERS 50
#define SESSION_JUDGED_TRIALS 10
/* In an APART name, one session of another address is tried after this many misses. */
#define SESSION_TRIAL_MISSES 8
/* An APART name may hold this many times tls_sessions.per_name, and each of its addresses per_name. */
#define SESSION_APART_FACTOR 4

TAILQ_HEAD(session_list, session);

struct session {
    TAILQ_ENTRY(session) in_name;
    TAILQ_ENTRY(session) in_shard;
    struct session_name *name;
    uint64_t id;
    uint64_t expires_ms;
    uint64_t until_ms;              /* never below expires_ms */
    struct session_address address; /* the address that issued it */
    bool single_use;
    size_t der_bytes;
    uint8_t der[];
};

/* Highest number of sessions of a name, however many connections it has, because its list is walked under a lock. */
#define SESSION_NAME_MOST 256

struct session_name {
    struct lru_entry entry;
    /* Sessions of an address are together, newest first; the address that got one last is first. */
    struct session_list sessions;
    uint64_t count;
    bool apart;
    uint32_t judged_count,
        judged_accepted; /* of the offers (or trials) across addresses that are being judged */
    uint32_t miss_count;
    uint64_t offered, accepted;
    /* the most connections at a time; of several upstreams, of the one with the most */
    uint64_t connections_count;
    uint64_t used_ms; /* time of the last put or take */
    size_t key_bytes;
    uint8_t key[];
};

void session_name_init(struct session_name *name);
void session_name_add(struct session_name *name, struct session *session);
void session_name_remove(struct session_name *name, struct session *session);
/* The session to offer to the address; NULL: none. *ret_across: another address issued it. */
struct session *session_name_choose(struct session_name *name,
                                    const struct session_address *address, bool *ret_across);
/* The session to evict while there are more than per_name allows; NULL: none. The address with the most sessions loses
   its oldest; among equals the address that got none for longest. */
struct session *session_name_surplus(const struct session_name *name, uint64_t per_name_count);
void session_name_judge(struct session_name *name, bool across, bool accepted);

#endif
