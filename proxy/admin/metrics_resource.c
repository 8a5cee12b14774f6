/* Bounded resources, and the log. */
#include <string.h>

#include "proxy/admin/scrape.h"

#define OF_BOUND (LABEL_BOUND, LABEL_BOUND_DETAIL)

#define BOUND_METRICS(X)                                                                        \
    X(bound_used, GAUGE, OF_BOUND, "", "Current use of a bounded resource",                     \
      ONE(bound_used(bound)))                                                                   \
    X(bound_limit, GAUGE, OF_BOUND, "", "Limit of a bounded resource", ONE(bound_limit(bound))) \
    X(bound_peak, GAUGE, OF_BOUND, "", "Highest use of a bounded resource since the start",     \
      ONE(bound_peak(bound)))                                                                   \
    X(bound_refused_total, COUNTER, OF_BOUND, "",                                               \
      "Requests that a limit refused; those that wait and are served count as none",            \
      ONE(bound_refused(bound)))

#define OF_LOG (LABEL_LOG)

#define LOG_METRICS(X)                                                                           \
    X(log_lines_total, COUNTER, OF_LOG, "", "Lines that found a place in a log's queue",         \
      ONE(figures.lines))                                                                        \
    X(log_dropped_total, COUNTER, OF_LOG, "",                                                    \
      "Lines lost: the log's queue was full, or the process ended before they could be written", \
      ONE(figures.dropped))                                                                      \
    X(log_write_errors_total, COUNTER, OF_LOG, "", "Failed writes, opens and rotations",         \
      ONE(figures.write_errors))                                                                 \
    X(log_written_bytes_total, COUNTER, OF_LOG, "bytes", "Bytes written", ONE(figures.bytes))    \
    X(log_rotations_total, COUNTER, OF_LOG, "", "Files rotated", ONE(figures.rotations))

enum { BOUND_METRICS(METRIC_ID_OF_ROW) };
enum { LOG_METRICS(METRIC_ID_OF_ROW) };
static const struct metric bound_metrics[] = {BOUND_METRICS(METRIC_OF_ROW)};
static const struct metric log_metrics[] = {LOG_METRICS(METRIC_OF_ROW)};

static void write_bound(struct scrape *scrape, const struct metric *metric,
                        const struct bound *bound)
{
    const struct series series = {scrape, metric, {bound->name, bound->detail}};
    switch (metric - bound_metrics) {
        BOUND_METRICS(METRIC_CASE_OF_ROW)
    }
}

/* Whether the detail is that of the upstream ("app") or of one of its endpoints ("app/10.0.0.7:8080"). */
static bool is_of(const char *detail, const char *upstream)
{
    size_t bytes = strlen(upstream);
    return strncmp(detail, upstream, bytes) == 0 && (detail[bytes] == '\0' || detail[bytes] == '/');
}

/* If there are too many bounds, those that were never half full are left out. */
static bool is_wanted(const struct scrape *scrape, const struct bound *bound)
{
    if (scrape->only != NULL) {
        return is_of(bound->detail, scrape->only);
    }
    return !scrape_is_short(scrape) ||
           bound_peak(bound) >= bound_limit(bound) - bound_limit(bound) / 2 ||
           bound_refused(bound) > 0;
}

/* The bounds of the process come first. */
static void write_bounds(struct scrape *scrape, const struct metric *metric)
{
    const struct bound *bound;
    scrape->of_process = true;
    TAILQ_FOREACH (bound, &scrape->overview->registry->bounds, link) {
        if (bound->detail == NULL && scrape->only == NULL) {
            write_bound(scrape, metric, bound);
        }
    }
    scrape->of_process = false;
    TAILQ_FOREACH (bound, &scrape->overview->registry->bounds, link) {
        if (bound->detail != NULL && is_wanted(scrape, bound)) {
            write_bound(scrape, metric, bound);
        }
    }
}

static void write_log(struct scrape *scrape, const struct metric *metric)
{
    static const char *const names[] = {ENUM_NAMES(LOG_NAMES)};
    for (unsigned name = 0; name < LOG_NAMES_COUNT; name++) {
        const struct series series = {scrape, metric, {names[name]}};
        struct log_sink_figures figures;
        log_figures(scrape->overview->log, (enum log_name)name, &figures);
        switch (metric - log_metrics) {
            LOG_METRICS(METRIC_CASE_OF_ROW)
        }
    }
}

const struct metric_group metrics_bounds = METRIC_GROUP(
    "Bounded resources", "Every resource that has a limit; `/resources` shows the same as JSON.",
    bound_metrics, SCOPE_BOUND, write_bounds);
const struct metric_group metrics_log = METRIC_GROUP(
    "Logs", "Of the error log and of the access log.", log_metrics, SCOPE_PROCESS, write_log);
