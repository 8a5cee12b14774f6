/* Counting calls, and judging them. */
#include "breaker/evidence.h"

void evidence_init(struct evidence *evidence, const struct evidence_local *locals,
                   unsigned worker_count)
{
    *evidence = (struct evidence){.locals = locals, .worker_count = worker_count};
    outcome_window_init(&evidence->outcomes, worker_count);
}

/* ---- counting ---- */

static struct strata_calls good_calls(const struct evidence *evidence)
{
    struct strata_calls sum = {{{0}}};
    for (unsigned i = 0; i < evidence->worker_count; i++) {
        strata_gather(&sum, &evidence->locals[i].good);
    }
    return sum;
}

/* Begins a span of the strata if the current one is over. */
static void turn(struct evidence *evidence, uint64_t now_ms, uint64_t window_ms)
{
    if (now_ms >= evidence->strata.end_ms) {
        const struct strata_calls good = good_calls(evidence);
        strata_window_turn(&evidence->strata, &good, now_ms, window_ms);
    }
}

void evidence_add(struct evidence *evidence, struct evidence_local *local, struct strata strata,
                  enum outcome outcome, uint64_t now_ms, uint64_t window_ms)
{
    turn(evidence, now_ms, window_ms);
    if (outcome == OUTCOME_SUCCESS) {
        outcome_window_add_success(&evidence->outcomes, &local->calls, now_ms, window_ms);
        strata_add_good(&local->good, strata);
    } else {
        outcome_window_add_bad(&evidence->outcomes, &local->calls, strata, outcome, now_ms,
                               window_ms);
        strata_window_add_bad(&evidence->strata, strata,
                              outcome == OUTCOME_SLOW ? STRATA_SLOW : STRATA_FAILED);
    }
}

void evidence_clear(struct evidence *evidence, uint64_t now_ms, uint64_t window_ms)
{
    const struct strata_calls good = good_calls(evidence);
    strata_window_clear(&evidence->strata, &good, now_ms, window_ms);
    outcome_window_clear(&evidence->outcomes);
}

/* ---- judging ---- */

struct outcome_counts evidence_count(const struct evidence *evidence,
                                     const struct breaker_settings *settings, uint64_t now_ms)
{
    return outcome_window_count(&evidence->outcomes, now_ms, settings->window_ms);
}

static struct strata_shares shares_of(const struct evidence *evidence,
                                      const struct breaker_settings *settings, uint64_t now_ms)
{
    const struct strata_calls good = good_calls(evidence);
    return strata_window_shares(&evidence->strata, &good, now_ms, settings->window_ms);
}

double evidence_failed_share(const struct evidence *evidence,
                             const struct breaker_settings *settings, uint64_t now_ms)
{
    const struct outcome_counts seen = evidence_count(evidence, settings, now_ms);
    double of_all = seen.calls > 0 ? (double)seen.failures / (double)seen.calls : 0;
    double of_strata = shares_of(evidence, settings, now_ms).failed;
    return of_strata < of_all ? of_strata : of_all;
}

uint32_t evidence_strata(const struct evidence *evidence, const struct breaker_settings *settings,
                         uint64_t now_ms)
{
    const struct strata_calls good = good_calls(evidence);
    return strata_window_set(&evidence->strata, &good, now_ms, settings->window_ms);
}

/* part >= rate * whole, with an allowance for rounding. */
static bool reaches(uint64_t part, double rate, uint64_t whole)
{
    return (double)part + 1e-6 >= rate * (double)whole;
}

static bool share_reaches(double share, double rate)
{
    return share + 1e-9 >= rate;
}

/* All calls together are judged first, because the strata cost more. */
enum finding evidence_judge(const struct evidence *evidence,
                            const struct breaker_settings *settings, uint64_t least_calls,
                            uint64_t now_ms)
{
    const struct outcome_counts seen = evidence_count(evidence, settings, now_ms);
    if (seen.in_a_row >= settings->consecutive_count) {
        uint32_t with_traffic = evidence_strata(evidence, settings, now_ms);
        if (strata_row_speaks_for_all(&evidence->outcomes.row, settings->consecutive_count,
                                      with_traffic)) {
            return FINDING_IN_A_ROW;
        }
    }
    bool failed = reaches(seen.failures, settings->failure_rate, seen.calls);
    bool slow = reaches(seen.slow, settings->slow_rate, seen.calls);
    if (seen.calls < least_calls || !(failed || slow)) {
        return FINDING_NONE;
    }
    const struct strata_shares shares = shares_of(evidence, settings, now_ms);
    if (failed && share_reaches(shares.failed, settings->failure_rate)) {
        return FINDING_FAILURE_RATE;
    }
    return slow && share_reaches(shares.slow, settings->slow_rate) ? FINDING_SLOW_RATE
                                                                   : FINDING_NONE;
}
