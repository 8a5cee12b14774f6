/*
 * A scrape: samples in the text format of Prometheus, as many series as fit into METRICS_SERIES_MAX and
 * METRICS_BYTES_MAX.
 *
 * Owns nothing: writes to a buffer. Thread: control. Errors: what does not fit is left out and counted; the metrics of
 * the process always fit. Spec: Prometheus text format 0.0.4.
 */
#ifndef EVENKEEL_PROXY_ADMIN_SCRAPE_H
#define EVENKEEL_PROXY_ADMIN_SCRAPE_H

#include <event2/buffer.h>
#include <stdbool.h>
#include <stdint.h>

#include "conf/admin_settings.h"
#include "proxy/admin/metric.h"
#include "proxy/admin/overview.h"
#include "steady/histogram.h"

/* Series beyond this are left out and counted in evenkeel_metric_series_dropped. */
#define METRICS_SERIES_MAX 100000
#define METRICS_BYTES_MAX 9500000

struct scrape {
    struct evbuffer *out;
    const struct overview *overview;
    uint64_t began_us;
    const char *only; /* only this upstream; NULL: the whole page */
    /* upper edges of buckets, ascending; copied, since a reload frees the settings while a page is written in slices */
    uint64_t edges_us[METRICS_BUCKETS_MOST];
    size_t edges_count;
    /* one bit for each group: there are too many series, so only the kept metrics are written */
    uint32_t shortened;
    size_t group, metric; /* what is written next: index in metric_groups, and in the group */
    bool of_process;      /* the series that are added are never left out */
    uint64_t series_count, dropped_count;
};

/* Whether only the kept metrics of the group are written. */
bool scrape_is_short(const struct scrape *scrape);
/* Whether the page contains this upstream. */
bool scrape_wants(const struct scrape *scrape, const char *upstream);

/* The samples of a metric that share label values; values may hold any byte. */
struct series {
    struct scrape *scrape;
    const struct metric *metric;
    const char *labels[METRIC_LABELS_MAX];
};

/* The sum over all workers of the counter at this offset in struct worker_stats. */
uint64_t overview_sum(const struct overview *overview, size_t at);

/* HELP and TYPE. */
void scrape_head(struct scrape *scrape, const struct metric *metric);

void series_add(const struct series *series, double value);
/* Adds one sample for each value of the metric's last label, a fixed set of `count` values. */
void series_add_counts(const struct series *series, const uint64_t *counts, size_t count);
/* The same without samples that are 0, which would be most of the page for some sets. */
void series_add_seen(const struct series *series, const uint64_t *counts, size_t count);
/* Adds 1 for the current state, and 0 for the others; in a shortened subject only the current state. */
void series_add_state(const struct series *series, size_t state, size_t count);
/* In seconds, from samples in microseconds. Each edge is moved down to the end of a bucket of the histogram. */
void series_add_histogram(const struct series *series, const struct histogram *histogram);

/* The code of the rows of a table; `series` is a variable of the function whose cases they become. */
#define ONE(value) series_add(&series, (double)(value))
#define EACH(...) COUNTS(((const uint64_t[]){__VA_ARGS__}))
#define COUNTS(counts) series_add_counts(&series, counts, sizeof counts / sizeof counts[0])
#define SEEN(counts) series_add_seen(&series, counts, sizeof counts / sizeof counts[0])
#define STATE(state, count) series_add_state(&series, state, count)

#endif
