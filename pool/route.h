/*
 * Whether this machine has a way to an address.
 *
 * Owns nothing. Thread: any. The kernel's routing table is asked; nothing is sent.
 */
#ifndef EVENKEEL_POOL_ROUTE_H
#define EVENKEEL_POOL_ROUTE_H

#include <stdbool.h>

#include "steady/address.h"

/* False only if the kernel says that there is none. */
bool route_exists(const struct address *address);

/* What a connect() to the address that failed with this error failed with: EADDRNOTAVAIL means that the local ports are used
 * up, or that no local address leads there (IPv6 is switched off), and that becomes ENETUNREACH. */
int route_errno(const struct address *address, int error);

#endif
