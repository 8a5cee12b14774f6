/*
 * The one rule for destroying inside callbacks: closing takes effect at once (unlinked, descriptors closed, no more
 * calls), memory is freed when the loop's pass is over. So any frame further up may still look at the object.
 *
 * Owns: what was buried, until graveyard_empty(). Thread: its loop's.
 */
#ifndef EVENKEEL_STEADY_GRAVEYARD_H
#define EVENKEEL_STEADY_GRAVEYARD_H

#include <stddef.h>
#include <sys/queue.h>

struct corpse;

/* Frees the object that embeds the corpse; `owner` is what graveyard_empty() was given. */
typedef void corpse_free_fn(struct corpse *corpse, void *owner);

struct corpse {
    SLIST_ENTRY(corpse) link;
    corpse_free_fn *free;
};

SLIST_HEAD(graveyard, corpse);

static inline void graveyard_bury(struct graveyard *graveyard, struct corpse *corpse,
                                  corpse_free_fn *free_fn)
{
    corpse->free = free_fn;
    SLIST_INSERT_HEAD(graveyard, corpse, link);
}

static inline void graveyard_empty(struct graveyard *graveyard, void *owner)
{
    while (!SLIST_EMPTY(graveyard)) {
        struct corpse *corpse = SLIST_FIRST(graveyard);
        SLIST_REMOVE_HEAD(graveyard, link);
        corpse->free(corpse, owner);
    }
}

#endif
