/*
 * Fields that are added to a head on its way, whatever protocol writes them: lines, the way HTTP/1 writes them, so that it takes them
 * in one copy. Another protocol splits them at their first colon and at CRLF, which no name and no value holds.
 *
 * Owns nothing: the lines are in their writer's space. Thread: any. Errors: none: who writes makes sure of the room for all of it
 * before the first byte. Each of the functions returns where it stopped.
 */
#ifndef EVENKEEL_PROXY_HTTP_ADDED_FIELDS_H
#define EVENKEEL_PROXY_HTTP_ADDED_FIELDS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct added_fields {
    const char *lines;
    size_t bytes;
};

/* Inline, so that texts of known length become a move or two. */
static inline char *added_text(char *at, const char *bytes, size_t length)
{
    memcpy(at, bytes, length);
    return at + length;
}
#define added_literal(at, text) added_text((at), (text), sizeof text - 1)
/* At most DECIMAL_BYTES. */
char *added_uint(char *at, uint64_t value);

#endif
