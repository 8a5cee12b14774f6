/*
 * A fleet: replicas of one configuration that act as one by what they keep in a store (DESIGN 12).
 *
 * Owns: the store's connection, the fleet's key, what was read from the store. Thread: control; no request ever waits for it. Time
 * base: CLOCK_MONOTONIC, ms, but for the store's clock, which several replicas compare by. Errors: the figures, and lines in the log.
 *
 * Keys in the store: "evenkeel:VERSION:{NAME}:WHAT". Everything in them is sealed (sealed.h), so that whoever can only write
 * the store can take the fleet's common things away, and no more.
 */
#ifndef EVENKEEL_PROXY_FLEET_FLEET_H
#define EVENKEEL_PROXY_FLEET_FLEET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/fleet/store.h"
#include "proxy/policy/operator_word.h"
#include "tls/seal.h"

/* Replicas of which details are known; there may be more. */
#define FLEET_MEMBERS_MOST 128
#define FLEET_ID_BYTES 17

struct fleet;

struct fleet_env {
    struct store_env store; /* on_ready and owner are the fleet's own */
    struct log *log;
    struct tls_tickets *tickets; /* of listeners */
    const char *version;
    uint64_t started_wall_ms;
    /* Whether this replica is ready; its warm state, sealed with the key, as bytes that the caller frees; one of another replica, which
       is copied. False: no memory; or it is no good. */
    bool (*is_ready)(void *owner);
    bool (*warm_make)(const struct seal_key *key, uint8_t **ret_bytes, size_t *ret_length,
                      void *owner);
    /* What the operator has said at another replica, `at` its host. False: what it is about is not here, or not yet. */
    bool (*obey)(const struct operator_word *word, const char *at, void *owner);
    bool (*warm_take)(const struct seal_key *key, const void *bytes, size_t length, void *owner);
    void *owner;
};

/* NULL: no memory, or no random numbers. It is alone. */
struct fleet *fleet_create(const struct fleet_env *env);
/* NULL is fine. */
void fleet_free(struct fleet **fleet);

/* What settings need, read from files. */
struct fleet_access;
/* False: `why` names key, file and cause. Settings without a store give NULL. */
__attribute__((warn_unused_result)) bool fleet_access_load(struct tls_clients *tls,
                                                           const struct fleet_settings *settings,
                                                           struct fleet_access **ret_access,
                                                           char *why, size_t why_bytes);
/* NULL is fine. */
void fleet_access_free(struct fleet_access **access);
/* Follows the settings from now on; takes *access over. What is known of a fleet of the same name and key stays. */
void fleet_follow(struct fleet *fleet, struct settings *settings, struct fleet_access **access);

/* Asks for the warm state of another replica, at the start. Settled: it has been taken, or there is none. */
void fleet_want_warm(struct fleet *fleet);
bool fleet_warm_is_settled(const struct fleet *fleet);

/* To be called a few times a second. */
void fleet_housekeeping(struct fleet *fleet, uint64_t now_ms);
/* This process ends: others need not wait until it is missed. */
void fleet_leave(struct fleet *fleet);

/* What the operator has said here spreads, if operator_word is on; it is carried out already. */
bool fleet_spreads(const struct fleet *fleet);
void fleet_say(struct fleet *fleet, const struct operator_word *said);
/* A generation serves that may have what words are about. */
void fleet_look_again(struct fleet *fleet);

/* A word of the operator, said at one replica. since_ms and until_ms: the store's clock. */
struct fleet_word {
    struct operator_word word;
    char at[64]; /* host of the replica */
    bool holds;  /* it has not been taken back, and its end has not come */
    bool obeyed; /* what it is about is here */
};

/* One replica that is alive. */
struct fleet_member {
    char id[FLEET_ID_BYTES], host[64], version[32];
    uint32_t pid;
    uint64_t started_wall_ms;
    bool self;
};

struct fleet_figures {
    bool on; /* there is a store */
    const char *name, *id;
    struct store_figures store;
    const struct fleet_member *members; /* seen last */
    size_t member_count;
    const struct fleet_word *words; /* some of which do not hold any more */
    size_t word_count;
    uint64_t store_wall_ms; /* the store's clock; 0: unknown */
    uint64_t seen_ago_ms;   /* since the store last answered a beat; UINT64_MAX: never */
    uint64_t refused_count; /* values that were not sealed by this fleet's key */
    uint64_t warm_published_count,
        warm_taken_bytes; /* warm states; 0: none was taken at the start */
};
void fleet_figures(const struct fleet *fleet, struct fleet_figures *ret_figures);

#endif
