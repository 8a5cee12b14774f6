/*
 * Counts of spans and of requests to the collector.
 *
 * Owns nothing. Thread: control.
 */
#ifndef EVENKEEL_PROXY_TRACE_TRACE_FIGURES_H
#define EVENKEEL_PROXY_TRACE_TRACE_FIGURES_H

#include <stdint.h>

#include "steady/enum_names.h"

/* What became of spans that nobody got. */
#define TRACE_LOSSES(X)                                                                 \
    X(TRACE_LOSS_QUEUE, "queue_full")           /* there was no room, or no memory */   \
    X(TRACE_LOSS_COLLECTOR, "collector_failed") /* it did not take them for too long */ \
    X(TRACE_LOSS_REFUSED, "collector_refused")  /* it said that it never will */        \
    X(TRACE_LOSS_END, "end")                    /* the process ended, or tracing was switched off */
enum trace_loss { ENUM_VALUES(TRACE_LOSSES) TRACE_LOSS_COUNT };

/* How a request to the collector ended. */
#define EXPORT_RESULTS(X)                                                                        \
    X(EXPORT_TAKEN, "taken")                                                                     \
    X(EXPORT_PUT_OFF, "put_off") /* 429, 502, 503, 504: it is asked again (OTLP, "Retryable") */ \
    X(EXPORT_REFUSED, "refused") /* another status */                                            \
    X(EXPORT_FAILED, "failed")   /* no answer */
enum export_result { ENUM_VALUES(EXPORT_RESULTS) EXPORT_RESULT_COUNT };

struct trace_figures {
    uint64_t sent_count;
    uint64_t lost_counts[TRACE_LOSS_COUNT];
    uint64_t export_counts[EXPORT_RESULT_COUNT];
};

#endif
