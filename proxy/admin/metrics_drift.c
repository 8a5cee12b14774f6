/* Drift, and the capacity of upstreams. */
#include "proxy/admin/drift_book.h"
#include "proxy/admin/scrape.h"
#include "proxy/policy/policy.h"

#define OF_FIGURE (LABEL_RESOURCE, LABEL_FIGURE, LABEL_BOUND_DETAIL)

#define DRIFT_METRICS(X)                                                                          \
    X(drifting, GAUGE, OF_FIGURE, "",                                                             \
      "1 while the figure grows although nothing explains it: /drift says more",                  \
      ONE(item->drift.state == DRIFT_DRIFTING))                                                   \
    X(drift_slope_per_hour, GAUGE, OF_FIGURE, "",                                                 \
      "By how much the figure grows in an hour, steps and spikes left out; NaN: too few samples", \
      ONE(estimate.slope * 3600e3 / interval_ms))                                                 \
    X(drift_left_seconds, GAUGE, OF_FIGURE, "seconds",                                            \
      "Time until the figure meets its limit at this slope; +Inf: it does not come nearer",       \
      ONE(estimate.left_ticks *interval_ms / 1e3))

#define WATCH_METRICS(X)                                                  \
    X(drift_figures, GAUGE, (), "", "Figures that are watched for drift", \
      ONE(book != NULL ? drift_book_count(book) : 0))

#define OF_UPSTREAM (LABEL_UPSTREAM)

#define CAPACITY_METRICS(X)                                                                        \
    X(upstream_utilisation_ratio, GAUGE, OF_UPSTREAM, "",                                          \
      "Answers per second, as part of the upstream's capacity: 1 is all that it can do",           \
      ONE(little->utilisation))                                                                    \
    X(upstream_capacity_per_second, GAUGE, OF_UPSTREAM, "",                                        \
      "Answers per second that limits.in_flight allows at the present median time of an answer "   \
      "(Little's law); 0: unknown",                                                                \
      ONE(little->capacity))                                                                       \
    X(upstream_answers_per_second, GAUGE, OF_UPSTREAM, "",                                         \
      "Answers per second since the last sample (drift.interval)", ONE(little->rate))              \
    X(upstream_median_seconds, GAUGE, OF_UPSTREAM, "seconds",                                      \
      "Median time of an answer's head from the upstream, without queue; 0: unknown",              \
      ONE(service.median_us / 1e6))                                                                \
    X(upstream_p99_seconds, GAUGE, OF_UPSTREAM, "seconds",                                         \
      "0.99 quantile of that time; 0: unknown", ONE(service.most_us / 1e6))                        \
    X(upstream_phase, GAUGE, (LABEL_UPSTREAM, LABEL_PHASE), "",                                    \
      "1 for the phase in which the upstream is: more load brings as many more answers (linear), " \
      "fewer (sub_linear), or none (saturated)",                                                   \
      STATE(little->phase, LITTLE_PHASE_COUNT))

enum { DRIFT_METRICS(METRIC_ID_OF_ROW) };
enum { WATCH_METRICS(METRIC_ID_OF_ROW) };
enum { CAPACITY_METRICS(METRIC_ID_OF_ROW) };
static const struct metric drift_metrics[] = {DRIFT_METRICS(METRIC_OF_ROW)};
static const struct metric watch_metrics[] = {WATCH_METRICS(METRIC_OF_ROW)};
static const struct metric capacity_metrics[] = {CAPACITY_METRICS(METRIC_OF_ROW)};

static void write_item(struct scrape *scrape, const struct metric *metric,
                       const struct drift_book *book, const struct drift_item *item)
{
    const struct series series = {
        scrape, metric, {resource_name(item->resource), item->name, item->detail}};
    double interval_ms = (double)drift_book_interval_ms(book);
    struct drift_estimate estimate = {0};
    if (metric != &drift_metrics[METRIC_drifting]) {
        estimate = drift_book_estimate(book, item);
    }
    switch (metric - drift_metrics) {
        DRIFT_METRICS(METRIC_CASE_OF_ROW)
    }
}

/* There are few, whatever the configuration. */
static void write_drift(struct scrape *scrape, const struct metric *metric)
{
    const struct drift_book *book = scrape->overview->drift;
    for (size_t i = 0; book != NULL && i < drift_book_count(book); i++) {
        const struct drift_item *item = drift_book_at(book, i);
        if (item->follows != FOLLOWS_FULL) {
            write_item(scrape, metric, book, item);
        }
    }
}

static void write_watch(struct scrape *scrape, const struct metric *metric)
{
    const struct series series = {scrape, metric, {NULL}};
    const struct drift_book *book = scrape->overview->drift;
    switch (metric - watch_metrics) {
        WATCH_METRICS(METRIC_CASE_OF_ROW)
    }
}

static void write_upstream(const struct upstream *upstream, void *owner)
{
    struct series series = *(const struct series *)owner;
    if (!scrape_wants(series.scrape, upstream->name)) {
        return;
    }
    const struct little *little = &policy_of(upstream)->little;
    const struct service_figures service = policy_service(upstream);
    series.labels[0] = upstream->name;
    switch (series.metric - capacity_metrics) {
        CAPACITY_METRICS(METRIC_CASE_OF_ROW)
    }
}

static void write_capacity(struct scrape *scrape, const struct metric *metric)
{
    struct series series = {scrape, metric, {NULL}};
    pools_each_upstream(scrape->overview->pools, write_upstream, &series);
}

const struct metric_group metrics_drift = METRIC_GROUP(
    "Drift",
    "What grows although nothing explains it. All bounds and figures of the process have a history, and "
    "those upstreams, endpoints and shards that are used most; `/drift` shows the same as JSON.",
    drift_metrics, SCOPE_PROCESS, write_drift);
const struct metric_group metrics_watch = METRIC_GROUP(
    "The watch over drift", "How much is watched.", watch_metrics, SCOPE_PROCESS, write_watch);
const struct metric_group metrics_capacity =
    METRIC_GROUP_KEPT("Capacity of upstreams", "By Little's law, at each drift.interval.",
                      capacity_metrics, SCOPE_UPSTREAM, 1, write_capacity);
