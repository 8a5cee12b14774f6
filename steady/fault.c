/* The counters behind fault injection; empty in a build without it. */
#include "steady/fault.h"

#ifdef EVENKEEL_FAULT_INJECTION

#include "steady/check.h"

/* Calls until the one that fails, that one included; 0: none is to fail. */
static uint64_t calls_left[FAULT_KINDS];
static bool struck[FAULT_KINDS];

void fault_arm(enum fault_kind kind, uint64_t nth)
{
    CHECK(nth > 0);
    __atomic_store_n(&struck[kind], false, __ATOMIC_RELAXED);
    __atomic_store_n(&calls_left[kind], nth, __ATOMIC_RELAXED);
}

bool fault_disarm(enum fault_kind kind)
{
    __atomic_store_n(&calls_left[kind], 0, __ATOMIC_RELAXED);
    return __atomic_load_n(&struck[kind], __ATOMIC_RELAXED);
}

bool fault_hits(enum fault_kind kind)
{
    uint64_t left = __atomic_load_n(&calls_left[kind], __ATOMIC_RELAXED);
    do {
        if (left == 0) {
            return false;
        }
    } while (!__atomic_compare_exchange_n(&calls_left[kind], &left, left - 1, true,
                                          __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    if (left > 1) {
        return false;
    }
    __atomic_store_n(&struck[kind], true, __ATOMIC_RELAXED);
    return true;
}

#endif
