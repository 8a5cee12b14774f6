/*
 * Names to addresses, blocking but bounded.
 *
 * Owns: a thread per lookup, left behind when the wait is over. Private to pool/. Thread: control. Spec:
 * getaddrinfo(3).
 */
#ifndef EVENKEEL_POOL_RESOLVE_H
#define EVENKEEL_POOL_RESOLVE_H

#include <netdb.h>
#include <stddef.h>
#include <stdint.h>

#include "steady/address.h"

enum resolve_result {
    RESOLVE_OK,
    RESOLVE_UNKNOWN,
    RESOLVE_TIMEOUT,
    RESOLVE_FAILED,
    RESOLVE_NO_MEMORY
};
const char *resolve_result_name(enum resolve_result result);

/* getaddrinfo(), or what a test puts in its place; its results are freed with freeaddrinfo(). */
typedef int resolve_lookup_fn(const char *host, const char *service, const struct addrinfo *hints,
                              struct addrinfo **ret_list);

/* Up to `room` different addresses with the port set, in the resolver's order. */
__attribute__((warn_unused_result)) enum resolve_result resolve_name(
    resolve_lookup_fn *function, const char *host, uint16_t port, uint64_t wait_ms,
    struct address *addresses, size_t room, size_t *ret_count);

#endif
