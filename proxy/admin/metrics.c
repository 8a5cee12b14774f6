/* The metrics of every group, and those of the page itself. */
#include "proxy/admin/metrics.h"

#include "proxy/admin/scrape.h"
#include "steady/loop_clock.h"

/* Number of values of a fixed set that are expected to occur. */
#define SEEN_MOST 4

#define SCRAPE_METRICS(X)                                                                         \
    X(metric_series_dropped, GAUGE, (), "", "Series left out because there are too many of them", \
      ONE(scrape->dropped_count))                                                                 \
    X(metric_subjects_shortened, GAUGE, (), "",                                                   \
      "Groups of metrics that are written only in part because there are too many series; "       \
      "/metrics?upstream=NAME has all of one upstream",                                           \
      ONE(__builtin_popcount(scrape->shortened)))                                                 \
    X(scrape_duration_seconds, GAUGE, (), "seconds", "Time that this page took to write",         \
      ONE((double)(loop_clock_now_us() - scrape->began_us) / 1e6))                                \
    X(metric_series, GAUGE, (), "", "Series on this page, this one included",                     \
      ONE(scrape->series_count + 1))

enum { SCRAPE_METRICS(METRIC_ID_OF_ROW) };
static const struct metric metrics[] = {SCRAPE_METRICS(METRIC_OF_ROW)};

static void write_scrape(struct scrape *scrape, const struct metric *metric)
{
    const struct series series = {scrape, metric, {NULL}};
    switch (metric - metrics) {
        SCRAPE_METRICS(METRIC_CASE_OF_ROW)
    }
}

const struct metric_group metrics_scrape = METRIC_GROUP(
    "The page", "Metrics about the page of metrics itself.", metrics, SCOPE_PROCESS, write_scrape);

const struct metric_group *const metric_groups[] = {&metrics_process,
                                                    &metrics_workers,
                                                    &metrics_cpu,
                                                    &metrics_clients,
                                                    &metrics_agents,
                                                    &metrics_http2,
                                                    &metrics_listeners,
                                                    &metrics_sessions,
                                                    &metrics_lookups,
                                                    &metrics_log,
                                                    &metrics_tracing,
                                                    &metrics_bounds,
                                                    &metrics_drift,
                                                    &metrics_fleet,
                                                    &metrics_watch,
                                                    &metrics_upstreams,
                                                    &metrics_traffic,
                                                    &metrics_capacity,
                                                    &metrics_policy,
                                                    &metrics_endpoints,
                                                    &metrics_endpoint_traffic,
                                                    &metrics_routes,
                                                    &metrics_shards,
                                                    &metrics_rates,
                                                    &metrics_fleet_rates,
                                                    &metrics_session_names,
                                                    &metrics_names,
                                                    &metrics_scrape,
                                                    NULL};

/* ---- what there is room for ---- */

static uint64_t items_of(const struct overview *overview, enum metric_scope scope)
{
    uint64_t count = 0;
    switch (scope) {
    case SCOPE_BOUND: return overview->registry->count;
    case SCOPE_UPSTREAM: return overview->settings->upstream_count;
    case SCOPE_ROUTE: return overview->route_count;
    case SCOPE_ENDPOINT:
        for (size_t i = 0; i < overview->settings->upstream_count; i++) {
            count += overview->settings->upstreams[i].endpoint_count;
        }
        return count;
    case SCOPE_PROCESS:
    case SCOPE_OTHER:
    case METRIC_SCOPE_COUNT: break;
    }
    return 0;
}

/* Expected number of series of a metric for one item. Most values of a long set never occur. */
static uint64_t series_of(const struct metric *metric, size_t edges_count)
{
    uint64_t count = 1;
    for (size_t i = 0; i < METRIC_LABELS_MAX && metric->labels[i] != LABEL_NONE; i++) {
        size_t words = metric_label_rows[metric->labels[i]].word_count;
        count = words == 0 ? count : words < SEEN_MOST ? words : SEEN_MOST;
    }
    return metric->type == METRIC_HISTOGRAM ? count * (edges_count + 3) : count;
}

static uint64_t series_upto(const struct metric_group *group, size_t metric_count,
                            size_t edges_count)
{
    uint64_t count = 0;
    for (size_t i = 0; i < metric_count; i++) {
        count += series_of(&group->metrics[i], edges_count);
    }
    return count;
}

/* What is left out depends only on the configuration: while that is the same, no series comes or goes. */
struct plan {
    uint64_t planned_count;
    /* by group: number of series that leaving out the optional ones would save */
    uint64_t spared_counts[32];
};

static struct plan plan_of(const struct overview *overview)
{
    struct plan plan = {.planned_count = 0};
    size_t edges_count = overview->settings->admin.buckets_count;
    for (size_t g = 0; metric_groups[g] != NULL; g++) {
        const struct metric_group *group = metric_groups[g];
        uint64_t items = items_of(overview, group->scope);
        uint64_t all = items * series_upto(group, group->count, edges_count);
        bool few = group->scope == SCOPE_BOUND; /* hardly any of them is near its limit */
        plan.planned_count += all;
        plan.spared_counts[g] =
            all - (few ? 0 : items * series_upto(group, group->kept_count, edges_count));
    }
    return plan;
}

static uint32_t shortened(const struct overview *overview)
{
    struct plan plan = plan_of(overview);
    uint32_t bits = 0;
    while (plan.planned_count > METRICS_SERIES_MAX) {
        size_t most = 0;
        for (size_t g = 1; metric_groups[g] != NULL; g++) {
            most = plan.spared_counts[g] > plan.spared_counts[most] ? g : most;
        }
        if (plan.spared_counts[most] == 0) {
            break;
        }
        bits |= UINT32_C(1) << most;
        plan.planned_count -= plan.spared_counts[most];
        plan.spared_counts[most] = 0;
    }
    return bits;
}

bool scrape_is_short(const struct scrape *scrape)
{
    return (scrape->shortened >> scrape->group & 1) != 0;
}

/* ---- the page ---- */

/* A page about one upstream contains the metrics of upstreams and those of the page. */
static bool is_wanted(const struct scrape *scrape, const struct metric_group *group)
{
    return scrape->only == NULL || group == &metrics_scrape || group->scope == SCOPE_BOUND ||
           group->scope == SCOPE_UPSTREAM || group->scope == SCOPE_ENDPOINT;
}

static void write_metric(struct scrape *scrape, const struct metric *metric)
{
    scrape_head(scrape, metric);
    metric_groups[scrape->group]->write(scrape, metric);
}

/* Writes the next metric as a whole, because the format requires its samples together. */
static void write_next(struct scrape *scrape)
{
    const struct metric_group *group = metric_groups[scrape->group];
    size_t count = scrape_is_short(scrape) ? group->kept_count : group->count;
    if (scrape->metric < count && is_wanted(scrape, group)) {
        scrape->of_process = group->scope == SCOPE_PROCESS;
        write_metric(scrape, &group->metrics[scrape->metric++]);
    } else {
        scrape->group++;
        scrape->metric = 0;
    }
}

static void take_edges(struct scrape *scrape, const struct admin_settings *settings)
{
    scrape->edges_count = settings->buckets_count;
    for (size_t i = 0; i < settings->buckets_count; i++) {
        scrape->edges_us[i] = settings->buckets_us[i];
    }
}

static bool write_metrics(struct page *page)
{
    struct scrape *scrape = &page->scrape;
    scrape->overview = page->overview;
    if (scrape->began_us == 0) {
        scrape->began_us = loop_clock_now_us();
        take_edges(scrape, &page->overview->settings->admin);
        scrape->only = page->only[0] != '\0' ? page->only : NULL;
        scrape->shortened = scrape->only == NULL ? shortened(page->overview) : 0;
        pools_publish(page->overview->pools);
    }
    bool time = true;
    for (; metric_groups[scrape->group] != NULL && time; time = page_has_time(page)) {
        write_next(scrape);
    }
    return metric_groups[scrape->group] == NULL;
}

page_part_fn *const metrics_page[] = {write_metrics, NULL};
