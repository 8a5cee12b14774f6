/* Literal socket addresses and prefixes: parsing, formatting, comparing. */
#include "steady/address.h"

#include <arpa/inet.h>
#include <endian.h>
#include <stdio.h>
#include <string.h>

#define UNIX_SCHEME "unix:"
#define MAPPED_BITS 96
#define PATH_BYTES sizeof(((struct sockaddr_un *)0)->sun_path)
#define MAX_IP_BYTES (INET6_ADDRSTRLEN - 1)

_Static_assert(ADDRESS_TEXT_BYTES >= sizeof UNIX_SCHEME + PATH_BYTES &&
                   ADDRESS_TEXT_BYTES >= INET6_ADDRSTRLEN + sizeof "[]:65535",
               "every address fits");

/* Digits only, up to max; no more than max has. */
static bool parse_number(const char *text, unsigned max, unsigned *ret_number)
{
    unsigned number = 0;
    size_t digits = 0;
    for (; text[digits] >= '0' && text[digits] <= '9'; digits++) {
        number = number * 10 + (unsigned)(text[digits] - '0');
        if (number > max || digits >= 5) {
            return false;
        }
    }
    if (digits == 0 || text[digits] != '\0') {
        return false;
    }
    *ret_number = number;
    return true;
}

bool address_from_path(const char *path, struct address *ret_address)
{
    size_t bytes = strlen(path);
    if (bytes == 0 || bytes >= PATH_BYTES) {
        return false;
    }
    *ret_address = (struct address){
        .local = {.sun_family = AF_UNIX},
        .length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + bytes + 1),
    };
    memcpy(ret_address->local.sun_path, path, bytes + 1);
    return true;
}

bool address_parse(const char *text, struct address *ret_address)
{
    if (strncmp(text, UNIX_SCHEME, strlen(UNIX_SCHEME)) == 0) {
        return address_from_path(text + strlen(UNIX_SCHEME), ret_address);
    }

    const char *host;
    size_t host_bytes;
    uint16_t port;
    return address_split(text, &host, &host_bytes, &port) &&
           address_from_host(host, host_bytes, port, ret_address);
}

bool address_split(const char *text, const char **ret_host, size_t *ret_host_bytes,
                   uint16_t *ret_port)
{
    bool bracketed = *text == '[';
    const char *host = bracketed ? text + 1 : text;
    const char *end = strchr(host, bracketed ? ']' : ':');
    if (end == NULL || end == host) {
        return false;
    }
    size_t host_bytes = (size_t)(end - host);
    if (bracketed) {
        if (memchr(host, ':', host_bytes) == NULL || *++end != ':') {
            return false;
        }
    }
    unsigned port;
    if (!parse_number(end + 1, UINT16_MAX, &port)) {
        return false;
    }
    *ret_host = host;
    *ret_host_bytes = host_bytes;
    *ret_port = (uint16_t)port;
    return true;
}

bool address_from_host(const char *host, size_t host_bytes, uint16_t port,
                       struct address *ret_address)
{
    char text[MAX_IP_BYTES + 1];
    if (host_bytes > MAX_IP_BYTES || memchr(host, '\0', host_bytes) != NULL) {
        return false;
    }
    memcpy(text, host, host_bytes);
    text[host_bytes] = '\0';

    struct address v4 = {.v4 = {.sin_family = AF_INET, .sin_port = htons(port)},
                         .length = sizeof(struct sockaddr_in)};
    if (inet_pton(AF_INET, text, &v4.v4.sin_addr) == 1) {
        *ret_address = v4;
        return true;
    }
    struct address v6 = {.v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)},
                         .length = sizeof(struct sockaddr_in6)};
    if (inet_pton(AF_INET6, text, &v6.v6.sin6_addr) == 1) {
        *ret_address = v6;
        return true;
    }
    return false;
}

static size_t put(char text[ADDRESS_TEXT_BYTES], const char *words)
{
    size_t length = strlen(words);
    memcpy(text, words, length + 1);
    return length;
}

size_t address_format(const struct sockaddr *address, char text[ADDRESS_TEXT_BYTES])
{
    char ip[INET6_ADDRSTRLEN];
    switch (address->sa_family) {
    case AF_INET: {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
        inet_ntop(AF_INET, &v4->sin_addr, ip, sizeof ip);
        return (size_t)snprintf(text, ADDRESS_TEXT_BYTES, "%s:%u", ip, ntohs(v4->sin_port));
    }
    case AF_INET6: {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
        inet_ntop(AF_INET6, &v6->sin6_addr, ip, sizeof ip);
        return (size_t)snprintf(text, ADDRESS_TEXT_BYTES, "[%s]:%u", ip, ntohs(v6->sin6_port));
    }
    case AF_UNIX: {
        const struct sockaddr_un *local = (const struct sockaddr_un *)address;
        return (size_t)snprintf(text, ADDRESS_TEXT_BYTES, UNIX_SCHEME "%.*s", (int)PATH_BYTES,
                                local->sun_path);
    }
    default: return put(text, "unknown");
    }
}

/* What each byte of an IPv4 address is in text, with the dot behind it. */
struct octet {
    char text[7];
    uint8_t bytes;
};
#define OCTET(digits)             \
    {                             \
        digits ".", sizeof digits \
    }
#define TEN(tens)                                                                        \
    OCTET(tens "0"), OCTET(tens "1"), OCTET(tens "2"), OCTET(tens "3"), OCTET(tens "4"), \
        OCTET(tens "5"), OCTET(tens "6"), OCTET(tens "7"), OCTET(tens "8"), OCTET(tens "9")
static const struct octet octets[256] = {
    TEN(""),      TEN("1"),     TEN("2"),     TEN("3"),  TEN("4"),     TEN("5"),     TEN("6"),
    TEN("7"),     TEN("8"),     TEN("9"),     TEN("10"), TEN("11"),    TEN("12"),    TEN("13"),
    TEN("14"),    TEN("15"),    TEN("16"),    TEN("17"), TEN("18"),    TEN("19"),    TEN("20"),
    TEN("21"),    TEN("22"),    TEN("23"),    TEN("24"), OCTET("250"), OCTET("251"), OCTET("252"),
    OCTET("253"), OCTET("254"), OCTET("255"),
};

/* On the path of every request: inet_ntop() costs twenty times as much. */
static size_t format_v4(const uint8_t bytes[4], char *text)
{
    char *at = text;
    for (int i = 0; i < 4; i++) {
        const struct octet *octet = &octets[bytes[i]];
        memcpy(at, octet->text, 4);
        at += octet->bytes;
    }
    at[-1] = '\0';
    return (size_t)(at - 1 - text);
}

size_t address_format_ip(const struct sockaddr *address, char text[ADDRESS_TEXT_BYTES])
{
    const void *bytes = NULL;
    int family = address->sa_family;
    if (family == AF_INET) {
        bytes = &((const struct sockaddr_in *)address)->sin_addr;
    } else if (family == AF_INET6) {
        const struct in6_addr *v6 = &((const struct sockaddr_in6 *)address)->sin6_addr;
        bytes = v6;
        if (IN6_IS_ADDR_V4MAPPED(v6)) {
            family = AF_INET;
            bytes = &v6->s6_addr[MAPPED_BITS / 8];
        }
    } else {
        return put(text, family == AF_UNIX ? "unix" : "unknown");
    }
    if (family == AF_INET) {
        return format_v4(bytes, text);
    }
    inet_ntop(family, bytes, text, ADDRESS_TEXT_BYTES);
    return strlen(text);
}

uint16_t address_port(const struct address *address)
{
    switch (address->any.sa_family) {
    case AF_INET: return ntohs(address->v4.sin_port);
    case AF_INET6: return ntohs(address->v6.sin6_port);
    default: return 0;
    }
}

bool address_equal(const struct address *a, const struct address *b)
{
    if (a->any.sa_family != b->any.sa_family) {
        return false;
    }
    switch (a->any.sa_family) {
    case AF_INET:
        return a->v4.sin_port == b->v4.sin_port && a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
    case AF_INET6:
        return a->v6.sin6_port == b->v6.sin6_port && a->v6.sin6_scope_id == b->v6.sin6_scope_id &&
               memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, sizeof a->v6.sin6_addr) == 0;
    case AF_UNIX: return strncmp(a->local.sun_path, b->local.sun_path, PATH_BYTES) == 0;
    default: return false;
    }
}

static const uint8_t mapped_head[MAPPED_BITS / 8] = {[10] = 0xff, [11] = 0xff};

bool address_to_ipv6(const struct sockaddr *address, uint8_t ret_bytes[16])
{
    if (address->sa_family == AF_INET) {
        memcpy(ret_bytes, mapped_head, sizeof mapped_head);
        memcpy(ret_bytes + sizeof mapped_head, &((const struct sockaddr_in *)address)->sin_addr, 4);
        return true;
    }
    if (address->sa_family == AF_INET6) {
        memcpy(ret_bytes, &((const struct sockaddr_in6 *)address)->sin6_addr, 16);
        return true;
    }
    return false;
}

bool address_prefix_parse(const char *text, struct address_prefix *ret_prefix)
{
    const char *slash = strchr(text, '/');
    struct address address;
    if (strcmp(text, "unix") == 0) {
        *ret_prefix = (struct address_prefix){.bits = ADDRESS_PREFIX_LOCAL};
        return true;
    }
    if (!address_from_host(text, slash != NULL ? (size_t)(slash - text) : strlen(text), 0,
                           &address)) {
        return false;
    }
    unsigned most = address.any.sa_family == AF_INET ? 32 : 128;
    unsigned bits = most;
    if (slash != NULL && !parse_number(slash + 1, most, &bits)) {
        return false;
    }
    bits += 128 - most;

    struct address_prefix prefix = {.bits = (uint8_t)bits};
    if (!address_to_ipv6(&address.any, prefix.bytes)) {
        return false;
    }
    for (unsigned bit = bits; bit < 128; bit++) {
        if (prefix.bytes[bit / 8] & 0x80 >> bit % 8) {
            return false;
        }
    }
    *ret_prefix = prefix;
    return true;
}

/* Whether the first so many bits of two addresses are the same. */
static bool same_bits(const uint8_t one[16], const uint8_t other[16], unsigned bits)
{
    uint64_t ones[2], others[2];
    memcpy(ones, one, sizeof ones);
    memcpy(others, other, sizeof others);
    uint64_t high = be64toh(ones[0] ^ others[0]), low = be64toh(ones[1] ^ others[1]);
    if (bits <= 64) {
        return bits == 0 || high >> (64 - bits) == 0;
    }
    return high == 0 && low >> (128 - bits) == 0;
}

bool address_in_prefix(const struct sockaddr *address, const struct address_prefix *prefix)
{
    uint8_t bytes[16];
    if (!address_to_ipv6(address, bytes)) {
        return address->sa_family == AF_UNIX && prefix->bits == ADDRESS_PREFIX_LOCAL;
    }
    if (prefix->bits == ADDRESS_PREFIX_LOCAL) {
        return false;
    }
    if (prefix->bits < MAPPED_BITS && memcmp(bytes, mapped_head, sizeof mapped_head) == 0) {
        return false;
    }
    return same_bits(bytes, prefix->bytes, prefix->bits);
}

bool address_in_prefixes(const struct sockaddr *address, const struct address_prefix *prefixes,
                         size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (address_in_prefix(address, &prefixes[i])) {
            return true;
        }
    }
    return false;
}
