/*
 * Arena: memory of one configuration, freed all at once.
 *
 * Owns: the memory it gave. Thread: one while building. Errors: NULL when memory is exhausted; the arena remembers (arena_failed).
 */
#ifndef EVENKEEL_CONF_ARENA_H
#define EVENKEEL_CONF_ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct arena_block;

struct arena {
    struct arena_block *blocks;
    bool failed;
};

/* Zeroed. */
void *arena_take(struct arena *arena, size_t bytes);
const char *arena_text(struct arena *arena, const char *text, size_t bytes);
__attribute__((format(printf, 2, 3))) const char *arena_printf(struct arena *arena,
                                                               const char *format, ...);
void arena_release(struct arena *arena);

#endif
