/*
 * Fields that are added to a head on its way, whatever protocol writes them.
 *
 * Owns: the text that values are composed in; embedded on the stack, begun with added_fields_init(). Thread: any. Errors: what does
 * not fit is noted; ask `overflow` once at the end.
 */
#ifndef EVENKEEL_PROXY_HTTP_ADDED_FIELDS_H
#define EVENKEEL_PROXY_HTTP_ADDED_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ADDED_FIELDS_MAX 16

struct added_field {
    const char *name; /* with the case it is written in by HTTP/1, and ": " behind it */
    const char *value;
    uint32_t name_bytes; /* without ": " */
    uint32_t value_bytes;
};

struct added_fields {
    struct added_field fields[ADDED_FIELDS_MAX];
    size_t count;
    char *at, *end; /* where values are composed */
    bool overflow;
};

/* Values are composed in `space`, which lives as long as the fields. */
static inline void added_fields_init(struct added_fields *added, char *space, size_t space_bytes)
{
    added->count = 0;
    added->at = space;
    added->end = space + space_bytes;
    added->overflow = false;
}

/* A field whose value stays where it is. */
static inline void added_field_bytes(struct added_fields *added, const char *name,
                                     size_t name_bytes, const char *value, size_t value_bytes)
{
    if (__builtin_expect(added->count == ADDED_FIELDS_MAX, 0)) {
        added->overflow = true;
        return;
    }
    added->fields[added->count++] =
        (struct added_field){name, value, (uint32_t)name_bytes, (uint32_t)value_bytes};
}
/* `name` is a literal without ": ". */
#define added_field(added, name, value, value_bytes) \
    added_field_bytes((added), name ": ", sizeof(name) - 1, (value), (value_bytes))
#define added_field_literal(added, name, value) \
    added_field((added), name, (value), sizeof(value) - 1)

/* Appends to the value that is being composed. */
static inline void added_text(struct added_fields *added, const char *bytes, size_t length)
{
    if (__builtin_expect((size_t)(added->end - added->at) < length, 0)) {
        added->overflow = true;
        return;
    }
    memcpy(added->at, bytes, length);
    added->at += length;
}
#define added_text_literal(added, text) added_text((added), (text), sizeof(text) - 1)
void added_text_uint(struct added_fields *added, uint64_t value);

#endif
