/*
 * Socket addresses as text and value: "10.0.0.7:8080", "[::1]:80", "unix:/run/x.sock", and prefixes
 * "10.0.0.0/8".
 *
 * Owns nothing; pure (no name resolution). Thread: any. Errors: false. Spec: RFC 4291 section 2.2 (text), RFC 5952
 * (what is written).
 */
#ifndef EVENKEEL_STEADY_ADDRESS_H
#define EVENKEEL_STEADY_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

struct address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un local;
    };
    socklen_t length;
};

/* 28 bytes instead of 112: what a client keeps of an IP address. */
struct ip_address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    };
};

struct address_prefix {
    uint8_t bytes[16]; /* IPv4 as ::ffff:a.b.c.d */
    uint8_t bits;      /* 0..128, or ADDRESS_PREFIX_LOCAL */
};
/* Of the prefix "unix", which contains all UNIX sockets and nothing else. */
#define ADDRESS_PREFIX_LOCAL 255

#define ADDRESS_TEXT_BYTES 128

/* Literal host (no name) and port, or unix:path. */
__attribute__((warn_unused_result)) bool address_parse(const char *text,
                                                       struct address *ret_address);
/* Splits "host:port" / "[v6]:port" without looking at what host is, but that one with colons must be in brackets and
   one without must not; host is not terminated. The port is 0 to 65535. */
__attribute__((warn_unused_result)) bool address_split(const char *text, const char **ret_host,
                                                       size_t *ret_host_bytes, uint16_t *ret_port);
/* A literal IPv4 or IPv6 host (without brackets) and a port to an address. */
__attribute__((warn_unused_result)) bool address_from_host(const char *host, size_t host_bytes,
                                                           uint16_t port,
                                                           struct address *ret_address);
/* The path of a UNIX socket. */
__attribute__((warn_unused_result)) bool address_from_path(const char *path,
                                                           struct address *ret_address);
/* "10.0.0.7:8080", "[::1]:80", "unix:/path" ("unix:" when the socket has no path), "unknown" for other families;
   returns the length written, text is terminated. An unnamed socket_un must be zeroed beyond its length. */
size_t address_format(const struct sockaddr *address, char text[ADDRESS_TEXT_BYTES]);
/* The 16 bytes that stand for an IP address, IPv4 mapped (RFC 4291 2.5.5.2); false for other families. */
__attribute__((warn_unused_result)) bool address_to_ipv6(const struct sockaddr *address,
                                                         uint8_t ret_bytes[16]);
/* The IP alone, without brackets or port; v4-mapped v6 as v4; "unix" for a local socket, "unknown" for others. */
size_t address_format_ip(const struct sockaddr *address, char text[ADDRESS_TEXT_BYTES]);
/* 0 for a local socket. */
uint16_t address_port(const struct address *address);
static inline uint16_t ip_address_port(const struct ip_address *address)
{
    return address->any.sa_family == AF_INET    ? ntohs(address->v4.sin_port)
           : address->any.sa_family == AF_INET6 ? ntohs(address->v6.sin6_port)
                                                : 0;
}
bool address_equal(const struct address *a, const struct address *b);

/* "10.0.0.0/8", "::1/128", a bare address (all bits), or "unix". Host bits beyond the prefix are an error. */
__attribute__((warn_unused_result)) bool address_prefix_parse(const char *text,
                                                              struct address_prefix *ret_prefix);
/* A unix-socket address is in the prefix "unix" only. An IPv4 address, mapped or not, is in IPv4 prefixes only, though the mapped
   ones are part of "::/0" on paper. */
bool address_in_prefix(const struct sockaddr *address, const struct address_prefix *prefix);
/* In one of them. */
bool address_in_prefixes(const struct sockaddr *address, const struct address_prefix *prefixes,
                         size_t count);

#endif
