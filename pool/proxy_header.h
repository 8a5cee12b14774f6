/*
 * The PROXY protocol's header: who the client is, told by whoever took its connection.
 *
 * Owns nothing; pure. Thread: any. Errors: enum proxy_header_result. Spec: "The PROXY protocol, versions 1 & 2" (HAProxy, 2020),
 * sections 2.1 and 2.2.
 */
#ifndef EVENKEEL_POOL_PROXY_HEADER_H
#define EVENKEEL_POOL_PROXY_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "steady/address.h"

/* A header that is longer, extensions included, is not taken. */
#define PROXY_HEADER_MAX_BYTES 4096
/* What proxy_header_write() needs at most. */
#define PROXY_HEADER_WRITE_BYTES 52

enum proxy_header_result {
    PROXY_HEADER_OK,
    PROXY_HEADER_INCOMPLETE, /* it may become one */
    PROXY_HEADER_INVALID,
    PROXY_HEADER_TOO_LONG,
};

struct proxy_header {
    bool known; /* the addresses are told: not LOCAL, UNKNOWN or of another family */
    struct ip_address source, destination;
};

/* What the bytes begin with, in either version. *ret_bytes: how long the header is. */
__attribute__((warn_unused_result)) enum proxy_header_result proxy_header_parse(
    const char *bytes, size_t length, struct proxy_header *ret_header, size_t *ret_bytes);

/* Version 2 for a TCP connection between these two; of two families, the IPv4 one is mapped into IPv6. LOCAL if either is no IP
   address. Returns its length. */
size_t proxy_header_write(const struct sockaddr *source, const struct sockaddr *destination,
                          char space[PROXY_HEADER_WRITE_BYTES]);

#endif
