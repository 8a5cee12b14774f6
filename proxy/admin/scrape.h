/*
 * A scrape: samples in the text format of Prometheus, as many series as fit below METRICS_SERIES_MAX and METRICS_BYTES_MAX.
 *
 * Owns nothing: writes to a buffer. Thread: control. Errors: what does not fit is left out and counted; what the process as a whole
 * has always fits. Spec: Prometheus text format 0.0.4.
 */
#ifndef EVENKEEL_PROXY_ADMIN_SCRAPE_H
#define EVENKEEL_PROXY_ADMIN_SCRAPE_H

#include <event2/buffer.h>
#include <stdbool.h>
#include <stdint.h>

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
    const char *only;     /* everything about this upstream, and nothing else; NULL: the page */
    uint32_t shortened;   /* a bit per group: too many series, only what is kept is written */
    size_t group, metric; /* what is written next: of metric_groups, and of the group */
    bool of_process;      /* what is added is never left out */
    uint64_t series_count, dropped_count;
};

/* Only what is kept of the group is written. */
bool scrape_is_short(const struct scrape *scrape);
/* Whether the page is about this upstream. */
bool scrape_wants(const struct scrape *scrape, const char *upstream);

/* The samples of a metric that share label values; values may hold any byte. */
struct series {
    struct scrape *scrape;
    const struct metric *metric;
    const char *labels[METRIC_LABELS_MAX];
};

/* Upper edges of the buckets in microseconds: each is moved to the end of the histogram's bucket it falls into. */
#define SCRAPE_EDGES_COUNT 16
extern const uint64_t scrape_edges_us[SCRAPE_EDGES_COUNT];

/* The sum over all workers of the counter at this place of struct worker_stats. */
uint64_t overview_sum(const struct overview *overview, size_t at);

/* HELP and TYPE. */
void scrape_head(struct scrape *scrape, const struct metric *metric);

void series_add(const struct series *series, double value);
/* One sample for each value of the metric's last label, which is a closed set of `count`. */
void series_add_counts(const struct series *series, const uint64_t *counts, size_t count);
/* Likewise, without those that are 0: of sets that would be most of the page. */
void series_add_seen(const struct series *series, const uint64_t *counts, size_t count);
/* 1 for the state that holds, 0 for the others. */
void series_add_state(const struct series *series, size_t state, size_t count);
/* In seconds, of what was recorded in microseconds. */
void series_add_histogram(const struct series *series, const struct histogram *histogram);

/* What the rows of a table say; `series` is the variable of the function they become cases of. */
#define ONE(value) series_add(&series, (double)(value))
#define EACH(...) COUNTS(((const uint64_t[]){__VA_ARGS__}))
#define COUNTS(counts) series_add_counts(&series, counts, sizeof counts / sizeof counts[0])
#define SEEN(counts) series_add_seen(&series, counts, sizeof counts / sizeof counts[0])
#define STATE(state, count) series_add_state(&series, state, count)

#endif
