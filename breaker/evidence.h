/*
 * The evidence of a breaker: the calls of the last seconds, all together and by stratum, and whether they are evidence
 * against the upstream or endpoint.
 *
 * Owns: nothing on the heap; embedded. Thread: a local belongs to one thread; evidence_try_good() takes no lock,
 * everything else is protected by the owner's. Time base: milliseconds, monotonic. Errors: none. Spec:
 * docs/internals/breaker.md, "Evidence".
 */
#ifndef EVENKEEL_BREAKER_EVIDENCE_H
#define EVENKEEL_BREAKER_EVIDENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "breaker/outcome_window.h"
#include "breaker/strata_window.h"
#include "conf/settings.h"

struct evidence_local {
    struct window_local calls;
    struct strata_calls good;
} __attribute__((aligned(WINDOW_CACHE_LINE)));

struct evidence {
    struct outcome_window outcomes;
    struct strata_window strata;
    const struct evidence_local *locals; /* of all threads; the owner's */
    unsigned worker_count;
};

/* The locals are zeroed. */
void evidence_init(struct evidence *evidence, const struct evidence_local *locals,
                   unsigned worker_count);

/* Takes no lock. False: nothing was done, because a slot is over; evidence_add() does it. */
__attribute__((warn_unused_result)) static inline bool evidence_try_good(
    struct evidence *evidence, struct evidence_local *local, struct strata strata, uint64_t now_ms)
{
    if (!outcome_window_try_success(&evidence->outcomes, &local->calls, now_ms)) {
        return false;
    }
    strata_add_good(&local->good, strata);
    return true;
}

/* Any outcome but IGNORED. */
void evidence_add(struct evidence *evidence, struct evidence_local *local, struct strata strata,
                  enum outcome outcome, uint64_t now_ms, uint64_t window_ms);
void evidence_clear(struct evidence *evidence, uint64_t now_ms, uint64_t window_ms);

enum finding { FINDING_NONE, FINDING_IN_A_ROW, FINDING_FAILURE_RATE, FINDING_SLOW_RATE };
/* least_calls: with fewer calls, rates are not judged. */
__attribute__((warn_unused_result)) enum finding evidence_judge(
    const struct evidence *evidence, const struct breaker_settings *settings, uint64_t least_calls,
    uint64_t now_ms);

struct outcome_counts evidence_count(const struct evidence *evidence,
                                     const struct breaker_settings *settings, uint64_t now_ms);
/* The share of failures that counts: the smallest of that of all calls and those of the strata. */
double evidence_failed_share(const struct evidence *evidence,
                             const struct breaker_settings *settings, uint64_t now_ms);
/* The strata that have traffic. */
uint32_t evidence_strata(const struct evidence *evidence, const struct breaker_settings *settings,
                         uint64_t now_ms);

#endif
