/* The rules by which answers are kept. */
#include "pool/name_state.h"

#include "steady/deadline.h"

/* An answer is refreshed after 80% to 95% of its TTL. */
#define REFRESH_LEAST_SHARE 0.80
#define REFRESH_SPREAD_SHARE 0.15
/* Shortest time between two lookups of a question, however short the TTL. */
#define LEAST_WAIT_MS 50
/* Wait after a failure: this long, then doubled each time, half of it random. */
#define FAILURE_WAIT_MS 1000
#define FAILURE_LONGEST_WAIT_MS 30000

void name_state_init(struct name_state *state, uint64_t now_ms)
{
    *state = (struct name_state){.next_ms = now_ms};
}

static uint64_t clamp(uint64_t value, uint64_t least, uint64_t most)
{
    return value < least ? least : value > most ? most : value;
}

static void wait(struct name_state *state, uint64_t now_ms, uint64_t wait_ms)
{
    state->next_ms = deadline_after(now_ms, wait_ms < LEAST_WAIT_MS ? LEAST_WAIT_MS : wait_ms);
}

static uint64_t early_ms(uint64_t ttl_ms, struct rng *rng)
{
    uint64_t least_ms = (uint64_t)((double)ttl_ms * REFRESH_LEAST_SHARE);
    return least_ms + rng_below(rng, (uint64_t)((double)ttl_ms * REFRESH_SPREAD_SHARE) + 1);
}

static enum name_step said_yes(struct name_state *state, const struct resolver_settings *rules,
                               uint64_t ttl_ms, uint64_t now_ms, struct rng *rng)
{
    ttl_ms = clamp(ttl_ms, rules->min_ttl_ms, rules->max_ttl_ms);
    state->holding = true;
    state->answered_ms = now_ms;
    state->expires_ms = deadline_after(now_ms, ttl_ms);
    state->no_count = 0;
    state->failures_count = 0;
    wait(state, now_ms, early_ms(ttl_ms, rng));
    return NAME_TAKE;
}

static enum name_step said_no(struct name_state *state, const struct resolver_settings *rules,
                              const struct name_outcome *outcome, uint64_t now_ms, struct rng *rng)
{
    state->failures_count = 0;
    if (state->no_count++ == 0) {
        state->no_since_ms = now_ms;
    }
    bool believed = state->no_count >= rules->negative_count &&
                    now_ms - state->no_since_ms >= rules->negative_span_ms;
    if (state->holding && !believed) {
        uint64_t gaps_count = rules->negative_count > 1 ? rules->negative_count - 1 : 1;
        uint64_t gap_ms = clamp(rules->negative_span_ms / gaps_count + 1, 0, rules->min_ttl_ms);
        wait(state, now_ms, gap_ms + rng_below(rng, gap_ms / 10 + 1));
        return NAME_KEEP;
    }
    uint64_t most_ms = outcome->urgent ? rules->min_ttl_ms : rules->max_ttl_ms;
    wait(state, now_ms, early_ms(clamp(outcome->ttl_ms, rules->min_ttl_ms, most_ms), rng));
    bool dropped = state->holding;
    state->holding = false;
    return dropped ? NAME_DROP : NAME_KEEP;
}

static enum name_step failed(struct name_state *state, const struct resolver_settings *rules,
                             uint64_t now_ms, struct rng *rng)
{
    uint64_t wait_ms =
        rules->min_ttl_ms < FAILURE_WAIT_MS ? rules->min_ttl_ms : (uint64_t)FAILURE_WAIT_MS;
    for (uint64_t i = 0; i < state->failures_count && wait_ms < FAILURE_LONGEST_WAIT_MS; i++) {
        wait_ms *= 2;
    }
    wait_ms = clamp(wait_ms, 1, FAILURE_LONGEST_WAIT_MS);
    state->failures_count++;
    wait(state, now_ms, wait_ms / 2 + rng_below(rng, wait_ms / 2 + 1));
    return NAME_KEEP;
}

enum name_step name_state_ended(struct name_state *state, const struct resolver_settings *rules,
                                const struct name_outcome *outcome, uint64_t now_ms,
                                struct rng *rng)
{
    state->ended = true;
    state->last = outcome->result;
    switch (outcome->result) {
    case LOOKUP_FOUND: return said_yes(state, rules, outcome->ttl_ms, now_ms, rng);
    case LOOKUP_EMPTY:
    case LOOKUP_UNKNOWN: return said_no(state, rules, outcome, now_ms, rng);
    case LOOKUP_TIMEOUT:
    case LOOKUP_FAILED:
    case LOOKUP_MALFORMED:
    case LOOKUP_NO_MEMORY:
    case LOOKUP_RESULT_COUNT: break;
    }
    return failed(state, rules, now_ms, rng);
}

static uint64_t too_old_ms(const struct name_state *state, const struct resolver_settings *rules)
{
    return deadline_after(state->expires_ms, rules->stale_ms);
}

enum name_step name_state_passed(struct name_state *state, const struct resolver_settings *rules,
                                 uint64_t now_ms)
{
    if (!state->holding || now_ms < too_old_ms(state, rules)) {
        return NAME_KEEP;
    }
    state->holding = false;
    return NAME_DROP;
}

uint64_t name_state_due_ms(const struct name_state *state, const struct resolver_settings *rules)
{
    return state->holding ? deadline_earlier(state->next_ms, too_old_ms(state, rules))
                          : state->next_ms;
}

bool name_state_stale(const struct name_state *state, uint64_t now_ms)
{
    return state->holding && now_ms >= state->expires_ms;
}
