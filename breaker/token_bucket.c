/* A rate limit in one atomic word. */
#include "breaker/token_bucket.h"

#define TICKS_PER_US UINT64_C(16000)
#define TICKS_PER_S 16e9
#define TICKS_PER_MS (1000 * TICKS_PER_US)
/* A hundred days: two of these fit into the word beside 35 years of clock. */
#define TICKS_MAX 0x1p57
#define STEADY_SHARE_S 0.1

static uint64_t to_ticks(double ticks)
{
    return (uint64_t)(ticks < TICKS_MAX ? ticks + 0.5 : TICKS_MAX);
}

struct token_rate token_rate(const struct rate_settings *settings)
{
    if (!(settings->per_second > 0)) {
        return (struct token_rate){.interval = 0};
    }
    uint64_t interval = to_ticks(TICKS_PER_S / settings->per_second);
    if (interval == 0) {
        interval = 1;
    }
    double steady = settings->per_second * STEADY_SHARE_S;
    double tokens = settings->burst + (steady > 1 ? steady : 1);
    double for_retries = tokens * (1 - settings->retry_reserve);
    return (struct token_rate){
        .interval = interval,
        .fresh_depth = to_ticks((double)interval * (tokens - 1)),
        /* A full token bucket allows a retry however small it is. */
        .retry_depth = for_retries > 1 ? to_ticks((double)interval * (for_retries - 1)) : 0,
    };
}

bool token_bucket_take(struct token_bucket *bucket, const struct token_rate *rate, bool retry,
                       uint64_t now_us, uint64_t *ret_wait_ms)
{
    if (rate->interval == 0) {
        return true;
    }
    uint64_t now = now_us * TICKS_PER_US;
    uint64_t depth = retry ? rate->retry_depth : rate->fresh_depth;
    uint64_t full_at = __atomic_load_n(&bucket->full_at, __ATOMIC_RELAXED);
    uint64_t from;
    do {
        from = full_at > now ? full_at : now;
        if (from - now > depth) {
            *ret_wait_ms = (from - now - depth + TICKS_PER_MS - 1) / TICKS_PER_MS;
            return false;
        }
    } while (!__atomic_compare_exchange_n(&bucket->full_at, &full_at, from + rate->interval, true,
                                          __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    return true;
}

uint64_t token_bucket_left(const struct token_bucket *bucket, const struct token_rate *rate,
                           uint64_t now_us)
{
    uint64_t now = now_us * TICKS_PER_US;
    uint64_t full_at = __atomic_load_n(&bucket->full_at, __ATOMIC_RELAXED);
    uint64_t lacking = full_at > now ? full_at - now : 0;
    return lacking > rate->fresh_depth ? 0 : (rate->fresh_depth - lacking) / rate->interval + 1;
}

bool token_bucket_full(const struct token_bucket *bucket, uint64_t now_us)
{
    return __atomic_load_n(&bucket->full_at, __ATOMIC_RELAXED) <= now_us * TICKS_PER_US;
}
