/*
 * Which answers to a question are kept, and when the question is asked again.
 *
 * Owns nothing but its figures: the records are the owner's, which takes, keeps or drops them as told. Pure: time and
 * randomness are arguments. Thread: any one. Time base: ms, monotonic.
 *
 * An answer is used for its TTL within a clamp, and the question is asked again before that time is over. After a
 * failure the answer stays until it is older than TTL and `stale` together. A negative answer is believed when it was
 * repeated without a positive one in between; a failure in between neither counts nor restarts the count.
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
    bool ended;   /* a lookup has ended, with any result */
    enum lookup_result last;
    uint64_t answered_ms; /* when the kept answer was last given */
    uint64_t expires_ms;  /* end of its TTL */
    uint64_t next_ms;     /* when to ask again */
    uint64_t no_since_ms; /* time of the first negative answer of the current row */
    uint64_t no_count;
    uint64_t failures_count; /* in a row */
};

enum name_step {
    NAME_KEEP, /* keep the records, if there are any */
    NAME_TAKE, /* take the new records */
    NAME_DROP, /* drop the records */
};

struct name_outcome {
    enum lookup_result result;
    uint64_t ttl_ms; /* with FOUND, EMPTY and UNKNOWN */
    bool urgent;     /* the name has no address from elsewhere, so the question is asked often */
};

/* The question is to be asked at once. */
void name_state_init(struct name_state *state, uint64_t now_ms);
enum name_step name_state_ended(struct name_state *state, const struct resolver_settings *rules,
                                const struct name_outcome *outcome, uint64_t now_ms,
                                struct rng *rng);
/* Time has passed. NAME_DROP: the kept answer has become too old. */
enum name_step name_state_passed(struct name_state *state, const struct resolver_settings *rules,
                                 uint64_t now_ms);
/* When the owner must act next: ask, or call name_state_passed(). */
uint64_t name_state_due_ms(const struct name_state *state, const struct resolver_settings *rules);
/* Whether the answer is older than its TTL. */
bool name_state_stale(const struct name_state *state, uint64_t now_ms);

#endif
