/* What workers count, summed over all of them: clients, exchanges and bytes. */
#include "proxy/admin/scrape.h"

#define GAUGE_METRICS(X)                                                                          \
    X(workers, GAUGE, (), "", "Worker threads", ONE(overview->worker_count))                      \
    X(clients_open, GAUGE, (), "", "Client connections open", ONE(SUM(clients_open)))             \
    X(clients_idle, GAUGE, (), "", "Client connections between requests", ONE(SUM(clients_idle))) \
    X(tunnels_open, GAUGE, (), "", "Upgraded connections open", ONE(SUM(tunnels_open)))

#define SUM(field) overview_sum(overview, offsetof(struct worker_stats, field))
#define COUNTER_OF_ROW(id, name, unit, help) {name, METRIC_COUNTER, {LABEL_NONE}, unit, help},
#define PLACE_OF_ROW(id, name, unit, help) offsetof(struct worker_stats, id),

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

const struct metric_group metrics_clients =
    METRIC_GROUP("Connections now", "All workers together.", gauges, SCOPE_PROCESS, write_gauge);
const struct metric_group metrics_workers = METRIC_GROUP(
    "Traffic", "Since the start, all workers together.", counters, SCOPE_PROCESS, write_counter);
