/* The share of a slot is compared with what is left before the units are taken. */
#include "steady/fair_bound.h"

#include <stddef.h>

void fair_bound_init(struct fair_bound *fair, const char *name, uint64_t limit)
{
    *fair = (struct fair_bound){.held = {0}};
    bound_init(&fair->bound, name, NULL, limit);
}

static uint64_t left_of(const struct bound *bound)
{
    uint64_t used = bound_used(bound), limit = bound_limit(bound);
    return used < limit ? limit - used : 0;
}

bool fair_bound_take(struct fair_bound *fair, unsigned slot, uint64_t n)
{
    uint64_t *held = &fair->held[slot % FAIR_BOUND_SLOTS];
    uint64_t holds = __atomic_add_fetch(held, n, __ATOMIC_RELAXED);
    if (holds > left_of(&fair->bound)) {
        bound_refuse(&fair->bound, 1);
    } else if (bound_take(&fair->bound, n)) {
        return true;
    }
    __atomic_sub_fetch(held, n, __ATOMIC_RELAXED);
    return false;
}

void fair_bound_give(struct fair_bound *fair, unsigned slot, uint64_t n)
{
    uint64_t *held = &fair->held[slot % FAIR_BOUND_SLOTS];
    uint64_t held_before = __atomic_fetch_sub(held, n, __ATOMIC_RELAXED);
    CHECK(held_before >= n);
    bound_give(&fair->bound, n);
}
