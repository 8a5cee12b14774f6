/*
 * Fields that are added to a head on its way, whatever protocol writes them.
 *
 * They stand as lines, the way HTTP/1 writes them, so that it takes them in one copy; and each says where its name and its value
 * are, for a protocol that writes them otherwise.
 *
 * Owns nothing: the lines are in the caller's space. Thread: any. Errors: what does not fit is noted; ask `overflow` once at the end.
 * A field is begun with added_begin(), its value appended with added_text(), and ended with added_end().
 */
#ifndef EVENKEEL_PROXY_HTTP_ADDED_FIELDS_H
#define EVENKEEL_PROXY_HTTP_ADDED_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ADDED_FIELDS_MAX 16

struct added_field {
    uint32_t name_at, name_bytes;
    uint32_t value_at, value_bytes; /* offsets from the lines' begin */
};

struct added_fields {
    struct added_field fields[ADDED_FIELDS_MAX];
    size_t count;
    char *lines, *at, *end;
    bool overflow;
};

static inline void added_fields_init(struct added_fields *added, char *space, size_t space_bytes)
{
    added->count = 0;
    added->lines = added->at = space;
    added->end = space + space_bytes;
    added->overflow = false;
}

static inline size_t added_bytes(const struct added_fields *added)
{
    return (size_t)(added->at - added->lines);
}

/* Appends to what is being written. Inline, so that texts of known length become a move or two. */
static inline void added_text(struct added_fields *added, const char *bytes, size_t length)
{
    char *at = added->at;
    if (__builtin_expect((size_t)(added->end - at) < length, 0)) {
        added->overflow = true;
        return;
    }
    added->at = at + length;
    memcpy(at, bytes, length);
}
#define added_text_literal(added, text) added_text((added), (text), sizeof text - 1)
void added_text_uint(struct added_fields *added, uint64_t value);

/* `name` is a literal, in the case that HTTP/1 writes. */
#define added_begin(added, name) added_begin_line((added), name ": ", sizeof(name ": ") - 1)
static inline void added_begin_line(struct added_fields *added, const char *line, size_t bytes)
{
    if (__builtin_expect(added->count == ADDED_FIELDS_MAX, 0)) {
        added->overflow = true;
        added->count--;
    }
    struct added_field *field = &added->fields[added->count];
    field->name_at = (uint32_t)added_bytes(added);
    field->name_bytes = (uint32_t)bytes - 2;
    field->value_at = field->name_at + (uint32_t)bytes;
    added_text(added, line, bytes);
}
static inline void added_end(struct added_fields *added)
{
    struct added_field *field = &added->fields[added->count++];
    field->value_bytes = (uint32_t)added_bytes(added) - field->value_at;
    added_text_literal(added, "\r\n");
}

#define added_field(added, name, value, value_bytes) \
    do {                                             \
        added_begin((added), name);                  \
        added_text((added), (value), (value_bytes)); \
        added_end(added);                            \
    } while (0)
#define added_field_literal(added, name, value) added_field((added), name, value, sizeof value - 1)

#endif
