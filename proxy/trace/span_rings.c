/* Rings of the log's kind. */
#include "proxy/trace/span_rings.h"

#include <stdlib.h>
#include <string.h>

#include "proxy/log/log_ring.h"
#include "proxy/trace/span.h"
#include "steady/fault.h"

struct span_rings {
    struct bound bound;
    struct bound_registry *registry;
    unsigned worker_count;
    unsigned next;        /* whose turn it is to be read */
    uint64_t taken_count; /* of spans, ever */
    struct log_ring rings[];
};

/* ---- life ---- */

struct span_rings *span_rings_create(unsigned worker_count, struct bound_registry *registry)
{
    struct span_rings *rings;
    size_t bytes = sizeof *rings + worker_count * sizeof(struct log_ring);
    size_t step = _Alignof(struct log_ring);
    rings = fault_hits(FAULT_ALLOC) ? NULL : aligned_alloc(step, (bytes + step - 1) / step * step);
    if (rings == NULL) {
        return NULL;
    }
    memset(rings, 0, bytes);
    rings->worker_count = worker_count;
    rings->registry = registry;
    bound_init(&rings->bound, "trace_queue_bytes", NULL, worker_count * SPAN_RING_BYTES);
    bound_register(registry, &rings->bound);
    return rings;
}

void span_rings_free(struct span_rings **rings_pointer)
{
    struct span_rings *rings = *rings_pointer;
    if (rings == NULL) {
        return;
    }
    *rings_pointer = NULL;
    bound_remove(rings->registry, &rings->bound);
    for (unsigned i = 0; i < rings->worker_count; i++) {
        log_ring_release(&rings->rings[i]);
    }
    free(rings);
}

bool span_rings_open(struct span_rings *rings)
{
    for (unsigned i = 0; i < rings->worker_count; i++) {
        if (rings->rings[i].bytes == NULL && !log_ring_init(&rings->rings[i], SPAN_RING_BYTES)) {
            return false;
        }
    }
    return true;
}

/* ---- on a worker ---- */

void span_rings_lose(struct span_rings *rings, uint64_t count)
{
    bound_refuse(&rings->bound, count);
}

void span_rings_put(struct span_rings *rings, unsigned worker, const struct trace_span *span)
{
    char line[SPAN_LINE_BYTES];
    struct log_ring *ring = &rings->rings[worker];
    if (ring->bytes == NULL || !log_ring_put(ring, line, span_write(span, line))) {
        span_rings_lose(rings, 1);
    }
}

/* ---- on the control thread ---- */

void span_rings_look(struct span_rings *rings)
{
    size_t used = 0;
    for (unsigned i = 0; i < rings->worker_count; i++) {
        used += rings->rings[i].bytes != NULL ? log_ring_used(&rings->rings[i]) : 0;
    }
    bound_set_used(&rings->bound, used);
}

uint64_t span_rings_waiting(const struct span_rings *rings)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < rings->worker_count; i++) {
        count += __atomic_load_n(&rings->rings[i].lines, __ATOMIC_RELAXED);
    }
    return count - rings->taken_count;
}

/* Copies from the front of a ring, without taking it out. */
static void ring_copy(const struct log_ring *ring, char *space, size_t bytes)
{
    size_t at = (size_t)ring->tail & (ring->capacity - 1);
    size_t first = bytes < ring->capacity - at ? bytes : ring->capacity - at;
    memcpy(space, ring->bytes + at, first);
    memcpy(space + first, ring->bytes, bytes - first);
}

/* Whole lines of one ring. */
static uint64_t ring_take(struct log_ring *ring, char *space, size_t space_bytes, uint64_t most,
                          size_t *ret_bytes)
{
    size_t used = ring->bytes != NULL ? log_ring_used(ring) : 0;
    size_t copied = used < space_bytes ? used : space_bytes;
    uint64_t count = 0;
    char *at = space, *end;
    *ret_bytes = 0;
    if (copied == 0) {
        return 0;
    }
    ring_copy(ring, space, copied);
    while (count < most && (end = memchr(at, '\n', copied - (size_t)(at - space))) != NULL) {
        *end = ',';
        at = end + 1;
        count++;
    }
    *ret_bytes = (size_t)(at - space);
    log_ring_consume(ring, *ret_bytes);
    return count;
}

uint64_t span_rings_take(struct span_rings *rings, char *space, size_t space_bytes, uint64_t most,
                         size_t *ret_bytes)
{
    uint64_t count = 0;
    *ret_bytes = 0;
    for (unsigned turn = 0; turn < rings->worker_count && count < most; turn++) {
        size_t bytes;
        count += ring_take(&rings->rings[rings->next], space + *ret_bytes, space_bytes - *ret_bytes,
                           most - count, &bytes);
        *ret_bytes += bytes;
        rings->next = (rings->next + 1) % rings->worker_count;
    }
    rings->taken_count += count;
    return count;
}

uint64_t span_rings_lost(const struct span_rings *rings)
{
    return bound_refused(&rings->bound);
}
