/*
 * Readiness: whether this process performs as in steady state, decided from figures.
 *
 * Owns nothing; pure. Thread: control. Time base: ms, monotonic, an argument. Readiness does not flap: once ready,
 * only a drain or the lasting loss of every required upstream withdraws it.
 */
#ifndef EVENKEEL_PROXY_ADMIN_READINESS_H
#define EVENKEEL_PROXY_ADMIN_READINESS_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/settings.h"
#include "steady/enum_names.h"

/* id, name in /readyz and the label of a metric */
#define READINESS_STATES(X)                                                                 \
    X(READINESS_WARMING, "warming")   /* since the start */                                 \
    X(READINESS_WARM, "warm")         /* ready */                                           \
    X(READINESS_COLD, "cold")         /* ready, although give_up_after passed first */      \
    X(READINESS_GIVEN_UP, "given_up") /* not ready; becomes WARM when nothing is missing */ \
    X(READINESS_LOST, "lost")         /* no required upstream can be used */                \
    X(READINESS_DRAINING, "draining") /* to the end */

enum readiness_state { ENUM_VALUES(READINESS_STATES) READINESS_STATE_COUNT };
const char *readiness_state_name(enum readiness_state value);

/* What is missing: id, name, text. */
#define READINESS_REASONS(X)                                                                    \
    X(READINESS_FOR_SETTINGS, "settings", "not every worker uses the configuration yet")        \
    X(READINESS_FOR_UPSTREAMS, "upstreams", "a required upstream has no address yet")           \
    X(READINESS_FOR_POOLS, "pools", "fewer connections are open than readiness.pools asks for") \
    X(READINESS_FOR_SESSIONS, "sessions",                                                       \
      "fewer TLS sessions are cached than readiness.sessions asks for")                         \
    X(READINESS_FOR_MEMORY, "memory", "more memory is in use than limits.memory allows")        \
    X(READINESS_FOR_LOST, "lost", "no required upstream has an endpoint that can be used")      \
    X(READINESS_FOR_DRAINING, "draining", "the process drains")

enum readiness_reason { ENUM_VALUES(READINESS_REASONS) READINESS_REASON_COUNT };
const char *readiness_reason_name(enum readiness_reason value);
const char *readiness_reason_words(enum readiness_reason value);

/* For required upstreams only, except the first and the last three. */
struct readiness_figures {
    bool settings_live;
    uint64_t required_count, resolved_count, usable_count; /* upstreams */
    uint64_t warm_level_count, connections_count; /* each endpoint counts up to its warm level */
    uint64_t sessions_usual_count,
        /* number expected: sessions of an earlier process, else names; and number there */
        sessions_count;
    bool memory_spent;
    bool draining;
};

struct readiness {
    enum readiness_state state;
    uint64_t since_ms;    /* when the state began */
    uint64_t started_ms;  /* when warming began */
    uint64_t ready_ms;    /* time until it was ready first; 0: not yet */
    uint64_t changing_ms; /* since when the loss, or its end, is seen; 0: it is not */
    uint64_t gave_up_count;
    uint32_t missing; /* a bit per enum readiness_reason */
    struct readiness_figures figures;
};

void readiness_init(struct readiness *readiness, uint64_t now_ms);
/* Takes new figures. True: the state has changed. */
bool readiness_step(struct readiness *readiness, const struct readiness_settings *settings,
                    const struct readiness_figures *figures, uint64_t now_ms);
bool readiness_is_ready(const struct readiness *readiness);
/* Whether the wait is over: the process is ready, or has given up. */
bool readiness_settled(const struct readiness *readiness);

#endif
