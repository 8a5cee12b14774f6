/* Objects of one size, packed into aligned chunks; a chunk is found from its object by masking the address. */
#include "steady/slab.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/queue.h>

#include "steady/check.h"
#include "steady/fault.h"
#include "steady/sanitize.h"

struct free_object {
    struct free_object *next;
};

/* The head of a chunk; its objects begin at objects[] and end within SLAB_CHUNK_BYTES. */
struct chunk {
    LIST_ENTRY(chunk) link; /* in slab->partial while it is neither full nor wholly free */
    struct slab *slab;
    struct free_object *free; /* objects that were given back */
    char *fresh;              /* from here on none was ever lent, the pages are untouched */
    uint32_t used_count;
    _Alignas(64) char objects[];
};

_Static_assert(sizeof(struct chunk) == SLAB_CHUNK_BYTES - SLAB_CHUNK_OBJECTS_BYTES,
               "the head of a chunk is what slab.h says");

LIST_HEAD(chunk_list, chunk);

struct slab {
    struct chunk_list partial;
    struct chunk
        *spare; /* wholly free, kept so that a slab that hovers at an edge does not map and unmap */
    size_t object_bytes;
    uint32_t chunk_objects; /* objects in a chunk */
    uint64_t held_bytes;
    struct bound_share share;
};

struct slab *slab_create(size_t object_bytes, struct bound *bound)
{
    CHECK(object_bytes > 0 && object_bytes <= SLAB_MAX_OBJECT_BYTES);
    struct slab *slab = fault_hits(FAULT_ALLOC) ? NULL : calloc(1, sizeof *slab);
    if (slab == NULL) {
        return NULL;
    }
    LIST_INIT(&slab->partial);
    slab->object_bytes = (object_bytes + SLAB_ALIGNMENT - 1) & ~(size_t)(SLAB_ALIGNMENT - 1);
    slab->chunk_objects = (uint32_t)(SLAB_CHUNK_OBJECTS_BYTES / slab->object_bytes);
    bound_share_init(&slab->share, bound, 1);
    return slab;
}

static void *take_object(struct slab *slab);
static void give_object(struct slab *slab, void *object);
static void unmap_chunk(struct slab *slab, struct chunk *chunk);

void slab_free(struct slab *slab)
{
    if (slab == NULL) {
        return;
    }
    CHECK(slab->share.used == 0);
    if (slab->spare != NULL) {
        unmap_chunk(slab, slab->spare);
    }
    CHECK(slab->held_bytes == 0);
    free(slab);
}

void *slab_take(struct slab *slab)
{
    if (!bound_share_take(&slab->share, 1)) {
        return NULL;
    }
    void *object = take_object(slab);
    if (__builtin_expect(object == NULL, 0)) {
        bound_share_give(&slab->share, 1);
    }
    return object;
}

void *slab_take_zeroed(struct slab *slab, size_t bytes)
{
    void *object = slab_take(slab);
    /* Not known to the compiler: what is, and long, it clears word by word; the C library takes a quarter of the time. */
    __asm__("" : "+r"(bytes));
    return object != NULL ? memset(object, 0, bytes) : NULL;
}

void slab_give(struct slab *slab, void *object_pointer)
{
    /* Copied, as the pointer behind it has the caller's type. */
    void *object;
    memcpy(&object, object_pointer, sizeof object);
    if (object == NULL) {
        return;
    }
    memset(object_pointer, 0, sizeof object);
    give_object(slab, object);
    bound_share_give(&slab->share, 1);
}

uint64_t slab_held_bytes(const struct slab *slab)
{
    return slab->held_bytes;
}

#if SANITIZE_ADDRESS

static void *take_object(struct slab *slab)
{
    void *object = fault_hits(FAULT_ALLOC) ? NULL : malloc(slab->object_bytes);
    if (object != NULL) {
        slab->held_bytes += slab->object_bytes;
    }
    return object;
}

static void give_object(struct slab *slab, void *object)
{
    CHECK(slab->held_bytes >= slab->object_bytes);
    slab->held_bytes -= slab->object_bytes;
    free(object);
}

static void unmap_chunk(struct slab *slab, struct chunk *chunk)
{
    (void)slab;
    (void)chunk;
}

#else

static void *map(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

/* The kernel places one mapping below the other, so once one is aligned, the next ones are, and the first try does. */
static void *map_aligned(void)
{
    char *p = map(SLAB_CHUNK_BYTES);
    if (p == NULL || (uintptr_t)p % SLAB_CHUNK_BYTES == 0) {
        return p;
    }
    munmap(p, SLAB_CHUNK_BYTES);
    p = map(2 * SLAB_CHUNK_BYTES);
    if (p == NULL) {
        return NULL;
    }
    size_t before = -(uintptr_t)p % SLAB_CHUNK_BYTES;
    if (before > 0) {
        munmap(p, before);
    }
    munmap(p + before + SLAB_CHUNK_BYTES, SLAB_CHUNK_BYTES - before);
    return p + before;
}

/* A chunk with all objects free: the spare one or a new one, put at the head of the partial ones. */
static __attribute__((noinline, cold)) struct chunk *add_chunk(struct slab *slab)
{
    struct chunk *chunk = slab->spare;
    slab->spare = NULL;
    if (chunk == NULL) {
        chunk = fault_hits(FAULT_ALLOC) ? NULL : map_aligned();
        if (chunk == NULL) {
            return NULL;
        }
        slab->held_bytes += SLAB_CHUNK_BYTES;
        chunk->slab = slab;
        chunk->fresh = chunk->objects;
    }
    LIST_INSERT_HEAD(&slab->partial, chunk, link);
    return chunk;
}

static void unmap_chunk(struct slab *slab, struct chunk *chunk)
{
    slab->held_bytes -= SLAB_CHUNK_BYTES;
    munmap(chunk, SLAB_CHUNK_BYTES);
}

static __attribute__((noinline, cold)) void retire_chunk(struct slab *slab, struct chunk *chunk)
{
    LIST_REMOVE(chunk, link);
    if (slab->spare == NULL) {
        slab->spare = chunk;
    } else {
        unmap_chunk(slab, chunk);
    }
}

static void *take_object(struct slab *slab)
{
    struct chunk *chunk = LIST_FIRST(&slab->partial);
    if (chunk == NULL && (chunk = add_chunk(slab)) == NULL) {
        return NULL;
    }

    void *object = chunk->free;
    if (object != NULL) {
        chunk->free = chunk->free->next;
    } else {
        object = chunk->fresh;
        chunk->fresh += slab->object_bytes;
    }
    if (++chunk->used_count == slab->chunk_objects) {
        LIST_REMOVE(chunk, link);
    }
    return object;
}

/* A chunk that was full goes to the head: it is the fullest of the partial ones, and filling the full ones first lets
   the others run empty. */
static void give_object(struct slab *slab, void *object)
{
    struct chunk *chunk = (struct chunk *)((uintptr_t)object & ~(uintptr_t)(SLAB_CHUNK_BYTES - 1));
    struct free_object *freed = object;
    CHECK(chunk->slab == slab && chunk->used_count > 0 && freed != chunk->free);

    freed->next = chunk->free;
    chunk->free = freed;
    if (chunk->used_count-- == slab->chunk_objects) {
        LIST_INSERT_HEAD(&slab->partial, chunk, link);
    }
    if (chunk->used_count == 0) {
        retire_chunk(slab, chunk);
    }
}

#endif
