/* Tracing. */
#include "proxy/admin/scrape.h"
#include "proxy/trace/trace_figures.h"

#define TRACING_METRICS(X)                                                                  \
    X(trace_spans_sent_total, COUNTER, (), "", "Spans that the collector has taken",        \
      ONE(figures->sent_count))                                                             \
    X(trace_spans_dropped_total, COUNTER, (LABEL_TRACE_LOSS), "", "Spans that nobody gets", \
      COUNTS(figures->lost_counts))                                                         \
    X(trace_exports_total, COUNTER, (LABEL_EXPORT_RESULT), "", "Requests to the collector", \
      COUNTS(figures->export_counts))

enum { TRACING_METRICS(METRIC_ID_OF_ROW) };
static const struct metric metrics[] = {TRACING_METRICS(METRIC_OF_ROW)};

static void write_tracing(struct scrape *scrape, const struct metric *metric)
{
    static const struct trace_figures none;
    const struct trace_figures *figures =
        scrape->overview->traces != NULL ? scrape->overview->traces : &none;
    const struct series series = {scrape, metric, {NULL}};
    switch (metric - metrics) {
        TRACING_METRICS(METRIC_CASE_OF_ROW)
    }
}

const struct metric_group metrics_tracing =
    METRIC_GROUP("Tracing", "Spans on their way to the collector of `tracing.endpoint`.", metrics,
                 SCOPE_PROCESS, write_tracing);
