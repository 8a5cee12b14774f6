/* Space-Saving over an array. */
#include "steady/top_users.h"

#include <stdlib.h>

/* The user of the key, else the one that has used least. */
static struct top_user *find(struct top_users *top, uint64_t key)
{
    struct top_user *least = &top->items[0];
    for (unsigned i = 0; i < top->count; i++) {
        if (top->items[i].key == key) {
            return &top->items[i];
        }
        least = top->items[i].amount < least->amount ? &top->items[i] : least;
    }
    return least;
}

void top_users_add(struct top_users *top, uint64_t key, const void *of, uint64_t amount)
{
    struct top_user *user = find(top, key);
    if (top->count > 0 && user->key == key) {
        user->amount += amount;
    } else if (top->count < TOP_USERS) {
        top->items[top->count++] = (struct top_user){key, of, amount, 0};
    } else {
        *user = (struct top_user){key, of, user->amount + amount, user->amount};
    }
}

static int larger_first(const void *a, const void *b)
{
    const struct top_user *left = a, *right = b;
    return (left->amount < right->amount) - (left->amount > right->amount);
}

void top_users_sort(struct top_users *top)
{
    qsort(top->items, top->count, sizeof top->items[0], larger_first);
}
