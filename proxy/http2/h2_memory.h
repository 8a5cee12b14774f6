/*
 * What nghttp2 allocates for one connection: counted, and bounded.
 *
 * Owns nothing; embedded in a session. Thread: the session's. Errors: beyond the limit nothing is allocated, which nghttp2 reports
 * as NGHTTP2_ERR_NOMEM and which ends the connection.
 *
 * nghttp2 allocates some ten small blocks for each request and frees them soon: those are kept for the next one, up to a bound, until
 * h2_memory_rest().
 *
 * Two of nghttp2's allocations are most of what it holds for a connection at rest, and neither is in use then.
 *
 * nghttp2 allocates the space of the frame that is being written once, when a session begins, and holds it for the session's life;
 * its content matters only within h2_session_pull(). So sessions of one thread may share that space: the first allocation of its
 * size gets the shared one.
 *
 * The table in which it finds streams is a page that holds nothing but zeros while there is no stream. It is mapped on its own, and given
 * back to the system by h2_memory_rest(), which it does not notice.
 */
#ifndef EVENKEEL_PROXY_HTTP2_H2_MEMORY_H
#define EVENKEEL_PROXY_HTTP2_H2_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <nghttp2/nghttp2.h>

/* Blocks of up to 32 * n + 8 bytes are the class n. */
#define H2_MEMORY_CLASSES 24

struct h2_memory {
    uint64_t bytes; /* in use or kept, as the allocator counts them */
    uint64_t peak_bytes;
    uint64_t limit_bytes;
    char *frame_space;   /* given to the first allocation of its size; NULL: none is shared */
    char *shared;        /* the same, once it is in use */
    char *page;          /* nghttp2's table of streams, if it is mapped on its own */
    bool lean;           /* it shall be */
    uint32_t kept_bytes; /* of these: */
    void *kept
        [H2_MEMORY_CLASSES]; /* blocks that nghttp2 has freed, by class, each with a pointer to the next one */
};

/* Whether so little is left that nothing new should begin. */
static inline bool h2_memory_is_short(const struct h2_memory *memory)
{
    return memory->bytes > memory->limit_bytes / 8 * 7;
}

void h2_memory_init(struct h2_memory *memory, uint64_t limit_bytes, char *frame_space);
/* nghttp2's view of it; valid as long as *memory. */
nghttp2_mem h2_memory_of(struct h2_memory *memory);
/* Memory for what is kept beside nghttp2, counted with it. NULL: no memory. Of less than H2_FRAME_BYTES. */
__attribute__((warn_unused_result)) void *h2_memory_take(struct h2_memory *memory, size_t bytes);
void h2_memory_give(struct h2_memory *memory, void *block);
/* Gives memory back that is not in use while there is no stream. */
void h2_memory_rest(struct h2_memory *memory);
/* nghttp2 has freed all of it. */
void h2_memory_release(struct h2_memory *memory);

#endif
