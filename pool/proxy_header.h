/*
 * The header of the PROXY protocol, in which the process that accepted a client's connection names the client.
 *
 * Owns nothing; pure. Thread: any. Errors: enum proxy_header_result. Spec: "The PROXY protocol, versions 1 & 2"
 * (HAProxy, 2020), sections 2.1 and 2.2.
 */
#ifndef EVENKEEL_POOL_PROXY_HEADER_H
#define EVENKEEL_POOL_PROXY_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "steady/address.h"

/* A longer header, extensions included, is rejected. */
#define PROXY_HEADER_MAX_BYTES 4096
/* The most bytes that proxy_header_write() writes. */
#define PROXY_HEADER_WRITE_BYTES 52

enum proxy_header_result {
    PROXY_HEADER_OK,
    PROXY_HEADER_INCOMPLETE, /* the bytes may become a header */
    PROXY_HEADER_INVALID,
    PROXY_HEADER_TOO_LONG,
};

struct proxy_header {
    bool known; /* the header has addresses: it is not LOCAL, UNKNOWN or of another family */
    struct ip_address source, destination;
};

/* Parses a header of either version at the start of the bytes. *ret_bytes: its length. */
__attribute__((warn_unused_result)) enum proxy_header_result proxy_header_parse(
    const char *bytes, size_t length, struct proxy_header *ret_header, size_t *ret_bytes);

/* Writes a header of version 2 for a TCP connection between these two addresses. If the families differ, the IPv4
   address is mapped to IPv6. LOCAL if one of them is not an IP address. Returns its length. */
size_t proxy_header_write(const struct sockaddr *source, const struct sockaddr *destination,
                          char space[PROXY_HEADER_WRITE_BYTES]);

#endif
