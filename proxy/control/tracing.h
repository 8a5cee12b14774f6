/*
 * Tracing: takes finished spans from the workers' rings and sends them to the collector, in batches.
 *
 * One batch is under way at a time. What the collector does not take now is sent again, later and later, and dropped in the end; what
 * waits meanwhile is in the rings, which are bounded. Nothing here delays a request, and the end of the process only for
 * TRACING_FLUSH_MS.
 *
 * Owns: the rings, the batch, the connection to the collector. Thread: control. Time base: CLOCK_MONOTONIC, ms. Errors: counted, and
 * told in the log at most once a minute. Spec: OTLP 1.3 over HTTP, JSON.
 */
#ifndef EVENKEEL_PROXY_CONTROL_TRACING_H
#define EVENKEEL_PROXY_CONTROL_TRACING_H

#include <stdbool.h>
#include <stddef.h>

struct control;
struct settings;
struct span_rings;
struct trace_figures;

/* To be called before there are workers. False: no memory. */
__attribute__((warn_unused_result)) bool tracing_create(struct control *control);
void tracing_free(struct control *control);
struct span_rings *tracing_rings(const struct control *control);
const struct trace_figures *tracing_figures(const struct control *control);

/* Reads the files that settings name. False: they cannot be used, and `why` names key, file and cause. */
__attribute__((warn_unused_result)) bool tracing_prepare(struct control *control,
                                                         const struct settings *settings, char *why,
                                                         size_t why_bytes);
/* These settings, which were prepared, apply from now on; to be called before a worker adopts them. */
void tracing_use(struct control *control, struct settings *settings);

/* The process ends: sends what waits, if the collector takes it at once. */
void tracing_flush(struct control *control);

#endif
