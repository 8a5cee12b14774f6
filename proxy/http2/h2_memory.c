/* The C library's allocator, with a count by what it really hands out. */
#include "proxy/http2/h2_memory.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "proxy/http2/h2_session.h"
#include "steady/sanitize.h"

/* nghttp2's space for a frame is one of the largest payload that every peer takes (RFC 9113 4.2), with its head. Nothing else that it
   allocates for itself is as large. */
#define FRAME_SPACE_MIN_BYTES (16u * 1024)

/* nghttp2's table of streams: 256 entries of 16 bytes. Where pages are larger, or the table is, it is allocated as all else. */
#define PAGE_BYTES 4096

static void count(struct h2_memory *memory, void *block)
{
    if (block != NULL) {
        memory->bytes += malloc_usable_size(block);
        if (memory->bytes > memory->peak_bytes) {
            memory->peak_bytes = memory->bytes;
        }
    }
}

static void uncount(struct h2_memory *memory, void *block)
{
    if (block != NULL) {
        memory->bytes -= malloc_usable_size(block);
    }
}

static bool fits(const struct h2_memory *memory, size_t bytes)
{
    return bytes <= memory->limit_bytes && memory->bytes <= memory->limit_bytes - bytes;
}

/* ---- kept blocks ---- */

/* None is kept with ASan, so that use after free is seen. */
#define KEPT_MOST_BYTES (SANITIZE_ADDRESS ? 0u : 16u * 1024)
#define CLASS_BYTES 32u
#define CLASS_LEAST_BYTES 8u /* the C library's blocks have 16 * n + 8 bytes */

/* The class whose blocks have room for so much. */
static size_t class_for(size_t bytes)
{
    return (bytes + CLASS_BYTES - CLASS_LEAST_BYTES - 1) / CLASS_BYTES;
}

/* The largest class for whose blocks a block of this size has room. */
static size_t class_of(size_t block_bytes)
{
    return (block_bytes - CLASS_LEAST_BYTES) / CLASS_BYTES;
}

static uint32_t bytes_of(size_t class)
{
    return (uint32_t) class * CLASS_BYTES + CLASS_LEAST_BYTES;
}

static void *take_kept(struct h2_memory *memory, size_t class)
{
    void *block = memory->kept[class];
    if (block != NULL) {
        memcpy(&memory->kept[class], block, sizeof(void *));
        memory->kept_bytes -= bytes_of(class);
    }
    return block;
}

/* False: it is too large, or enough is kept. */
static bool keep(struct h2_memory *memory, void *block)
{
    size_t class = class_of(malloc_usable_size(block));
    if (class == 0 || class >= H2_MEMORY_CLASSES ||
        memory->kept_bytes + bytes_of(class) > KEPT_MOST_BYTES) {
        return false;
    }
    memcpy(block, &memory->kept[class], sizeof(void *));
    memory->kept[class] = block;
    memory->kept_bytes += bytes_of(class);
    return true;
}

void h2_memory_release(struct h2_memory *memory)
{
    for (size_t i = 0; i < H2_MEMORY_CLASSES; i++) {
        for (void *block; (block = take_kept(memory, i)) != NULL;) {
            uncount(memory, block);
            free(block);
        }
    }
}

/* ---- nghttp2's calls ---- */

static void *take_shared(struct h2_memory *memory)
{
    memory->shared = memory->frame_space;
    memory->frame_space = NULL;
    return memory->shared;
}

/* What is kept counts, and gives way. */
static void *take_new(struct h2_memory *memory, size_t bytes)
{
    if (!fits(memory, bytes)) {
        h2_memory_release(memory);
    }
    void *block = fits(memory, bytes) ? malloc(bytes) : NULL;
    count(memory, block);
    return block;
}

static void *take_block(struct h2_memory *memory, size_t bytes)
{
    size_t class = class_for(bytes);
    if (class >= H2_MEMORY_CLASSES) {
        return take_new(memory, bytes);
    }
    void *block = take_kept(memory, class);
    return block != NULL ? block : take_new(memory, bytes_of(class));
}

static void *take(size_t bytes, void *user_data)
{
    struct h2_memory *memory = user_data;
    if (__builtin_expect(memory->frame_space != NULL, 0) && bytes >= FRAME_SPACE_MIN_BYTES &&
        bytes <= H2_FRAME_BYTES) {
        return take_shared(memory);
    }
    return take_block(memory, bytes);
}

/* Whether the table of streams shall be a page of its own: the first allocation of its size is the table. */
static bool takes_page(const struct h2_memory *memory, size_t bytes)
{
    return __builtin_expect(memory->lean, 0) && bytes == PAGE_BYTES;
}

static void *take_page(struct h2_memory *memory)
{
    void *page = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memory->lean = false;
    if (page == MAP_FAILED) {
        return NULL;
    }
    memory->page = page;
    memory->bytes += PAGE_BYTES;
    return page;
}

static void give_page(struct h2_memory *memory)
{
    munmap(memory->page, PAGE_BYTES);
    memory->page = NULL;
    memory->bytes -= PAGE_BYTES;
}

static bool is_zero(const char *bytes, size_t length)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0;
}

void h2_memory_rest(struct h2_memory *memory)
{
    if (memory->page != NULL && is_zero(memory->page, PAGE_BYTES)) {
        (void)madvise(memory->page, PAGE_BYTES, MADV_DONTNEED);
    }
    h2_memory_release(memory);
}

static void *take_zeroed(size_t count_of, size_t bytes, void *user_data)
{
    struct h2_memory *memory = user_data;
    size_t total;
    if (__builtin_mul_overflow(count_of, bytes, &total)) {
        return NULL;
    }
    if (takes_page(memory, total)) {
        return fits(memory, total) ? take_page(memory) : NULL;
    }
    void *block = take_block(memory, total);
    return block != NULL ? memset(block, 0, total) : NULL;
}

static void give(void *block, void *user_data)
{
    struct h2_memory *memory = user_data;
    if (block != NULL && block == memory->shared) {
        memory->shared = NULL;
        return;
    }
    if (block != NULL && block == memory->page) {
        give_page(memory);
        return;
    }
    if (block != NULL && !keep(memory, block)) {
        uncount(memory, block);
        free(block);
    }
}

/* The shared space becomes a block of the session's own. */
static void *leave_shared(struct h2_memory *memory, size_t bytes)
{
    void *grown = take(bytes, memory);
    if (grown != NULL) {
        memcpy(grown, memory->shared, bytes < H2_FRAME_BYTES ? bytes : H2_FRAME_BYTES);
        memory->shared = NULL;
    }
    return grown;
}

static void *resize(void *block, size_t bytes, void *user_data)
{
    struct h2_memory *memory = user_data;
    if (block == NULL) {
        return take(bytes, user_data);
    }
    if (block == memory->shared) {
        return leave_shared(memory, bytes);
    }
    size_t before_bytes = malloc_usable_size(block);
    if (bytes > before_bytes && !fits(memory, bytes - before_bytes)) {
        return NULL;
    }
    void *grown = realloc(block, bytes);
    if (grown != NULL) {
        memory->bytes -= before_bytes;
        count(memory, grown);
    }
    return grown;
}

void *h2_memory_take(struct h2_memory *memory, size_t bytes)
{
    return take_block(memory, bytes);
}

void h2_memory_give(struct h2_memory *memory, void *block)
{
    give(block, memory);
}

void h2_memory_init(struct h2_memory *memory, uint64_t limit_bytes, char *frame_space)
{
    *memory =
        (struct h2_memory){.limit_bytes = limit_bytes,
                           .frame_space = frame_space,
                           .lean = frame_space != NULL && sysconf(_SC_PAGESIZE) == PAGE_BYTES};
}

nghttp2_mem h2_memory_of(struct h2_memory *memory)
{
    return (nghttp2_mem){memory, take, give, take_zeroed, resize};
}
