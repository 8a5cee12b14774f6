/*
 * Retry budget: how many retries the requests of the last seconds allow.
 *
 * Owns: two windows. One for each upstream or shard, for all workers, over reloads: settings are an argument. Thread:
 * any; `worker` is the caller's worker index and belongs to one thread. Counting a request mostly writes only to the
 * worker's part; taking runs under a mutex. Time base: milliseconds, monotonic. Errors: NULL from
 * retry_budget_create() only.
 *
 * The budget counts requests over time and not requests in flight: a budget of requests in flight collapses when all
 * of them fail at once. The budget is never exceeded: the retries of the last 10 s are at most budget_ratio of the
 * requests in that time plus budget_per_second * 10, and the retries of the last 60 s at most budget_per_minute_count.
 * Requests that locals have not handed over yet (window.h) can make it smaller by up to 1/WINDOW_LAG.
 */
#ifndef EVENKEEL_BREAKER_RETRY_BUDGET_H
#define EVENKEEL_BREAKER_RETRY_BUDGET_H

#include <stdint.h>

#include "conf/settings.h"

#define RETRY_BUDGET_WINDOW_MS 10000

enum retry_budget_result {
    RETRY_BUDGET_TAKEN,
    RETRY_BUDGET_SPENT,        /* by ratio and per_second */
    RETRY_BUDGET_MINUTE_SPENT, /* by per_minute */
};

struct retry_budget;

/* worker_count: workers. NULL when memory is exhausted. */
struct retry_budget *retry_budget_create(unsigned worker_count);
/* NULL is fine. */
void retry_budget_free(struct retry_budget **budget);

/* A request came that is not a retry of this process, although it may be one of another hop. */
void retry_budget_note_request(struct retry_budget *budget, unsigned worker, uint64_t now_ms);

/* To be asked last, when everything else allows a retry: what is taken counts as made. */
__attribute__((warn_unused_result)) enum retry_budget_result retry_budget_take(
    struct retry_budget *budget, const struct retry_settings *settings, unsigned worker,
    uint64_t now_ms);

struct retry_budget_figures {
    uint64_t requests_count, retries_count; /* of the last 10 s */
    uint64_t left_count;
    uint64_t taken_count, refused_count; /* since the start */
};
struct retry_budget_figures retry_budget_figures(struct retry_budget *budget,
                                                 const struct retry_settings *settings,
                                                 uint64_t now_ms);

#endif
