/*
 * What is kept of a question's answers, and when it is asked again.
 *
 * Owns nothing but its figures: the records are the owner's, who takes, keeps or drops them as told. Pure: time and randomness
 * are arguments. Thread: any one. Time base: ms, monotonic.
 *
 * An answer holds for its TTL within a clamp and is asked for again before that is over. A failure changes nothing until the
 * answer is older than TTL and `stale` together. A "no" is believed when it has been repeated, without a "yes" in between; a
 * failure in between neither counts nor starts it anew.
 */
#ifndef EVENKEEL_POOL_NAME_STATE_H
#define EVENKEEL_POOL_NAME_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/settings.h"
#include "pool/dns_answer.h"
#include "steady/rng.h"

struct name_state {
    bool holding; /* records are kept */
    bool ended;   /* a lookup has ended, some way */
    enum lookup_result last;
    uint64_t answered_ms; /* when what is kept was said last */
    uint64_t expires_ms;  /* the end of its TTL */
    uint64_t next_ms;     /* when to ask again */
    uint64_t no_since_ms; /* the first "no" of the present row */
    uint64_t no_count;
    uint64_t failures_count; /* in a row */
};

enum name_step {
    NAME_KEEP, /* what there is, if anything */
    NAME_TAKE, /* the records that came */
    NAME_DROP, /* there are none any more */
};

struct name_outcome {
    enum lookup_result result;
    uint64_t ttl_ms; /* with FOUND, EMPTY and UNKNOWN */
    bool
        urgent; /* nothing else stands for the name: whether it has appeared is worth asking often */
};

/* To be asked at once. */
void name_state_init(struct name_state *state, uint64_t now_ms);
enum name_step name_state_ended(struct name_state *state, const struct resolver_settings *rules,
                                const struct name_outcome *outcome, uint64_t now_ms,
                                struct rng *rng);
/* Time has passed: NAME_DROP when what is kept has become too old. */
enum name_step name_state_passed(struct name_state *state, const struct resolver_settings *rules,
                                 uint64_t now_ms);
/* When the owner has to look next: to ask, or to call name_state_passed(). */
uint64_t name_state_due_ms(const struct name_state *state, const struct resolver_settings *rules);
/* Older than its TTL. */
bool name_state_stale(const struct name_state *state, uint64_t now_ms);

#endif
