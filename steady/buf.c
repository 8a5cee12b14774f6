/* Buffers in size classes: small ones from slabs, large ones straight from the system with a few kept ready. */
#include "steady/buf.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/queue.h>

#include "steady/check.h"
#include "steady/fault.h"
#include "steady/sanitize.h"
#include "steady/slab.h"

#define CLASSES 5
#define SMALL_CLASSES 3

/* What a buffer of the class takes from a slab: a share of a chunk that leaves no rest. */
#define SMALL_BYTES(per_chunk) \
    (SLAB_CHUNK_OBJECTS_BYTES / (per_chunk) / SLAB_ALIGNMENT * SLAB_ALIGNMENT)

static const struct {
    uint32_t counted_bytes; /* what the bound counts: all overhead included */
    uint32_t bytes;         /* header and space */
} classes[CLASSES] = {
    {1 << 10, SMALL_BYTES(64)}, {4 << 10, SMALL_BYTES(16)}, {16 << 10, SMALL_BYTES(4)},
    {64 << 10, 64 << 10},       {256 << 10, 256 << 10},
};

/* A free large buffer. */
struct spare {
    SLIST_ENTRY(spare) link;
};

/* Large buffers of one class. Spares follow the use, so that steady traffic neither maps nor unmaps, and go as it
   goes: never more than SPARE_MIN + used / SPARE_PART of them. */
struct large {
    SLIST_HEAD(, spare) spares;
    uint64_t spare_count;
    uint64_t used_count;
};

#define SPARE_MIN 2
#define SPARE_PART 8

struct buf_pool {
    struct slab *small[SMALL_CLASSES];
    struct large large[CLASSES - SMALL_CLASSES];
    struct bound_share share;
};

static void *large_take(struct large *large, size_t bytes);
static void large_give(struct large *large, void *memory, size_t bytes);
static void large_trim(struct large *large, size_t bytes, uint64_t keep_count);

struct buf_pool *buf_pool_create(struct bound *bytes)
{
    struct buf_pool *pool = fault_hits(FAULT_ALLOC) ? NULL : calloc(1, sizeof *pool);
    if (pool == NULL) {
        return NULL;
    }
    bound_share_init(&pool->share, bytes, classes[0].counted_bytes);
    for (int i = 0; i < SMALL_CLASSES; i++) {
        pool->small[i] = slab_create(classes[i].bytes, NULL);
        if (pool->small[i] == NULL) {
            buf_pool_free(pool);
            return NULL;
        }
    }
    return pool;
}

void buf_pool_free(struct buf_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    CHECK(pool->share.used == 0);
    for (int i = 0; i < SMALL_CLASSES; i++) {
        slab_free(pool->small[i]);
    }
    for (int i = SMALL_CLASSES; i < CLASSES; i++) {
        large_trim(&pool->large[i - SMALL_CLASSES], classes[i].bytes, 0);
    }
    free(pool);
}

uint64_t buf_pool_held_bytes(const struct buf_pool *pool)
{
    uint64_t held = 0;
    for (int i = 0; i < SMALL_CLASSES; i++) {
        held += slab_held_bytes(pool->small[i]);
    }
    for (int i = SMALL_CLASSES; i < CLASSES; i++) {
        const struct large *large = &pool->large[i - SMALL_CLASSES];
        held += (large->used_count + large->spare_count) * classes[i].bytes;
    }
    return held;
}

struct buf *buf_take(struct buf_pool *pool, size_t min_bytes)
{
    uint32_t c = 0;
    while (classes[c].bytes - sizeof(struct buf) < min_bytes) {
        if (++c == CLASSES) {
            return NULL;
        }
    }
    if (!bound_share_take(&pool->share, classes[c].counted_bytes)) {
        return NULL;
    }
    struct buf *buf = c < SMALL_CLASSES
                          ? slab_take(pool->small[c])
                          : large_take(&pool->large[c - SMALL_CLASSES], classes[c].bytes);
    if (buf == NULL) {
        bound_share_give(&pool->share, classes[c].counted_bytes);
        return NULL;
    }
    buf->capacity = classes[c].bytes - (uint32_t)sizeof *buf;
    buf->begin = buf->end = 0;
    buf->size_class = c;
    return buf;
}

void buf_give_back(struct buf_pool *pool, struct buf **buf)
{
    uint32_t c = (*buf)->size_class;
    CHECK(c < CLASSES);
    if (c < SMALL_CLASSES) {
        slab_give(pool->small[c], buf);
    } else {
        large_give(&pool->large[c - SMALL_CLASSES], *buf, classes[c].bytes);
    }
    *buf = NULL;
    bound_share_give(&pool->share, classes[c].counted_bytes);
}

bool buf_append(struct buf *buf, const void *bytes, size_t length)
{
    if (length > buf_space(buf)) {
        if (length > buf->capacity - buf_length(buf)) {
            return false;
        }
        memmove(buf->bytes, buf->bytes + buf->begin, buf_length(buf));
        buf->end -= buf->begin;
        buf->begin = 0;
    }
    if (length > 0) {
        memcpy(buf->bytes + buf->end, bytes, length);
    }
    buf->end += (uint32_t)length;
    return true;
}

bool buf_widen(struct buf_pool *pool, struct buf **buf, size_t space_bytes)
{
    if (*buf != NULL && buf_space(*buf) >= space_bytes) {
        return true;
    }
    size_t held = *buf != NULL ? buf_length(*buf) : 0;
    struct buf *larger = buf_take(pool, held + space_bytes);
    if (larger == NULL) {
        return false;
    }
    if (*buf != NULL) {
        CHECK(buf_append(larger, (*buf)->bytes + (*buf)->begin, held));
        buf_give(pool, buf);
    }
    *buf = larger;
    return true;
}

void buf_consume(struct buf *buf, size_t n)
{
    CHECK(n <= buf_length(buf));
    buf->begin += (uint32_t)n;
    if (buf->begin == buf->end) {
        buf->begin = buf->end = 0;
    }
}

static void *system_take(size_t bytes)
{
    if (fault_hits(FAULT_ALLOC)) {
        return NULL;
    }
#if SANITIZE_ADDRESS
    return malloc(bytes);
#else
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? NULL : p;
#endif
}

static void system_give(void *memory, size_t bytes)
{
#if SANITIZE_ADDRESS
    (void)bytes;
    free(memory);
#else
    munmap(memory, bytes);
#endif
}

static void *large_take(struct large *large, size_t bytes)
{
    void *memory = SLIST_FIRST(&large->spares);
    if (memory != NULL) {
        SLIST_REMOVE_HEAD(&large->spares, link);
        large->spare_count--;
    } else {
        memory = system_take(bytes);
        if (memory == NULL) {
            return NULL;
        }
    }
    large->used_count++;
    return memory;
}

static void large_give(struct large *large, void *memory, size_t bytes)
{
    CHECK(large->used_count > 0);
    large->used_count--;
#if SANITIZE_ADDRESS
    /* None is kept, so that use after free is seen. */
    system_give(memory, bytes);
#else
    struct spare *spare = memory;
    SLIST_INSERT_HEAD(&large->spares, spare, link);
    large->spare_count++;
    large_trim(large, bytes, SPARE_MIN + large->used_count / SPARE_PART);
#endif
}

static void large_trim(struct large *large, size_t bytes, uint64_t keep_count)
{
    while (large->spare_count > keep_count) {
        struct spare *spare = SLIST_FIRST(&large->spares);
        SLIST_REMOVE_HEAD(&large->spares, link);
        large->spare_count--;
        system_give(spare, bytes);
    }
}
