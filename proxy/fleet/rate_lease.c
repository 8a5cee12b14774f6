/* Demand, need, and what its own configuration allows. */
#include "proxy/fleet/rate_lease.h"

#include <math.h>

#define DEBT_LEAST_S 1.0
#define DEBT_MOST_S 86400.0
#define WAIT_MOST_MS 60000
/* More tokens than anybody needs within a period. */
#define COUNT_MOST 1e9

struct rate_settings rate_lease_share(const struct rate_settings *whole, unsigned replica_count)
{
    return (struct rate_settings){.per_second = whole->per_second / replica_count,
                                  .burst = whole->burst / replica_count,
                                  .retry_reserve = whole->retry_reserve};
}

double rate_lease_depth(const struct rate_lease_terms *terms)
{
    return terms->burst + fmax(terms->per_second * RATE_LEASE_STEADY_S, 1);
}

double rate_lease_debt_s(const struct rate_lease_terms *terms)
{
    return fmin(fmax(terms->replica_count / terms->per_second, DEBT_LEAST_S), DEBT_MOST_S);
}

static uint32_t to_count(double tokens)
{
    return tokens > 0 ? (uint32_t)fmin(tokens, COUNT_MOST) : 0;
}

/* How long a token is held for a key that was in demand: so that one who comes at the rate finds it. */
static uint32_t held_ms(const struct rate_lease_terms *terms)
{
    double two_ms = 2000 / terms->per_second;
    return (uint32_t)fmin(fmax(two_ms, RATE_LEASE_HELD_LEAST_MS), RATE_LEASE_HELD_MOST_MS);
}

static void begin(const struct rate_lease_terms *terms, struct rate_lease_memory *memory,
                  uint32_t now_ms)
{
    memory->begun = true;
    memory->allowance = (float)rate_lease_depth(terms);
    memory->looked_ms = now_ms - RATE_LEASE_PERIOD_MS;
    memory->demanded_ms = now_ms - RATE_LEASE_HELD_MOST_MS;
    memory->awaited_ms = now_ms;
}

/* Its own configuration holds whatever the store says: as a token bucket of the whole rate. */
static void note_allowance(const struct rate_lease_terms *terms, struct rate_lease_memory *memory,
                           uint32_t span_ms, uint32_t used_count)
{
    double most = rate_lease_depth(terms);
    double left = memory->allowance + terms->per_second * span_ms / 1e3 - used_count;
    memory->allowance = (float)fmax(fmin(left, most), -most);
}

/* Rises at once, falls slowly. */
static void note_demand(struct rate_lease_memory *memory, const struct rate_lease_seen *seen,
                        uint32_t span_ms, uint32_t now_ms)
{
    double count = (double)seen->used_count + seen->taken_count + seen->missed_count;
    double faded = memory->demand * fmax(0, 1 - (double)span_ms / RATE_LEASE_FADES_MS);
    memory->demand = (float)fmax(count * 1e3 / span_ms, faded);
    memory->demanded_ms = count > 0 ? now_ms : memory->demanded_ms;
}

/* Tokens that the key should have been lent. */
static double need_of(const struct rate_lease_terms *terms, const struct rate_lease_memory *memory,
                      const struct rate_lease_seen *seen, bool held)
{
    double ahead_s = RATE_LEASE_AHEAD_MS / 1e3;
    double share = (double)seen->share_count + terms->per_second / terms->replica_count * ahead_s;
    double need = ceil(memory->demand * ahead_s - share);
    bool has_none = seen->share_count == 0;
    return held && has_none ? fmax(need, 1) : fmax(need, 0);
}

struct rate_lease_word rate_lease_decide(const struct rate_lease_terms *terms,
                                         struct rate_lease_memory *memory,
                                         const struct rate_lease_seen *seen, uint32_t now_ms,
                                         bool *ret_busy)
{
    if (!memory->begun) {
        begin(terms, memory, now_ms);
    }
    uint32_t span_ms = now_ms - memory->looked_ms > 0 ? now_ms - memory->looked_ms : 1;
    memory->looked_ms = now_ms;
    note_allowance(terms, memory, span_ms, seen->used_count);
    note_demand(memory, seen, span_ms, now_ms);
    bool held = now_ms - memory->demanded_ms < held_ms(terms);
    /* one replica has nobody to borrow from */
    double need = terms->replica_count > 1 ? need_of(terms, memory, seen, held) : 0;
    struct rate_lease_word word = {.used_count = seen->used_count};
    if (need < seen->lent_count) {
        word.back_count = seen->lent_count - to_count(need);
        memory->allowance += (float)word.back_count;
    } else if ((int32_t)(now_ms - memory->awaited_ms) >= 0) {
        word.want_count = to_count(fmin(need - seen->lent_count, memory->allowance));
    }
    *ret_busy = held || seen->lent_count > 0;
    return word;
}

uint32_t rate_lease_answer(struct rate_lease_memory *memory, uint32_t want_count, long long answer,
                           uint32_t now_ms)
{
    if (answer < 0) {
        memory->awaited_ms = now_ms + (answer > -WAIT_MOST_MS ? (uint32_t)-answer : WAIT_MOST_MS);
        return 0;
    }
    uint32_t lent = answer < want_count ? (uint32_t)answer : want_count;
    memory->allowance -= (float)lent;
    return lent;
}
