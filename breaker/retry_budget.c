/* Requests and retries over 10 seconds, retries over a minute. */
#include "breaker/retry_budget.h"

#include <pthread.h>
#include <stdlib.h>

#include "breaker/window.h"
#include "steady/check.h"
#include "steady/fault.h"

#define SLOTS 10
#define SLOT_MS (RETRY_BUDGET_WINDOW_MS / SLOTS)
/* One more than a minute has: the current slot has only begun, and the cap must hold over any 60 s. */
#define MINUTE_SLOTS 11
#define MINUTE_SLOT_MS 6000

enum { REQUESTS, RETRIES };

struct retry_budget_local {
    struct window_local requests;
} __attribute__((aligned(WINDOW_CACHE_LINE)));

struct retry_budget {
    struct window window;

    /* Protected by the lock; so are the retries of the window. */
    pthread_mutex_t lock;
    struct window minute;
    uint64_t taken_count, refused_count;

    unsigned worker_count;
    struct retry_budget_local locals[];
};

struct retry_budget *retry_budget_create(unsigned worker_count)
{
    CHECK(worker_count > 0);
    size_t bytes = sizeof(struct retry_budget) + worker_count * sizeof(struct retry_budget_local);
    struct retry_budget *budget =
        fault_hits(FAULT_ALLOC) ? NULL : aligned_alloc(WINDOW_CACHE_LINE, bytes);
    if (budget == NULL) {
        return NULL;
    }
    *budget =
        (struct retry_budget){.lock = PTHREAD_MUTEX_INITIALIZER, .worker_count = worker_count};
    window_init(&budget->window, worker_count);
    window_init(&budget->minute, 1);
    for (unsigned i = 0; i < worker_count; i++) {
        budget->locals[i] = (struct retry_budget_local){.requests = {.serial = 0}};
    }
    return budget;
}

void retry_budget_free(struct retry_budget **budget)
{
    if (*budget == NULL) {
        return;
    }
    pthread_mutex_destroy(&(*budget)->lock);
    free(*budget);
    *budget = NULL;
}

void retry_budget_note_request(struct retry_budget *budget, unsigned worker, uint64_t now_ms)
{
    if (window_is_over(&budget->window, now_ms)) {
        window_turn(&budget->window, now_ms, SLOT_MS);
    }
    window_local_add(&budget->window, &budget->locals[worker].requests, REQUESTS);
}

/* Whole retries. The small addition compensates for the rounding of a ratio such as 0.1 in binary. */
static uint64_t earned(const struct retry_settings *settings, uint64_t requests_count)
{
    return (uint64_t)(settings->budget_ratio * (double)requests_count +
                      settings->budget_per_second * RETRY_BUDGET_WINDOW_MS / 1000 + 1e-6);
}

static uint64_t made_in_a_minute(const struct retry_budget *budget, uint64_t now_ms)
{
    uint64_t sums[WINDOW_SUMS];
    window_sum(&budget->minute, now_ms, MINUTE_SLOT_MS, MINUTE_SLOTS, sums);
    return sums[RETRIES];
}

static enum retry_budget_result decide(const struct retry_budget *budget,
                                       const struct retry_settings *settings, uint64_t now_ms)
{
    uint64_t sums[WINDOW_SUMS];
    window_sum(&budget->window, now_ms, SLOT_MS, SLOTS, sums);
    if (sums[RETRIES] >= earned(settings, sums[REQUESTS])) {
        return RETRY_BUDGET_SPENT;
    }
    if (settings->budget_per_minute_count > 0 &&
        made_in_a_minute(budget, now_ms) >= settings->budget_per_minute_count) {
        return RETRY_BUDGET_MINUTE_SPENT;
    }
    return RETRY_BUDGET_TAKEN;
}

enum retry_budget_result retry_budget_take(struct retry_budget *budget,
                                           const struct retry_settings *settings, unsigned worker,
                                           uint64_t now_ms)
{
    window_local_flush(&budget->window, &budget->locals[worker].requests, REQUESTS);
    pthread_mutex_lock(&budget->lock);
    enum retry_budget_result result = decide(budget, settings, now_ms);
    if (result == RETRY_BUDGET_TAKEN) {
        /* Counted with or without a cap, because a reload may set one. */
        window_add(&budget->window, RETRIES, 1, now_ms, SLOT_MS);
        window_add(&budget->minute, RETRIES, 1, now_ms, MINUTE_SLOT_MS);
        budget->taken_count++;
    } else {
        budget->refused_count++;
    }
    pthread_mutex_unlock(&budget->lock);
    return result;
}

struct retry_budget_figures retry_budget_figures(struct retry_budget *budget,
                                                 const struct retry_settings *settings,
                                                 uint64_t now_ms)
{
    uint64_t sums[WINDOW_SUMS];
    pthread_mutex_lock(&budget->lock);
    window_sum(&budget->window, now_ms, SLOT_MS, SLOTS, sums);
    uint64_t limit = earned(settings, sums[REQUESTS]);
    uint64_t left = sums[RETRIES] < limit ? limit - sums[RETRIES] : 0;
    if (settings->budget_per_minute_count > 0) {
        uint64_t made = made_in_a_minute(budget, now_ms);
        uint64_t cap = settings->budget_per_minute_count;
        uint64_t left_by_cap = made < cap ? cap - made : 0;
        left = left < left_by_cap ? left : left_by_cap;
    }
    struct retry_budget_figures figures = {
        .requests_count = sums[REQUESTS],
        .retries_count = sums[RETRIES],
        .left_count = left,
        .taken_count = budget->taken_count,
        .refused_count = budget->refused_count,
    };
    pthread_mutex_unlock(&budget->lock);
    return figures;
}
