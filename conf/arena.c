/* One allocation a request, chained: configurations are small and every block stays visible to ASan. */
#include "conf/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct arena_block {
    struct arena_block *next;
    max_align_t bytes[];
};

void *arena_take(struct arena *arena, size_t bytes)
{
    struct arena_block *block = calloc(1, sizeof *block + bytes);
    if (block == NULL) {
        arena->failed = true;
        return NULL;
    }
    block->next = arena->blocks;
    arena->blocks = block;
    return block->bytes;
}

const char *arena_text(struct arena *arena, const char *text, size_t bytes)
{
    char *copy = arena_take(arena, bytes + 1);
    if (copy != NULL) {
        memcpy(copy, text, bytes);
    }
    return copy;
}

const char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args;
    char *text = NULL;
    va_start(args, format);
    int length = vasprintf(&text, format, args);
    va_end(args);
    const char *copy = length < 0 ? NULL : arena_text(arena, text, (size_t)length);
    if (length >= 0) {
        free(text);
    } else {
        arena->failed = true;
    }
    return copy;
}

void arena_release(struct arena *arena)
{
    while (arena->blocks != NULL) {
        struct arena_block *block = arena->blocks;
        arena->blocks = block->next;
        free(block);
    }
}
