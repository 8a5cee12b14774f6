/*
 * Whether this machine has a route to an address.
 *
 * Owns nothing. Thread: any. The kernel's routing table is asked; nothing is sent.
 */
#ifndef EVENKEEL_POOL_ROUTE_H
#define EVENKEEL_POOL_ROUTE_H

#include <stdbool.h>

#include "steady/address.h"

/* False only if the kernel says that there is no route. */
bool route_exists(const struct address *address);

/* The reason for which a connect() to the address failed with this error. EADDRNOTAVAIL means that the local ports are
   used up, or that no local address has a route there (IPv6 is switched off); the latter becomes ENETUNREACH. */
int route_errno(const struct address *address, int error);

#endif
