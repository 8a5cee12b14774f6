/* Open addressing with linear probes, at most half full. */
#include "steady/text_index.h"

#include <stdlib.h>
#include <string.h>

#include "steady/check.h"
#include "steady/fault.h"
#include "steady/hash.h"

#define FIRST_SPACE 16

static size_t home_of(const struct text_index *index, const char *text)
{
    return (size_t)hash_bytes(0, text, strlen(text)) & (index->space - 1);
}

/* Where the text is, or the free place where it would be. */
static size_t place_of(const struct text_index *index, const char *text)
{
    size_t at = home_of(index, text);
    while (index->entries[at].text != NULL && strcmp(index->entries[at].text, text) != 0) {
        at = (at + 1) & (index->space - 1);
    }
    return at;
}

static bool grow(struct text_index *index)
{
    struct text_index wider = {.space = index->space == 0 ? FIRST_SPACE : 2 * index->space,
                               .count = index->count};
    wider.entries = fault_hits(FAULT_ALLOC) ? NULL : calloc(wider.space, sizeof *wider.entries);
    if (wider.entries == NULL) {
        return false;
    }
    for (size_t i = 0; i < index->space; i++) {
        if (index->entries[i].text != NULL) {
            wider.entries[place_of(&wider, index->entries[i].text)] = index->entries[i];
        }
    }
    free(index->entries);
    *index = wider;
    return true;
}

bool text_index_add(struct text_index *index, const char *text, void *named)
{
    CHECK(named != NULL);
    if (2 * (index->count + 1) > index->space && !grow(index)) {
        return false;
    }
    struct text_index_entry *entry = &index->entries[place_of(index, text)];
    CHECK(entry->text == NULL);
    *entry = (struct text_index_entry){text, named};
    index->count++;
    return true;
}

void *text_index_find(const struct text_index *index, const char *text)
{
    return index->count > 0 ? index->entries[place_of(index, text)].named : NULL;
}

/* Later entries that were pushed over the gap move back into it, so that a search never ends too early. */
static void close_gap(struct text_index *index, size_t gap)
{
    size_t at = gap;
    for (;;) {
        at = (at + 1) & (index->space - 1);
        if (index->entries[at].text == NULL) {
            return;
        }
        size_t home = home_of(index, index->entries[at].text);
        size_t from_home = (at - home) & (index->space - 1);
        size_t from_gap = (at - gap) & (index->space - 1);
        if (from_home >= from_gap) {
            index->entries[gap] = index->entries[at];
            index->entries[at] = (struct text_index_entry){NULL, NULL};
            gap = at;
        }
    }
}

void text_index_remove(struct text_index *index, const char *text)
{
    size_t at = index->count > 0 ? place_of(index, text) : 0;
    if (index->count == 0 || index->entries[at].text == NULL) {
        return;
    }
    index->entries[at] = (struct text_index_entry){NULL, NULL};
    index->count--;
    close_gap(index, at);
}

void text_index_release(struct text_index *index)
{
    free(index->entries);
    *index = (struct text_index){NULL, 0, 0};
}
