/*
 * The schema: one row per configuration key. Parsing, defaults, ranges, suggestions, the dump and the reference
 * documentation are all derived from it.
 *
 * Owns nothing: tables. Thread: any. To add a key: add a field to conf/settings.h and a row to conf/schema.c; run `make docs`.
 */
#ifndef EVENKEEL_CONF_SCHEMA_H
#define EVENKEEL_CONF_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "conf/arena.h"
#include "conf/settings.h"
#include "conf/value.h"

struct schema_row;

enum schema_unit { UNIT_PLAIN, UNIT_MS, UNIT_BYTES };

/* How values of a kind are read and written. */
struct schema_type {
    const char *name;     /* in the documentation */
    const char *expected; /* in messages; the range is added */
    bool quoted;          /* a string in the file; else a bare number or word */
    bool list;            /* [ ... ]: take() is called for each element */
    /* Reads one value; false: not what was expected, or out of the row's range. `element`: the struct the row's offsets
       are in. */
    bool (*take)(struct arena *arena, const struct schema_row *row, void *element,
                 const char *text);
    /* Writes the value as the file would have it. */
    void (*print)(const struct schema_row *row, const void *element, FILE *out);
    enum schema_unit unit; /* of the range */
    /* Says in a few words, beginning with ": ", what is wrong with a text that take() refused; "": nothing beyond
       `expected`. NULL: never. */
    void (*blame)(const char *text, char *hint, size_t hint_bytes);
};

struct schema_row {
    const char *path; /* within the section: "timeouts.total" */
    const struct schema_type *type;
    const char *preset;       /* the default, as text; lists: comma separated; NULL: none */
    size_t at;                /* offset of the field */
    size_t also_at;           /* of a second field the type fills */
    double min, max;          /* in ms, bytes or as it is; both 0: any */
    const char *const *words; /* of an enumeration */
    bool fixed;               /* read at the start only: a reload does not change it */
    const char *help;         /* one line, no full stop */
};

/* A group of rows. Named sections hold named groups (upstreams.app), the list section holds groups without a name. */
enum schema_shape { SCHEMA_SINGLE, SCHEMA_NAMED, SCHEMA_LIST };

struct schema_section {
    const char *name; /* "" for the keys at the top */
    enum schema_shape shape;
    const struct schema_row *rows; /* ends with path NULL */
    size_t element_bytes;
    size_t items_at; /* offset in struct settings of the pointer; the count follows it */
    bool required;
    const char *help;
};

extern const struct schema_section schema_sections[]; /* ends with name NULL */

/* Whether the row takes the word "auto" beside bare numbers. */
bool schema_takes_auto(const struct schema_row *row);

/* What a key of a section is by default: a count, in ms or in bytes. */
uint64_t schema_default(const char *section_name, const char *path);

/* The range as a file would have it. */
void schema_range(const struct schema_row *row, char low[VALUE_TEXT_BYTES],
                  char high[VALUE_TEXT_BYTES]);

/* Pointer and count as every list of the settings has them. */
struct schema_list {
    void *items;
    size_t count;
};

/* Whether the row's value is the same in both elements: what is printed alike is alike. */
bool schema_row_equal(const struct schema_row *row, const void *a, const void *b);

/* Appends one zeroed element; NULL: no memory. */
void *schema_list_add(struct arena *arena, struct schema_list *list, size_t element_bytes);

#endif
