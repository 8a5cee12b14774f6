/* How far each use may fill the bound on descriptors. */
#include "steady/fds.h"

/* One part in this many is left to the uses before, rounded up so that every use leaves something; 0: nothing is left. */
static const uint64_t parts_left[] = {
    [FD_FOR_EXCHANGE] = 0,
    [FD_FOR_CONTROL] = 16,
    [FD_FOR_CLIENT] = 8,
    [FD_FOR_STOCK] = 4,
};

uint64_t fds_level(const struct bound *fds, enum fd_use use)
{
    uint64_t limit = bound_limit(fds);
    uint64_t parts = parts_left[use];
    return parts == 0 ? limit : limit - limit / parts - (limit % parts != 0);
}

bool fds_take(struct bound *fds, enum fd_use use, uint64_t n)
{
    return bound_take_below(fds, n, fds_level(fds, use));
}

bool fds_left(const struct bound *fds, enum fd_use use)
{
    return bound_used(fds) < fds_level(fds, use);
}
