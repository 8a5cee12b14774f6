/*
 * A fleet: replicas of one configuration that act as one by what they keep in a store (DESIGN 12).
 *
 * Owns: the store's connection, the fleet's key, what was read from the store. Thread: control; no request ever waits for it. Time
 * base: CLOCK_MONOTONIC, ms, but for the store's clock, which several replicas compare by. Errors: the figures, and lines in the log.
 *
 * Keys in the store: "evenkeel:VERSION:{NAME}:WHAT", and "all" for the version where all meet. Everything in them is sealed (sealed.h), so that whoever can only write
 * the store can take the fleet's common things away, and no more.
 */
#ifndef EVENKEEL_PROXY_FLEET_FLEET_H
#define EVENKEEL_PROXY_FLEET_FLEET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "breaker/rate_leases.h"
#include "proxy/fleet/store.h"
#include "proxy/policy/operator_word.h"
#include "proxy/worker/admission_view.h"
#include "tls/seal.h"

/* Replicas of which details are known; there may be more. */
#define FLEET_MEMBERS_MOST 128
#define FLEET_ID_BYTES 17
#define FLEET_HOST_BYTES 64

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

/* A rate that holds over the fleet. */
struct fleet_rate {
    const char *route;
    enum admission_rate kind;
    struct rate_leases *leases;
    const struct rate_settings *whole; /* the rate that all replicas together may have */
};
/* The rates of the generation that serves, once fleet_follow() has its settings: begin, add each, end. Keys must live until the same is
   done for another generation. False: no memory. */
void fleet_rates_begin(struct fleet *fleet);
__attribute__((warn_unused_result)) bool fleet_rates_add(struct fleet *fleet,
                                                         const struct fleet_rate *rate);
void fleet_rates_end(struct fleet *fleet);

/* X(id, name, help) */
#define FLEET_RATE_STATES(X)                                                           \
    X(FLEET_RATE_UNKNOWN, "unknown",                                                   \
      "the store has never said how many replicas there are: each has the whole rate") \
    X(FLEET_RATE_LEASING, "leasing", "the rate holds over all replicas")               \
    X(FLEET_RATE_CUT_OFF, "cut_off", "the store does not answer: each replica keeps its share")
enum fleet_rate_state { ENUM_VALUES(FLEET_RATE_STATES) FLEET_RATE_STATE_COUNT };
const char *fleet_rate_state_name(enum fleet_rate_state value);
const char *fleet_rate_state_help(enum fleet_rate_state value);

struct fleet_rate_figures {
    const char *route;
    enum admission_rate kind;
    enum fleet_rate_state state;
    unsigned replica_count;              /* that share the rate */
    double per_second, share_per_second; /* of all, and what this replica has for itself */
    uint64_t used_count; /* requests that its share admitted, as the store was told */
    uint64_t lent_count, taken_count, returned_count; /* tokens */
    uint64_t asked_count, unanswered_count;           /* questions */
    uint64_t put_off_count; /* times more keys were in use than a question takes */
};
/* Of one of the rates; false: there are not so many. */
bool fleet_rate_figures(const struct fleet *fleet, size_t number,
                        struct fleet_rate_figures *ret_figures);

/* A word of the operator, said at one replica. since_ms and until_ms: the store's clock. */
struct fleet_word {
    struct operator_word word;
    char at[FLEET_HOST_BYTES]; /* host of the replica */
    bool holds;                /* it has not been taken back, and its end has not come */
    bool obeyed;               /* what it is about is here */
};

/* One replica that is alive. */
struct fleet_member {
    char id[FLEET_ID_BYTES], host[FLEET_HOST_BYTES], version[32];
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
    uint64_t
        other_versions_count; /* of Evenkeel that use the same store, each with values of its own */
    const struct fleet_word *words; /* some of which do not hold any more */
    size_t word_count;
    uint64_t store_wall_ms; /* the store's clock; 0: unknown */
    uint64_t seen_ago_ms;   /* since the store last answered a beat; UINT64_MAX: never */
    uint64_t losses_count;  /* times the store had lost what was read from it */
    uint64_t refused_count; /* values that were not sealed by this fleet's key */
    uint64_t warm_published_count,
        warm_taken_bytes; /* warm states; 0: none was taken at the start */
};
void fleet_figures(const struct fleet *fleet, struct fleet_figures *ret_figures);

#endif
