/*
 * Consistent hash by table (Maglev, Eisenbud et al., NSDI 2016). Each member prefers the entries of the table in an
 * order of its own. In turns, by weight, each member takes the first free entry of its order.
 *
 * Owns: the table, immutable. Thread: built by one thread, read by all. The table depends only on the members' names
 * and weights, not on their order: every process with the same members sends a key to the same member. When a member
 * goes, its keys are spread over the others, and few other keys move.
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
/* Index of the key's n-th choice. The choices of a key are drawn with replacement, so two may be the same. */
__attribute__((pure)) size_t maglev_choice(const struct maglev *maglev, uint64_t key_hash,
                                           unsigned n);

#endif
