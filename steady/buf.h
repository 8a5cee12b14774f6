/*
 * Buffers: byte runs in a few size classes from one pool per worker, bounded in bytes over all workers.
 *
 * Owns: the pool owns the memory, the holder owns the buf until it gives it back. Thread: one thread per pool; the
 * bound ("buffers_bytes") is shared. Errors: NULL when the bound or memory is exhausted.
 */
#ifndef EVENKEEL_STEADY_BUF_H
#define EVENKEEL_STEADY_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "steady/bound.h"

/* Classes are 1, 4, 16, 64 and 256 KiB, this header and the slab's overhead included, and counted so; larger requests
   are refused. Rooms of the classes: 992, 4064, 16352, 65520 and 262128 bytes. */
struct buf {
    uint32_t capacity; /* bytes that fit in bytes[] */
    uint32_t begin;    /* first byte not consumed yet */
    uint32_t end;      /* one past the last byte written */
    uint32_t size_class;
    char bytes[];
};

#define BUF_MAX_BYTES (256 * 1024 - sizeof(struct buf))

struct buf_pool;

/* NULL when memory is exhausted. */
struct buf_pool *buf_pool_create(struct bound *bytes);
/* All buffers must have been given back. NULL is fine. */
void buf_pool_free(struct buf_pool *pool);
/* Bytes the pool has from the system, spare ones included: the figure for memory accounting. */
/* Bytes held from the system, lent or not. For tests: the bound counts only what is lent, and what a pool keeps after a
   peak is part of its contract. */
uint64_t buf_pool_held_bytes(const struct buf_pool *pool);

/* A buffer with room for at least min_bytes, empty. */
__attribute__((warn_unused_result)) struct buf *buf_take(struct buf_pool *pool, size_t min_bytes);
/* Gives *buf back, which is one, and nulls it. */
void buf_give_back(struct buf_pool *pool, struct buf **buf);
/* Gives *buf back and nulls it; *buf may be NULL, and mostly is. */
static inline void buf_give(struct buf_pool *pool, struct buf **buf)
{
    if (*buf != NULL) {
        buf_give_back(pool, buf);
    }
}

static inline size_t buf_length(const struct buf *buf)
{
    return buf->end - buf->begin;
}

static inline size_t buf_space(const struct buf *buf)
{
    return buf->capacity - buf->end;
}

/* Appends, moving what is there to the front if needed; false when it does not fit. */
__attribute__((warn_unused_result)) bool buf_append(struct buf *buf, const void *bytes,
                                                    size_t length);

/* Makes room for space_bytes more in *buf, moving to a larger buffer if it must. *buf may be NULL. False: no memory,
   *buf is as before. */
__attribute__((warn_unused_result)) bool buf_widen(struct buf_pool *pool, struct buf **buf,
                                                   size_t space_bytes);

/* Drops n bytes from the front (n <= length); an emptied buffer starts over at 0. */
void buf_consume(struct buf *buf, size_t n);

#endif
