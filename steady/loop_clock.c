/* Reading the clock. */
#include "steady/loop_clock.h"

#include <time.h>

uint64_t loop_clock_read(struct loop_clock *clock)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    loop_clock_set(clock, (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u);
    return clock->now_us;
}
