/* Breakers, retries, hedges, shards and rates. */
#include <stdio.h>

#include "proxy/admin/scrape.h"
#include "proxy/policy/admission.h"
#include "proxy/policy/policy.h"
#include "proxy/policy/shards.h"
#include "steady/loop_clock.h"

#define OF_UPSTREAM (LABEL_UPSTREAM)

#define POLICY_METRICS(X)                                                                             \
    X(breaker_state, GAUGE, (LABEL_UPSTREAM, LABEL_BREAKER_STATE), "",                                \
      "1 for the current state of an upstream's circuit breaker, 0 for the others",                   \
      STATE(breaker.state, BREAKER_STATE_COUNT))                                                      \
    X(breaker_changes_total, COUNTER, (LABEL_UPSTREAM, LABEL_BREAKER_STATE), "",                      \
      "Times an upstream's circuit breaker entered a state", COUNTS(breaker.entered_count))           \
    X(breaker_refused_total, COUNTER, OF_UPSTREAM, "", "Requests that a circuit breaker refused",     \
      ONE(SUM(breaker_refused_count)))                                                                \
    X(breaker_probes_total, COUNTER, OF_UPSTREAM, "",                                                 \
      "Requests that a half-open circuit breaker let through", ONE(breaker.probes_count))             \
    X(breaker_endpoints_guarded, GAUGE, OF_UPSTREAM, "",                                              \
      "Endpoints whose circuit breaker is not closed", ONE(stat_read(&policy->guarded_count)))        \
    X(retry_verdicts_total, COUNTER, (LABEL_UPSTREAM, LABEL_RETRY_VERDICT), "",                       \
      "Attempts that failed before the client had any answer, by whether and why they were repeated", \
      write_verdicts(&series, policy))                                                                \
    X(retry_budget_left, GAUGE, OF_UPSTREAM, "", "Retries that the retry budget allows now",          \
      ONE(budget.left_count))                                                                         \
    X(hedges_total, COUNTER, OF_UPSTREAM, "",                                                         \
      "Requests that were sent to a second endpoint because the first was slow",                      \
      ONE(SUM(hedges_count)))                                                                         \
    X(hedges_won_total, COUNTER, OF_UPSTREAM, "",                                                     \
      "Requests that the second endpoint answered first", ONE(SUM(hedges_won_count)))

#define SUM(field) sum_of(policy, offsetof(struct policy_local, field))

#define OF_SHARD (LABEL_ROUTE, LABEL_SHARD)

#define SHARD_METRICS(X)                                                                        \
    X(shard_in_flight, GAUGE, OF_SHARD, "", "Exchanges in flight in a shard",                   \
      ONE(bound_used(&shard->gate.inside)))                                                     \
    X(shard_queued, GAUGE, OF_SHARD, "", "Exchanges in the queue of a shard",                   \
      ONE(bound_used(&shard->gate.waiting)))                                                    \
    X(shard_requests_total, COUNTER, OF_SHARD, "", "Requests of a shard that its rate allowed", \
      ONE(stat_read(&shard->requests_count)))                                                   \
    X(shard_retries_total, COUNTER, OF_SHARD, "", "Retries of a shard's requests",              \
      ONE(stat_read(&shard->retries_count)))                                                    \
    X(shard_refused_total, COUNTER, OF_SHARD, "",                                               \
      "Requests that a shard's rate or its queue refused",                                      \
      ONE(stat_read(&shard->rate_refused_count) + bound_refused(&shard->gate.waiting)))

#define RATE_METRICS(X)                                                                          \
    X(rate_keys, GAUGE, (LABEL_ROUTE), "", "Keys of key_rate that have used part of their rate", \
      ONE(figures.used_count))                                                                   \
    X(rate_keys_limit, GAUGE, (LABEL_ROUTE), "", "Highest number of keys that are remembered",   \
      ONE(figures.room_count))                                                                   \
    X(rate_keys_pushed_out_total, COUNTER, (LABEL_ROUTE), "",                                    \
      "Keys that were forgotten although they had used part of their rate",                      \
      ONE(figures.pushed_out_count))

enum { POLICY_METRICS(METRIC_ID_OF_ROW) };
enum { SHARD_METRICS(METRIC_ID_OF_ROW) };
enum { RATE_METRICS(METRIC_ID_OF_ROW) };
static const struct metric policy_metrics[] = {POLICY_METRICS(METRIC_OF_ROW)};
static const struct metric shard_metrics[] = {SHARD_METRICS(METRIC_OF_ROW)};
static const struct metric rate_metrics[] = {RATE_METRICS(METRIC_OF_ROW)};

/* ---- upstreams ---- */

static uint64_t sum_of(const struct upstream_policy *policy, size_t at)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < policy->worker_count; i++) {
        const char *local = (const char *)&policy->locals[i];
        sum += stat_read((const uint64_t *)(const void *)(local + at));
    }
    return sum;
}

static void write_verdicts(const struct series *series, const struct upstream_policy *policy)
{
    uint64_t sums[RETRY_VERDICT_COUNT];
    for (size_t i = 0; i < RETRY_VERDICT_COUNT; i++) {
        sums[i] = sum_of(policy,
                         offsetof(struct policy_local, retries_by_verdict) + i * sizeof(uint64_t));
    }
    series_add_counts(series, sums, RETRY_VERDICT_COUNT);
}

static void write_upstream(const struct upstream *upstream, void *owner)
{
    struct series series = *(const struct series *)owner;
    const struct upstream_settings *of = upstream_settings_shown(upstream);
    if (of == NULL || !scrape_wants(series.scrape, upstream->name)) {
        return;
    }
    struct upstream_policy *policy = policy_of(upstream);
    uint64_t now_ms = loop_clock_ms(&(struct loop_clock){0});
    const struct breaker_figures breaker = breaker_figures(policy->breaker, &of->breaker, now_ms);
    const struct retry_budget_figures budget =
        retry_budget_figures(policy->budget, &of->retry, now_ms);
    series.labels[0] = upstream->name;
    switch (series.metric - policy_metrics) {
        POLICY_METRICS(METRIC_CASE_OF_ROW)
    }
}

static void write_policies(struct scrape *scrape, const struct metric *metric)
{
    struct series series = {scrape, metric, {NULL}};
    pools_each_upstream(scrape->overview->pools, write_upstream, &series);
}

/* ---- routes ---- */

static void write_shard(const struct shard *shard, struct series series)
{
    switch (series.metric - shard_metrics) {
        SHARD_METRICS(METRIC_CASE_OF_ROW)
    }
}

static void write_shards(struct scrape *scrape, const struct metric *metric)
{
    const struct overview *overview = scrape->overview;
    for (size_t i = 0; i < overview->route_count; i++) {
        const struct shard_set *set = overview->routes[i].admission->shards;
        for (size_t k = 0; set != NULL && k < set->count; k++) {
            char number[24];
            snprintf(number, sizeof number, "%zu", k);
            write_shard(&set->shards[k],
                        (struct series){scrape, metric, {overview->routes[i].name, number}});
        }
    }
}

/* False: the route has no rate of keys. */
static bool key_figures(const struct admission *admission, uint64_t now_us,
                        struct key_buckets_figures *ret_figures)
{
    const struct admission_leases *leases = admission->leases[ADMISSION_RATE_KEY];
    if (leases != NULL) {
        const struct rate_leases_figures figures = rate_leases_figures(leases->table, now_us);
        *ret_figures = (struct key_buckets_figures){figures.room_count, figures.pushed_out_count,
                                                    figures.used_count};
    } else if (admission->keys != NULL) {
        *ret_figures = key_buckets_figures(admission->keys->buckets, now_us);
    }
    return leases != NULL || admission->keys != NULL;
}

static void write_rates(struct scrape *scrape, const struct metric *metric)
{
    const struct overview *overview = scrape->overview;
    uint64_t now_us = loop_clock_now_us();
    for (size_t i = 0; i < overview->route_count; i++) {
        struct key_buckets_figures figures;
        if (!key_figures(overview->routes[i].admission, now_us, &figures)) {
            continue;
        }
        const struct series series = {scrape, metric, {overview->routes[i].name}};
        switch (metric - rate_metrics) {
            RATE_METRICS(METRIC_CASE_OF_ROW)
        }
    }
}

const struct metric_group metrics_policy =
    METRIC_GROUP_KEPT("Breakers, retries and hedges",
                      "When shortened, only the series of the present state is written.",
                      policy_metrics, SCOPE_UPSTREAM, 1, write_policies);
const struct metric_group metrics_shards =
    METRIC_GROUP("Shards", "Of routes with `shards`.", shard_metrics, SCOPE_OTHER, write_shards);
const struct metric_group metrics_rates = METRIC_GROUP("Rates by key", "Of routes with `key_rate`.",
                                                       rate_metrics, SCOPE_OTHER, write_rates);
