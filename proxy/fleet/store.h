/*
 * The store: one connection to a server of the Redis protocol, for questions whose answers nobody's request waits for.
 *
 * Owns: the connection, the questions that wait for an answer, and a reference to the settings. Thread: control, on its event
 * base. Time base: CLOCK_MONOTONIC, ms, but for what says wall. Errors: a question that gets no answer is told NULL, and the figures
 * say what is wrong with the store.
 *
 * Questions are sent in order and answered in order. One that is not answered within fleet.timeout breaks the connection; then
 * the next address is tried, after a pause that grows from STORE_PAUSE_LEAST_MS to STORE_PAUSE_MOST_MS. Sentinels, if there are any, are
 * asked for the address before each connection.
 * Source: the Redis serialization protocol, version 2; Redis Sentinel's clients specification.
 */
#ifndef EVENKEEL_PROXY_FLEET_STORE_H
#define EVENKEEL_PROXY_FLEET_STORE_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/settings.h"
#include "pool/upstream.h"
#include "proxy/fleet/store_reply.h"
#include "proxy/log/log.h"
#include "steady/bound.h"
#include "steady/enum_names.h"
#include "steady/rng.h"
#include "tls/client.h"

#define STORE_PAUSE_LEAST_MS 100
#define STORE_PAUSE_MOST_MS 5000
/* An answer that takes longer is counted as slow. */
#define STORE_SLOW_US 100000
/* Bytes of questions that have not been sent, and questions that have not been answered. */
#define STORE_UNSENT_BYTES_MOST (8u << 20)
#define STORE_ASKED_MOST 256

#define STORE_STATES(X)           \
    X(STORE_OFF, "off")           \
    X(STORE_PAUSING, "pausing")   \
    X(STORE_DIALLING, "dialling") \
    X(STORE_SHAKING, "handshake") \
    X(STORE_GREETING, "greeting") \
    X(STORE_READY, "ready")
enum store_state { ENUM_VALUES(STORE_STATES) STORE_STATE_COUNT };
const char *store_state_name(enum store_state value);

/* What went wrong last; NONE: questions are answered. X(id, name, help) */
#define STORE_FAULTS(X)                                                                 \
    X(STORE_FAULT_NONE, "none", "questions are answered")                               \
    X(STORE_FAULT_NO_ADDRESS, "no_address", "its name has no address")                  \
    X(STORE_FAULT_REFUSED, "refused", "no connection could be opened")                  \
    X(STORE_FAULT_TIMEOUT, "timeout", "no answer within fleet.timeout")                 \
    X(STORE_FAULT_BROKEN, "broken", "the connection ended")                             \
    X(STORE_FAULT_TLS, "tls", "the TLS handshake failed")                               \
    X(STORE_FAULT_PASSWORD, "password", "the user or the password is not accepted")     \
    X(STORE_FAULT_FORBIDDEN, "forbidden", "the user may not do what is needed (ACL)")   \
    X(STORE_FAULT_READ_ONLY, "read_only", "it is a replica, or its primary is away")    \
    X(STORE_FAULT_LOADING, "loading", "it is still loading its data")                   \
    X(STORE_FAULT_FULL, "full", "it has no memory left, or cannot save")                \
    X(STORE_FAULT_RUBBISH, "rubbish", "it does not speak the Redis protocol")           \
    X(STORE_FAULT_NO_PRIMARY, "no_primary", "no sentinel knows a primary of that name") \
    X(STORE_FAULT_COMMAND, "command", "it refuses a command")                           \
    X(STORE_FAULT_NO_MEMORY, "no_memory", "there is no memory or descriptor here")
enum store_fault {
#define X(id, name, help) id,
    STORE_FAULTS(X)
#undef X
        STORE_FAULT_COUNT
};
const char *store_fault_name(enum store_fault value);
const char *store_fault_help(enum store_fault value);

struct store;

struct store_env {
    struct event_base *base;
    struct log *log;
    struct bound *fds; /* one is taken while there is a socket */
    struct tls_clients *tls;
    struct tls_scratch *scratch;
    struct rng *rng;
    pools_names_fn *addresses;     /* of the names in the settings */
    void *names;                   /* its owner */
    void (*on_ready)(void *owner); /* a connection can take questions */
    void *owner;
};

/* NULL: no memory. It is STORE_OFF. */
struct store *store_create(const struct store_env *env);
/* Tells nobody. NULL is fine. */
void store_free(struct store **store);

/* What is needed for the settings, read from files. */
struct store_access;
/* False: `why` names key, file and cause. */
__attribute__((warn_unused_result)) bool store_access_load(struct tls_clients *tls,
                                                           const struct fleet_settings *fleet,
                                                           struct store_access **ret_access,
                                                           char *why, size_t why_bytes);
/* NULL is fine. */
void store_access_free(struct store_access **access);
/* Connects as the settings say from now on; takes *access over. Questions that have no answer yet are told NULL. NULL: off. */
void store_follow(struct store *store, struct settings *settings, struct store_access **access);

struct store_word {
    const void *bytes;
    size_t length;
};
#define STORE_WORD_TEXT(text) ((struct store_word){(text), strlen(text)})

/* To be called a few times a second: finds questions that wait too long. */
void store_housekeeping(struct store *store);

/* Called once, never from within store_ask(). reply: NULL if there was none; the store frees it. */
typedef void store_answer_fn(const struct store_reply *reply, void *owner);
/* Sends a command. False: the store is not ready, or has too much to do; `answer` is not called. */
__attribute__((warn_unused_result)) bool store_ask(struct store *store,
                                                   const struct store_word *words, size_t count,
                                                   store_answer_fn *answer, void *owner);

struct store_figures {
    enum store_state state;
    enum store_fault fault;                 /* of what was tried last */
    const char *error;                      /* of an answer or of TLS, for the fault; "": none */
    const char *at;                         /* address that is or was tried last; "": none */
    uint64_t state_age_ms, answered_ago_ms; /* UINT64_MAX: never */
    uint64_t asked_count, unanswered_count, connections_count;
    uint64_t faults_count[STORE_FAULT_COUNT];
    uint64_t round_trip_us; /* of the last answer */
    uint64_t slow_count;    /* answers that took longer than STORE_SLOW_US */
    uint64_t waiting_count, unsent_bytes;
};
void store_figures(const struct store *store, struct store_figures *ret_figures);

#endif
