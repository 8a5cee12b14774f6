/* Carrying out what the operator has said. */
#include "proxy/policy/operator_word.h"

#include <stdio.h>
#include <string.h>

#include "pool/health.h"
#include "pool/pools.h"
#include "proxy/policy/policy.h"
#include "steady/loop_clock.h"

ENUM_NAME_FUNCTION(operator_subject_name, enum operator_subject, OPERATOR_SUBJECTS)

const char *operator_state_name(enum operator_subject subject, unsigned state)
{
    static const char *const names[OPERATOR_SUBJECT_COUNT][OPERATOR_STATES_MOST] = {
        [OPERATOR_ENDPOINT] = {"undrained", "drained", "unknown"},
        [OPERATOR_BREAKER] = {"auto", "open", "closed"},
        [OPERATOR_UPSTREAM] = {"open", "closed", "unknown"},
        [OPERATOR_ROUTE] = {"open", "closed", "unknown"},
    };
    return subject < OPERATOR_SUBJECT_COUNT && state < OPERATOR_STATES_MOST ? names[subject][state]
                                                                            : "unknown";
}

/* ---- breakers ---- */

struct force_walk {
    const char *name;
    enum breaker_force force;
    size_t found_count;
};

static void force_upstream(const struct upstream *upstream, void *owner)
{
    struct force_walk *walk = owner;
    const struct upstream_settings *settings = upstream_settings_shown(upstream);
    if (settings != NULL && strcmp(upstream->name, walk->name) == 0) {
        policy_force(upstream, settings, walk->force, loop_clock_ms(&(struct loop_clock){0}));
        walk->found_count++;
    }
}

static size_t force_breaker(const struct operator_word *word, struct pools *pools)
{
    struct force_walk walk = {word->name, (enum breaker_force)word->state, 0};
    pools_each_upstream(pools, force_upstream, &walk);
    return walk.found_count;
}

/* ---- maintenance ---- */

static size_t close_or_open(const struct operator_word *word, struct maintenance *maintenance)
{
    enum maintenance_of of =
        word->subject == OPERATOR_ROUTE ? MAINTENANCE_OF_ROUTE : MAINTENANCE_OF_UPSTREAM;
    struct maintenance_word said = {.of = of, .since_wall_ms = word->since_ms};
    if (word->state == 0) {
        maintenance_take_back(maintenance, of, word->name);
        return 1;
    }
    snprintf(said.name, sizeof said.name, "%s", word->name);
    snprintf(said.by, sizeof said.by, "%s", word->by);
    snprintf(said.reason, sizeof said.reason, "%s", word->reason);
    return maintenance_say(maintenance, &said);
}

size_t operator_obey(const struct operator_word *word, struct pools *pools,
                     struct maintenance *maintenance)
{
    switch (word->subject) {
    case OPERATOR_ENDPOINT: return pools_drain(pools, word->name, word->detail, word->state != 0);
    case OPERATOR_BREAKER: return force_breaker(word, pools);
    case OPERATOR_UPSTREAM:
    case OPERATOR_ROUTE: return close_or_open(word, maintenance);
    case OPERATOR_SUBJECT_COUNT: break;
    }
    return 0;
}
