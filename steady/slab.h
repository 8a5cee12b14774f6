/*
 * Slab: objects of one size in 64 KiB chunks, with a free list per chunk; wholly free chunks go back to the
 * system but for one spare, so memory returns after a peak.
 *
 * Owns: the chunks. Thread: one thread per slab. Errors: NULL when the bound (in objects) or memory is exhausted.
 * Under ASan every object is an allocation of its own, so that use after free is seen.
 */
#ifndef EVENKEEL_STEADY_SLAB_H
#define EVENKEEL_STEADY_SLAB_H

#include <stddef.h>
#include <stdint.h>

#include "steady/bound.h"

struct slab;

#define SLAB_CHUNK_BYTES 65536
/* What of a chunk holds objects; n objects of SLAB_CHUNK_OBJECTS_BYTES / n fill it without a rest. */
#define SLAB_CHUNK_OBJECTS_BYTES (SLAB_CHUNK_BYTES - 64)
/* Objects are aligned to this. */
#define SLAB_ALIGNMENT 16
#define SLAB_MAX_OBJECT_BYTES (SLAB_CHUNK_OBJECTS_BYTES / 4)

/* The bound counts objects and may be shared by several slabs (one per worker), each with its bound_share;
   NULL: unbounded (the caller counts). NULL is returned when memory is exhausted; object_bytes is 1 to
   SLAB_MAX_OBJECT_BYTES. */
struct slab *slab_create(size_t object_bytes, struct bound *bound);
/* All objects must have been freed. NULL is fine. */
void slab_free(struct slab *slab);

/* Not zeroed. */
__attribute__((warn_unused_result, malloc)) void *slab_take(struct slab *slab);
/* With so many of its first bytes zeroed. */
__attribute__((warn_unused_result, malloc)) void *slab_take_zeroed(struct slab *slab, size_t bytes);
/* Gives *object back and nulls the pointer; *object may be NULL. `object_pointer` is the address of a pointer. */
void slab_give(struct slab *slab, void *object_pointer);

/* Bytes of chunks held. For tests: what a slab keeps after a peak is part of its contract, and no bound shows it. */
uint64_t slab_held_bytes(const struct slab *slab);

#endif
