/* Version 1 is a text line, version 2 is binary. */
#include "pool/proxy_header.h"

#include <arpa/inet.h>
#include <string.h>

#define LINE_MAX_BYTES 107 /* of version 1, its CRLF included */
#define FIXED_BYTES 16     /* of version 2: signature, version and command, family, length */

enum { COMMAND_LOCAL = 0x20, COMMAND_PROXY = 0x21 };
enum { FAMILY_TCP4 = 0x11, FAMILY_TCP6 = 0x21 };
enum { ADDRESSES_TCP4_BYTES = 12, ADDRESSES_TCP6_BYTES = 36 };

static const char signature[12] = "\r\n\r\n\0\r\nQUIT\n";
static const char word[6] = "PROXY ";

static struct ip_address address_of(int family, const void *bytes, uint16_t port)
{
    struct ip_address address;
    memset(&address, 0, sizeof address);
    if (family == AF_INET) {
        address.v4.sin_family = AF_INET;
        address.v4.sin_port = htons(port);
        memcpy(&address.v4.sin_addr, bytes, sizeof address.v4.sin_addr);
    } else {
        address.v6.sin6_family = AF_INET6;
        address.v6.sin6_port = htons(port);
        memcpy(&address.v6.sin6_addr, bytes, sizeof address.v6.sin6_addr);
    }
    return address;
}

/* ---- version 1 ---- */

/* The next word of the line, terminated. NULL: there is none, or it is longer than any valid one. */
static char *next_word(const char **at, const char *end, char space[INET6_ADDRSTRLEN])
{
    size_t length = 0;
    while (*at + length < end && (*at)[length] != ' ') {
        length++;
    }
    if (length == 0 || length >= INET6_ADDRSTRLEN) {
        return NULL;
    }
    memcpy(space, *at, length);
    space[length] = '\0';
    *at += length + (*at + length < end);
    return space;
}

/* Decimal, without leading zeros. */
static bool read_port(const char *text, uint16_t *ret_port)
{
    unsigned value = 0;
    if (text == NULL || (text[0] == '0' && text[1] != '\0') || strlen(text) > 5) {
        return false;
    }
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9') {
            return false;
        }
        value = value * 10 + (unsigned)(*text - '0');
    }
    *ret_port = (uint16_t)value;
    return value <= UINT16_MAX;
}

static bool read_addresses(int family, const char *at, const char *end, struct proxy_header *header)
{
    char text[INET6_ADDRSTRLEN];
    uint8_t source[16], destination[16];
    uint16_t source_port, destination_port;
    if (next_word(&at, end, text) == NULL || inet_pton(family, text, source) != 1 ||
        next_word(&at, end, text) == NULL || inet_pton(family, text, destination) != 1 ||
        !read_port(next_word(&at, end, text), &source_port) ||
        !read_port(next_word(&at, end, text), &destination_port) || at != end || end[-1] == ' ') {
        return false;
    }
    header->known = true;
    header->source = address_of(family, source, source_port);
    header->destination = address_of(family, destination, destination_port);
    return true;
}

static bool begins_with(const char *at, const char *end, const char *text, size_t length)
{
    return (size_t)(end - at) >= length && memcmp(at, text, length) == 0;
}

static enum proxy_header_result parse_line(const char *bytes, size_t length,
                                           struct proxy_header *header, size_t *ret_bytes)
{
    size_t space = length < LINE_MAX_BYTES ? length : LINE_MAX_BYTES;
    const char *newline = memchr(bytes, '\n', space);
    if (newline == NULL) {
        return length < LINE_MAX_BYTES ? PROXY_HEADER_INCOMPLETE : PROXY_HEADER_TOO_LONG;
    }
    const char *at = bytes + sizeof word, *end = newline - 1;
    if (newline - bytes < (ptrdiff_t)sizeof word + 1 || *end != '\r') {
        return PROXY_HEADER_INVALID;
    }
    bool good;
    if (begins_with(at, end, "TCP4 ", 5)) {
        good = read_addresses(AF_INET, at + 5, end, header);
    } else if (begins_with(at, end, "TCP6 ", 5)) {
        good = read_addresses(AF_INET6, at + 5, end, header);
    } else { /* the rest after UNKNOWN is ignored */
        good = begins_with(at, end, "UNKNOWN", 7) && (end - at == 7 || at[7] == ' ');
    }
    *ret_bytes = (size_t)(newline + 1 - bytes);
    return good ? PROXY_HEADER_OK : PROXY_HEADER_INVALID;
}

/* ---- version 2 ---- */

static uint16_t read_number(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static enum proxy_header_result take_addresses(const uint8_t *bytes, size_t payload_bytes,
                                               struct proxy_header *header)
{
    int family = bytes[13] == FAMILY_TCP4 ? AF_INET : bytes[13] == FAMILY_TCP6 ? AF_INET6 : 0;
    size_t each = family == AF_INET ? 4 : 16;
    const uint8_t *at = bytes + FIXED_BYTES;
    if (family == 0) {
        return PROXY_HEADER_OK;
    }
    if (payload_bytes < 2 * each + 4) {
        return PROXY_HEADER_INVALID;
    }
    header->known = true;
    header->source = address_of(family, at, read_number(at + 2 * each));
    header->destination = address_of(family, at + each, read_number(at + 2 * each + 2));
    return PROXY_HEADER_OK;
}

static enum proxy_header_result parse_struct(const uint8_t *bytes, size_t length,
                                             struct proxy_header *header, size_t *ret_bytes)
{
    if (length < FIXED_BYTES) {
        return PROXY_HEADER_INCOMPLETE;
    }
    size_t payload_bytes = read_number(bytes + 14);
    if (bytes[12] != COMMAND_LOCAL && bytes[12] != COMMAND_PROXY) {
        return PROXY_HEADER_INVALID;
    }
    if (FIXED_BYTES + payload_bytes > PROXY_HEADER_MAX_BYTES) {
        return PROXY_HEADER_TOO_LONG;
    }
    if (length < FIXED_BYTES + payload_bytes) {
        return PROXY_HEADER_INCOMPLETE;
    }
    *ret_bytes = FIXED_BYTES + payload_bytes;
    return bytes[12] == COMMAND_PROXY ? take_addresses(bytes, payload_bytes, header)
                                      : PROXY_HEADER_OK;
}

enum proxy_header_result proxy_header_parse(const char *bytes, size_t length,
                                            struct proxy_header *ret_header, size_t *ret_bytes)
{
    struct proxy_header header;
    enum proxy_header_result result = PROXY_HEADER_INVALID;
    size_t header_bytes = 0;
    memset(&header, 0, sizeof header);
    if (memcmp(bytes, word, length < sizeof word ? length : sizeof word) == 0) {
        result = length < sizeof word ? PROXY_HEADER_INCOMPLETE
                                      : parse_line(bytes, length, &header, &header_bytes);
    } else if (memcmp(bytes, signature, length < sizeof signature ? length : sizeof signature) ==
               0) {
        result = length < sizeof signature
                     ? PROXY_HEADER_INCOMPLETE
                     : parse_struct((const uint8_t *)bytes, length, &header, &header_bytes);
    }
    if (result == PROXY_HEADER_OK) {
        *ret_header = header;
        *ret_bytes = header_bytes;
    }
    return result;
}

/* In network order. Both families have it at the same place. */
static const in_port_t *port_of(const struct sockaddr *address)
{
    return &((const struct sockaddr_in *)address)->sin_port;
}

size_t proxy_header_write(const struct sockaddr *source, const struct sockaddr *destination,
                          char space[PROXY_HEADER_WRITE_BYTES])
{
    uint8_t from[16], to[16];
    bool known = address_to_ipv6(source, from) && address_to_ipv6(destination, to);
    bool v4 = source->sa_family == AF_INET && destination->sa_family == AF_INET;
    char *at = space + FIXED_BYTES;
    memset(space, 0, PROXY_HEADER_WRITE_BYTES);
    memcpy(space, signature, sizeof signature);
    space[12] = known ? COMMAND_PROXY : COMMAND_LOCAL;
    if (!known) {
        return FIXED_BYTES;
    }
    if (v4) {
        memcpy(at, from + 12, 4);
        memcpy(at + 4, to + 12, 4);
    } else {
        memcpy(at, from, sizeof from);
        memcpy(at + sizeof from, to, sizeof to);
    }
    size_t ports_at = v4 ? 8 : 32;
    memcpy(at + ports_at, port_of(source), 2);
    memcpy(at + ports_at + 2, port_of(destination), 2);
    space[13] = v4 ? FAMILY_TCP4 : FAMILY_TCP6;
    space[15] = v4 ? ADDRESSES_TCP4_BYTES : ADDRESSES_TCP6_BYTES;
    return FIXED_BYTES + (size_t)space[15];
}
