/*
 * The listening socket of the admin listener: one that was inherited, or a new one.
 *
 * Owns nothing: the socket is the caller's. Thread: control. Errors: errno.
 */
#ifndef EVENKEEL_PROXY_ADMIN_ADMIN_SOCKET_H
#define EVENKEEL_PROXY_ADMIN_ADMIN_SOCKET_H

#include "proxy/client/inherited.h"
#include "steady/address.h"

/* -1: errno says why. */
__attribute__((warn_unused_result)) int admin_socket_open(const struct address *address,
                                                          struct inherited *inherited);

#endif
