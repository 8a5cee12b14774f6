/*
 * The largest users of something among any number of them, in bounded memory: Space-Saving (Metwally, Agrawal and El
 * Abbadi 2005).
 *
 * Owns nothing; embedded, zero-initialised. Thread: any, one at a time. Errors: none; whoever used more than a
 * TOP_USERS-th of all is always among them, and the figure of each is too high by at most its `error`.
 */
#ifndef EVENKEEL_STEADY_TOP_USERS_H
#define EVENKEEL_STEADY_TOP_USERS_H

#include <stdint.h>

#define TOP_USERS 32

struct top_user {
    uint64_t key;
    const void *of; /* what the key stands for; the caller's */
    uint64_t amount, error;
};

struct top_users {
    struct top_user items[TOP_USERS];
    unsigned count;
};

/* Adds to what the user of this key has used. `of` is kept with a key that is new. */
void top_users_add(struct top_users *top, uint64_t key, const void *of, uint64_t amount);
/* Puts the largest first. */
void top_users_sort(struct top_users *top);

#endif
