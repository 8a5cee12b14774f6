/* The arithmetic of staying warm. */
#include "pool/warmth.h"

#include "steady/check.h"

uint64_t warmth_share_count(uint64_t level_count, unsigned worker, unsigned worker_count,
                            uint64_t turn)
{
    CHECK(worker < worker_count);
    uint64_t place = (worker + worker_count - turn % worker_count) % worker_count;
    return level_count / worker_count + (place < level_count % worker_count);
}

uint64_t warmth_lifetime_ms(uint64_t lifetime_ms, double jitter_share, struct rng *rng)
{
    uint64_t drawn_ms = rng_shorten(rng, lifetime_ms, jitter_share);
    return drawn_ms > 0 ? drawn_ms : 1;
}

uint64_t warmth_backoff_ms(uint64_t failures_count, struct rng *rng)
{
    CHECK(failures_count > 0);
    uint64_t wait_ms = WARMTH_BACKOFF_BASE_MS;
    for (uint64_t i = 1; i < failures_count && wait_ms < WARMTH_BACKOFF_MAX_MS; i++) {
        wait_ms *= 2;
    }
    if (wait_ms > WARMTH_BACKOFF_MAX_MS) {
        wait_ms = WARMTH_BACKOFF_MAX_MS;
    }
    return wait_ms - rng_below(rng, wait_ms / 2 + 1);
}
