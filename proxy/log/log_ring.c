/* A single-writer, single-reader ring. */
#include "proxy/log/log_ring.h"

#include <stdlib.h>
#include <string.h>

bool log_ring_init(struct log_ring *ring, size_t capacity)
{
    *ring = (struct log_ring){.bytes = malloc(capacity), .capacity = capacity};
    return ring->bytes != NULL;
}

void log_ring_release(struct log_ring *ring)
{
    free(ring->bytes);
    ring->bytes = NULL;
}

size_t log_ring_used(const struct log_ring *ring)
{
    uint64_t tail = __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE);
    return (size_t)(__atomic_load_n(&ring->head, __ATOMIC_ACQUIRE) - tail);
}

bool log_ring_put(struct log_ring *ring, const char *line, size_t bytes)
{
    uint64_t head = __atomic_load_n(&ring->head, __ATOMIC_RELAXED);
    uint64_t tail = __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE);
    if (bytes > ring->capacity - (size_t)(head - tail)) {
        return false;
    }
    size_t at = (size_t)head & (ring->capacity - 1);
    size_t first = bytes < ring->capacity - at ? bytes : ring->capacity - at;
    memcpy(ring->bytes + at, line, first);
    memcpy(ring->bytes, line + first, bytes - first);
    __atomic_store_n(&ring->lines, ring->lines + 1, __ATOMIC_RELAXED);
    __atomic_store_n(&ring->head, head + bytes, __ATOMIC_RELEASE);
    return true;
}

size_t log_ring_peek(struct log_ring *ring, const char **ret_bytes)
{
    uint64_t tail = __atomic_load_n(&ring->tail, __ATOMIC_RELAXED);
    size_t used = (size_t)(__atomic_load_n(&ring->head, __ATOMIC_ACQUIRE) - tail);
    size_t at = (size_t)tail & (ring->capacity - 1);
    *ret_bytes = ring->bytes + at;
    return used < ring->capacity - at ? used : ring->capacity - at;
}

void log_ring_consume(struct log_ring *ring, size_t bytes)
{
    uint64_t tail = __atomic_load_n(&ring->tail, __ATOMIC_RELAXED);
    __atomic_store_n(&ring->tail, tail + bytes, __ATOMIC_RELEASE);
}
