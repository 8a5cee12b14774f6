/*
 * File descriptors of the process: one bound, and the level up to which each use may fill it.
 *
 * An accepted client needs a second descriptor later, for its upstream connection. So the uses have an order: each
 * leaves a share of the bound to those before it, and the comparison and the take are one step. All other uses
 * together never hold more than fds_level(fds, FD_FOR_CONTROL), so upstream connections of exchanges can always have
 * the rest, however many threads take at the same time.
 *
 * Owns: nothing; the bound is the caller's, and counts what was taken: bound_give() gives it back. Thread: any.
 * Errors: false, nothing was taken.
 */
#ifndef EVENKEEL_STEADY_FDS_H
#define EVENKEEL_STEADY_FDS_H

#include <stdbool.h>
#include <stdint.h>

#include "steady/bound.h"

enum fd_use {
    /* an upstream connection for a waiting exchange: may take the last descriptor */
    FD_FOR_EXCHANGE,
    FD_FOR_CONTROL, /* listening sockets and health probes */
    FD_FOR_CLIENT,  /* clients, and the pipes of large payloads */
    FD_FOR_STOCK,   /* upstream connections ahead of requests */
};

/* How many descriptors may be taken in all, this use included. */
uint64_t fds_level(const struct bound *fds, enum fd_use use);
/* Takes n descriptors, all or none. Counts no refusal: exchanges wait, other uses come again by themselves; who gives up in the end counts it. */
__attribute__((warn_unused_result)) bool fds_take(struct bound *fds, enum fd_use use, uint64_t n);
/* Whether a take of one would succeed now; another thread may be faster. */
bool fds_left(const struct bound *fds, enum fd_use use);

#endif
