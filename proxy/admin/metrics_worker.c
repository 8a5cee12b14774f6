/* What workers count, summed over all of them: clients, exchanges and bytes. */
#include <stdio.h>
#include <time.h>

#include "proxy/admin/scrape.h"

#define GAUGE_METRICS(X)                                                                          \
    X(workers, GAUGE, (), "", "Worker threads", ONE(overview->worker_count))                      \
    X(clients_open, GAUGE, (), "", "Client connections open", ONE(SUM(clients_open)))             \
    X(clients_idle, GAUGE, (), "", "Client connections between requests", ONE(SUM(clients_idle))) \
    X(tunnels_open, GAUGE, (), "", "Upgraded connections open", ONE(SUM(tunnels_open)))

#define SUM(field) overview_sum(overview, offsetof(struct worker_stats, field))
#define COUNTER_OF_ROW(id, name, unit, help) {name, METRIC_COUNTER, {LABEL_NONE}, unit, help},
#define PLACE_OF_ROW(id, name, unit, help) offsetof(struct worker_stats, id),

#define CPU_METRICS(X)                                              \
    X(worker_cpu_seconds_total, COUNTER, (LABEL_WORKER), "seconds", \
      "CPU time of a worker's thread; at a rate of 1 the worker is fully used", ONE(cpu_s))

#define AGENT_METRICS(X)                                             \
    X(requests_by_user_agent_total, COUNTER, (LABEL_USER_AGENT), "", \
      "Requests, by what their User-Agent says of itself", write_kinds(&series))

enum { AGENT_METRICS(METRIC_ID_OF_ROW) };
static const struct metric agent_metrics[] = {AGENT_METRICS(METRIC_OF_ROW)};
enum { CPU_METRICS(METRIC_ID_OF_ROW) };
static const struct metric cpu_metrics[] = {CPU_METRICS(METRIC_OF_ROW)};
enum { GAUGE_METRICS(METRIC_ID_OF_ROW) };
static const struct metric gauges[] = {GAUGE_METRICS(METRIC_OF_ROW)};
static const struct metric counters[] = {WORKER_COUNTERS(COUNTER_OF_ROW)};
static const size_t places[] = {WORKER_COUNTERS(PLACE_OF_ROW)};

uint64_t overview_sum(const struct overview *overview, size_t at)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < overview->worker_count; i++) {
        const char *stats = (const char *)overview->workers[i];
        sum += stat_read((const uint64_t *)(const void *)(stats + at));
    }
    return sum;
}

static void write_gauge(struct scrape *scrape, const struct metric *metric)
{
    const struct overview *overview = scrape->overview;
    const struct series series = {scrape, metric, {NULL}};
    switch (metric - gauges) {
        GAUGE_METRICS(METRIC_CASE_OF_ROW)
    }
}

static void write_counter(struct scrape *scrape, const struct metric *metric)
{
    const struct series series = {scrape, metric, {NULL}};
    ONE(overview_sum(scrape->overview, places[metric - counters]));
}

static void write_cpu(struct scrape *scrape, const struct metric *metric)
{
    const struct overview *overview = scrape->overview;
    for (unsigned i = 0; i < overview->worker_count; i++) {
        clockid_t clock = __atomic_load_n(&overview->workers[i]->cpu_clock, __ATOMIC_RELAXED);
        struct timespec time;
        char number[12];
        snprintf(number, sizeof number, "%u", i);
        struct series series = {scrape, metric, {number}};
        if (clock == 0 || clock_gettime(clock, &time) != 0) {
            continue; /* the thread does not run yet, or no longer */
        }
        double cpu_s = (double)time.tv_sec + (double)time.tv_nsec / 1e9;
        switch (metric - cpu_metrics) {
            CPU_METRICS(METRIC_CASE_OF_ROW)
        }
    }
}

/* None before the first request that was counted. */
static void write_kinds(const struct series *series)
{
    uint64_t sums[USER_AGENT_COUNT];
    for (size_t i = 0; i < USER_AGENT_COUNT; i++) {
        sums[i] = overview_sum(series->scrape->overview,
                               offsetof(struct worker_stats, by_user_agent) + i * sizeof sums[0]);
    }
    series_add_seen(series, sums, USER_AGENT_COUNT);
}

static void write_agents(struct scrape *scrape, const struct metric *metric)
{
    const struct series series = {scrape, metric, {NULL}};
    switch (metric - agent_metrics) {
        AGENT_METRICS(METRIC_CASE_OF_ROW)
    }
}

const struct metric_group metrics_agents = METRIC_GROUP(
    "User agents", "If `metrics.user_agents` is set.", agent_metrics, SCOPE_PROCESS, write_agents);
const struct metric_group metrics_cpu =
    METRIC_GROUP("Workers", "Each worker by itself.", cpu_metrics, SCOPE_PROCESS, write_cpu);
const struct metric_group metrics_clients =
    METRIC_GROUP("Connections now", "All workers together.", gauges, SCOPE_PROCESS, write_gauge);
const struct metric_group metrics_workers = METRIC_GROUP(
    "Traffic", "Since the start, all workers together.", counters, SCOPE_PROCESS, write_counter);
