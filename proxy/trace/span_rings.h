/*
 * Finished spans on their way from the workers to the control thread: a ring for each worker, with whole lines (span.h).
 *
 * Owns the rings' memory, which they get when spans are first wanted, and keep; and the bound trace_queue_bytes, whose refusals are the
 * spans that found no place. Thread: a worker puts into its own ring; the control thread does the rest. No lock. Errors: none: a span
 * without a place is dropped and counted.
 */
#ifndef EVENKEEL_PROXY_TRACE_SPAN_RINGS_H
#define EVENKEEL_PROXY_TRACE_SPAN_RINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "steady/bound.h"

#define SPAN_RING_BYTES ((size_t)1024 * 1024)

struct span_rings;
struct trace_span;

/* NULL: no memory. */
struct span_rings *span_rings_create(unsigned worker_count, struct bound_registry *registry);
/* No worker runs any more. NULL is fine. */
void span_rings_free(struct span_rings **rings);

/* To be called before a worker learns that it may put something. False: no memory. */
__attribute__((warn_unused_result)) bool span_rings_open(struct span_rings *rings);

/* On a worker. */
void span_rings_put(struct span_rings *rings, unsigned worker, const struct trace_span *span);
/* A span could not be made. */
void span_rings_lose(struct span_rings *rings, uint64_t count);

/* Publishes how many bytes wait. */
void span_rings_look(struct span_rings *rings);
/* How many spans wait. */
uint64_t span_rings_waiting(const struct span_rings *rings);
/* Moves up to `most` spans into the space, with a comma in place of each line break; returns how many. */
uint64_t span_rings_take(struct span_rings *rings, char *space, size_t space_bytes, uint64_t most,
                         size_t *ret_bytes);
uint64_t span_rings_lost(const struct span_rings *rings);

#endif
