/*
 * A request with spans for the collector: its head, what stands around the spans (OTLP's ExportTraceServiceRequest in JSON), and spans.
 *
 * Owns its memory. Thread: control. Errors: false: no memory. Spec: OTLP 1.3, RFC 9112 3.
 */
#ifndef EVENKEEL_PROXY_TRACE_BATCH_H
#define EVENKEEL_PROXY_TRACE_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "conf/settings.h"

/* The most bytes of spans of a request. */
#define BATCH_SPANS_BYTES ((size_t)1024 * 1024)
#define BATCH_PIECES 4

struct span_rings;

/* Who sends. */
struct batch_source {
    const char *version;
    const char *host;
    char instance[33]; /* random, in hex */
    uint32_t pid;
};

struct batch {
    char *spans; /* BATCH_SPANS_BYTES; NULL: not open */
    size_t spans_bytes;
    uint64_t count; /* of spans; 0: the batch is empty */
    char head[2048];
    char before[4096];
    size_t head_bytes, before_bytes;
};

__attribute__((warn_unused_result)) bool batch_open(struct batch *batch);
void batch_release(struct batch *batch);

/* What stands around the spans, from now on. */
void batch_describe(struct batch *batch, const struct batch_source *source,
                    const struct tracing_settings *settings);
/* Fills an empty one. */
void batch_fill(struct batch *batch, struct span_rings *rings, uint64_t most);
void batch_empty(struct batch *batch);
/* The request, as it is sent. */
void batch_pieces(struct batch *batch, const struct tracing_settings *settings, const char *version,
                  struct iovec ret_pieces[BATCH_PIECES]);

/* How many spans the collector says that it does not take, in an answer of success (partialSuccess). */
uint64_t batch_rejected(const char *answer, size_t bytes);

#endif
