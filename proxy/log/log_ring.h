/*
 * A ring of bytes from one thread to the log thread: whole lines or nothing.
 *
 * Owns its memory. Thread: one writer, one reader, no lock; the writer may be many if they hold a lock of their own.
 */
#ifndef EVENKEEL_PROXY_LOG_LOG_RING_H
#define EVENKEEL_PROXY_LOG_LOG_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct log_ring {
    char *bytes;
    size_t capacity;            /* a power of two */
    _Alignas(64) uint64_t head; /* written by the writer */
    uint64_t lines;
    _Alignas(64) uint64_t tail; /* written by the reader */
};

__attribute__((warn_unused_result)) bool log_ring_init(struct log_ring *ring, size_t capacity);
void log_ring_release(struct log_ring *ring);

/* False: no space. */
__attribute__((warn_unused_result)) bool log_ring_put(struct log_ring *ring, const char *line,
                                                      size_t bytes);
/* What can be read in one piece; log_ring_consume() gives it back. */
size_t log_ring_peek(struct log_ring *ring, const char **ret_bytes);
void log_ring_consume(struct log_ring *ring, size_t bytes);
size_t log_ring_used(const struct log_ring *ring);

#endif
