/*
 * The sessions of one server name: which is offered to an address, and which goes when there are too many.
 *
 * Owns nothing: links sessions that its caller allocates and frees. Thread: any, under the lock of its shard. Private to tls/. Pure:
 * no lock, no clock, no I/O.
 *
 * A name begins as SHARED: any session may be offered to any of its addresses. When most of what was offered to an
 * address other than the issuer's was declined, the endpoints do not share ticket keys: the name is APART, an address is
 * offered its own sessions only, and now and then one of another address to see whether that has changed.
 */
#ifndef EVENKEEL_TLS_SESSION_NAME_H
#define EVENKEEL_TLS_SESSION_NAME_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "steady/lru.h"
#include "tls/session_cache.h"

/* Offers across addresses that are judged together, and in an APART name trials. */
#define SESSION_JUDGED_OFFERS 50
#define SESSION_JUDGED_TRIALS 10
/* In an APART name every so many misses one session of another address is tried. */
#define SESSION_TRIAL_MISSES 8
/* An APART name may hold so many times tls_sessions.per_name, an address of it per_name. */
#define SESSION_APART_FACTOR 4

TAILQ_HEAD(session_list, session);

struct session {
    TAILQ_ENTRY(session) in_name;
    TAILQ_ENTRY(session) in_shard;
    struct session_name *name;
    uint64_t id;
    uint64_t expires_ms;
    uint64_t until_ms;              /* never below expires_ms */
    struct session_address address; /* that issued it */
    bool single_use;
    size_t der_bytes;
    uint8_t der[];
};

/* As many a name keeps at most, however many connections it has: its list is walked under a lock. */
#define SESSION_NAME_MOST 256

struct session_name {
    struct lru_entry entry;
    /* Those of an address stand together, newest first; the address that got one last stands first. */
    struct session_list sessions;
    uint64_t count;
    bool apart;
    uint32_t judged_count,
        judged_accepted; /* of the offers (or trials) across addresses under judgement */
    uint32_t miss_count;
    uint64_t offered, accepted;
    uint64_t
        connections_count; /* the most there were at a time; of several upstreams, of the one that has most */
    uint64_t used_ms; /* last put or take */
    size_t key_bytes;
    uint8_t key[];
};

void session_name_init(struct session_name *name);
void session_name_add(struct session_name *name, struct session *session);
void session_name_remove(struct session_name *name, struct session *session);
/* What to offer to the address, NULL: nothing. *ret_across: it was issued by another one. */
struct session *session_name_choose(struct session_name *name,
                                    const struct session_address *address, bool *ret_across);
/* One that has to go as long as there are more than per_name allows, NULL: none. The address that has most loses its
   oldest; among equals the address that got none for longest. */
struct session *session_name_surplus(const struct session_name *name, uint64_t per_name_count);
void session_name_judge(struct session_name *name, bool across, bool accepted);

#endif
