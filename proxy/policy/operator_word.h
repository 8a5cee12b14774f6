/*
 * The operator's word: an endpoint is drained, a breaker forced, a route or upstream closed for maintenance, or that is taken back.
 *
 * Owns nothing: the word is carried out by who owns its subject. Thread: control. Time base: ms since 1970. Errors: a count of 0.
 */
#ifndef EVENKEEL_PROXY_POLICY_OPERATOR_WORD_H
#define EVENKEEL_PROXY_POLICY_OPERATOR_WORD_H

#include <stddef.h>
#include <stdint.h>

#include "proxy/policy/maintenance.h"
#include "steady/enum_names.h"

struct pools;

#define OPERATOR_SUBJECTS(X)                                  \
    X(OPERATOR_ENDPOINT, "endpoint") /* state 1: drained */   \
    X(OPERATOR_BREAKER, "breaker")   /* enum breaker_force */ \
    X(OPERATOR_UPSTREAM, "upstream") /* state 1: closed */    \
    X(OPERATOR_ROUTE, "route")       /* likewise */
enum operator_subject { ENUM_VALUES(OPERATOR_SUBJECTS) OPERATOR_SUBJECT_COUNT };
const char *operator_subject_name(enum operator_subject value);

#define OPERATOR_STATES_MOST 3
/* What the state of a subject is called. */
const char *operator_state_name(enum operator_subject subject, unsigned state);

struct operator_word {
    enum operator_subject subject;
    unsigned state;                      /* 0: what was said is taken back */
    char name[MAINTENANCE_NAME_BYTES];   /* of the upstream or route */
    char detail[MAINTENANCE_NAME_BYTES]; /* of an endpoint: its text in the settings; else "" */
    char by[MAINTENANCE_BY_BYTES], reason[MAINTENANCE_REASON_BYTES]; /* "": not said */
    uint64_t since_ms, until_ms; /* until_ms 0: until told otherwise */
};

/* Carries it out; returns how many it concerns: 0: there is no such endpoint or upstream, or there are too many words. Routes and upstreams
   that are closed need not be configured. */
size_t operator_obey(const struct operator_word *word, struct pools *pools,
                     struct maintenance *maintenance);

#endif
