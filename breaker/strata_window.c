/* Spans, and the shares of the strata in them. */
#include "breaker/strata_window.h"

static uint32_t load(const uint32_t *value)
{
    return __atomic_load_n(value, __ATOMIC_RELAXED);
}

void strata_gather(struct strata_calls *sum, const struct strata_calls *local)
{
    for (unsigned side = 0; side < STRATA_SIDES; side++) {
        for (unsigned i = 0; i < STRATA_COUNT; i++) {
            sum->of[side][i] += load(&local->of[side][i]);
        }
    }
}

void strata_window_add_bad(struct strata_window *window, struct strata strata, enum strata_sum sum)
{
    window->bad[sum].of[STRATA_BY_CLIENT][strata.client]++;
    window->bad[sum].of[STRATA_BY_PATH][strata.path]++;
}

/* ---- spans ---- */

static const struct strata_calls *running(const struct strata_window *window,
                                          const struct strata_calls *good, enum strata_sum sum)
{
    return sum == STRATA_GOOD ? good : &window->bad[sum];
}

static struct strata_calls since(const struct strata_calls *now, const struct strata_calls *mark)
{
    struct strata_calls calls;
    for (unsigned side = 0; side < STRATA_SIDES; side++) {
        for (unsigned i = 0; i < STRATA_COUNT; i++) {
            calls.of[side][i] = now->of[side][i] - mark->of[side][i];
        }
    }
    return calls;
}

/* keep: the span that ends is directly before the new one. */
static void begin(struct strata_window *window, const struct strata_calls *good, bool keep,
                  uint64_t now_ms, uint64_t window_ms)
{
    static const struct strata_calls none;
    for (unsigned sum = 0; sum < STRATA_SUMS; sum++) {
        const struct strata_calls *now = running(window, good, (enum strata_sum)sum);
        window->past[sum] = keep ? since(now, &window->mark[sum]) : none;
        window->mark[sum] = *now;
    }
    window->end_ms = now_ms - now_ms % window_ms + window_ms;
}

void strata_window_turn(struct strata_window *window, const struct strata_calls *good,
                        uint64_t now_ms, uint64_t window_ms)
{
    begin(window, good, now_ms < window->end_ms + window_ms, now_ms, window_ms);
}

void strata_window_clear(struct strata_window *window, const struct strata_calls *good,
                         uint64_t now_ms, uint64_t window_ms)
{
    begin(window, good, false, now_ms, window_ms);
}

/* ---- shares ---- */

/* The calls of the window, by result. */
struct tally {
    double of[STRATA_SUMS][STRATA_SIDES][STRATA_COUNT];
    double all[STRATA_SIDES][STRATA_COUNT];
};

static struct tally take(const struct strata_window *window, const struct strata_calls *good,
                         uint64_t now_ms, uint64_t window_ms)
{
    struct tally tally = {.all = {{0}}};
    uint64_t left_ms = window->end_ms > now_ms ? window->end_ms - now_ms : 0;
    double past_part = left_ms < window_ms ? (double)left_ms / (double)window_ms : 1;
    for (unsigned sum = 0; sum < STRATA_SUMS; sum++) {
        const struct strata_calls *now = running(window, good, (enum strata_sum)sum);
        const struct strata_calls present = since(now, &window->mark[sum]);
        for (unsigned side = 0; side < STRATA_SIDES; side++) {
            for (unsigned i = 0; i < STRATA_COUNT; i++) {
                double calls = present.of[side][i] + past_part * window->past[sum].of[side][i];
                tally.of[sum][side][i] = calls;
                tally.all[side][i] += calls;
            }
        }
    }
    return tally;
}

static double mean_but_the_worst(const struct tally *tally, enum strata_side side,
                                 enum strata_sum sum)
{
    double total = 0, worst = 0;
    unsigned count = 0;
    for (unsigned i = 0; i < STRATA_COUNT; i++) {
        if (tally->all[side][i] > 0) {
            double share = tally->of[sum][side][i] / tally->all[side][i];
            total += share;
            worst = share > worst ? share : worst;
            count++;
        }
    }
    return count > 1 ? (total - worst) / (count - 1) : 1;
}

static double smaller_mean(const struct tally *tally, enum strata_sum sum)
{
    double by_client = mean_but_the_worst(tally, STRATA_BY_CLIENT, sum);
    double by_path = mean_but_the_worst(tally, STRATA_BY_PATH, sum);
    return by_client < by_path ? by_client : by_path;
}

struct strata_shares strata_window_shares(const struct strata_window *window,
                                          const struct strata_calls *good, uint64_t now_ms,
                                          uint64_t window_ms)
{
    const struct tally tally = take(window, good, now_ms, window_ms);
    return (struct strata_shares){
        .failed = smaller_mean(&tally, STRATA_FAILED),
        .slow = smaller_mean(&tally, STRATA_SLOW),
    };
}

uint32_t strata_window_set(const struct strata_window *window, const struct strata_calls *good,
                           uint64_t now_ms, uint64_t window_ms)
{
    const struct tally tally = take(window, good, now_ms, window_ms);
    uint32_t set = 0;
    for (unsigned side = 0; side < STRATA_SIDES; side++) {
        for (unsigned i = 0; i < STRATA_COUNT; i++) {
            set |= tally.all[side][i] > 0 ? STRATA_BIT(side, i) : 0;
        }
    }
    return set;
}
