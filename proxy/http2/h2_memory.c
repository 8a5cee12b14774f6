/* The C library's allocator, with a count by what it really hands out. */
#include "proxy/http2/h2_memory.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "proxy/http2/h2_session.h"

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

static void *take_shared(struct h2_memory *memory)
{
    memory->shared = memory->frame_space;
    memory->frame_space = NULL;
    return memory->shared;
}

static void *take(size_t bytes, void *user_data)
{
    struct h2_memory *memory = user_data;
    if (__builtin_expect(memory->frame_space != NULL, 0) && bytes >= FRAME_SPACE_MIN_BYTES &&
        bytes <= H2_FRAME_BYTES) {
        return take_shared(memory);
    }
    if (!fits(memory, bytes)) {
        return NULL;
    }
    void *block = malloc(bytes);
    count(memory, block);
    return block;
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
}

static void *take_zeroed(size_t count_of, size_t bytes, void *user_data)
{
    struct h2_memory *memory = user_data;
    size_t total;
    if (__builtin_mul_overflow(count_of, bytes, &total) || !fits(memory, total)) {
        return NULL;
    }
    if (takes_page(memory, total)) {
        return take_page(memory);
    }
    void *block = calloc(count_of, bytes);
    count(memory, block);
    return block;
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
    uncount(memory, block);
    free(block);
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
