/* Exponential waits with full jitter. */
#include "breaker/backoff.h"

#include "steady/check.h"
#include "steady/deadline.h"

static uint64_t longest_ms(const struct retry_settings *settings, unsigned retry)
{
    uint64_t longest = settings->backoff_base_ms;
    for (unsigned i = 1; i < retry && longest < settings->backoff_max_ms; i++) {
        longest = deadline_after(longest, longest);
    }
    return longest < settings->backoff_max_ms ? longest : settings->backoff_max_ms;
}

enum backoff_result backoff_wait(const struct retry_settings *settings,
                                 const struct backoff_plan *plan, uint64_t now_ms, struct rng *rng,
                                 uint64_t *ret_wait_ms)
{
    CHECK(plan->retry > 0);
    uint64_t left_ms = deadline_left_ms(plan->deadline_ms, now_ms);
    uint64_t least_ms = deadline_after(plan->retry_after_ms, plan->attempt_ms);
    if (least_ms >= left_ms) {
        return BACKOFF_TOO_LATE;
    }
    uint64_t spread_ms = longest_ms(settings, plan->retry);
    if (spread_ms > left_ms - least_ms - 1) {
        spread_ms = left_ms - least_ms - 1;
    }
    *ret_wait_ms = plan->retry_after_ms +
                   (spread_ms < UINT64_MAX ? rng_below(rng, spread_ms + 1) : rng_next(rng));
    return BACKOFF_WAIT;
}

uint64_t backoff_retry_after_s(uint64_t wait_ms, struct rng *rng)
{
    uint64_t least_s = wait_ms / 1000 + (wait_ms % 1000 != 0 || wait_ms == 0);
    return least_s + rng_below(rng, least_s + 1);
}
