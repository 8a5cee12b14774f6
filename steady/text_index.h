/*
 * An index from texts to what they name, so that finding one among ten thousand costs what finding one among ten does.
 *
 * Owns its table; the texts and what they name are the caller's and outlive the index, or are removed first. Thread: the owner's.
 * Errors: no memory.
 */
#ifndef EVENKEEL_STEADY_TEXT_INDEX_H
#define EVENKEEL_STEADY_TEXT_INDEX_H

#include <stdbool.h>
#include <stddef.h>

struct text_index_entry {
    const char *text; /* NULL: free */
    void *named;
};

/* Zeroed is empty. */
struct text_index {
    struct text_index_entry *entries;
    size_t space; /* a power of two, or 0 */
    size_t count;
};

/* The text must not be there yet, and `named` not NULL. False: no memory. */
__attribute__((warn_unused_result)) bool text_index_add(struct text_index *index, const char *text,
                                                        void *named);
/* NULL: not there. */
void *text_index_find(const struct text_index *index, const char *text);
/* Nothing happens if it is not there. */
void text_index_remove(struct text_index *index, const char *text);
void text_index_release(struct text_index *index);

#endif
