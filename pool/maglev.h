/*
 * Consistent hash by table (Maglev, Eisenbud et al., NSDI 2016): each member prefers the locals of the table in an
 * order of its own, and in turns, by weight, each takes the next it likes that is still free.
 *
 * Owns: the table, immutable. Thread: built on one, read by all. Depends on the members' names and weights only, not on
 * their order: every process that has the same members sends a key to the same one. When a member goes, its keys are
 * spread over the others and few of theirs move.
 */
#ifndef EVENKEEL_POOL_MAGLEV_H
#define EVENKEEL_POOL_MAGLEV_H

#include <stddef.h>
#include <stdint.h>

struct maglev;

struct maglev_member {
    const char *name;
    uint32_t weight; /* > 0 */
};

/* NULL: no memory. `count` from 1 to 65535. */
struct maglev *maglev_build(const struct maglev_member *members, size_t count);
void maglev_free(struct maglev **maglev);
/* Index of the key's n-th choice. Choices of a key are drawn with replacement: two may be the same. */
__attribute__((pure)) size_t maglev_choice(const struct maglev *maglev, uint64_t key_hash,
                                           unsigned n);

#endif
