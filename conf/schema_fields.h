/*
 * Where a row's value is in the struct that it belongs to, and how texts get there. Private to conf/.
 *
 * Owns nothing: texts are copied into the arena. Thread: the one that loads.
 */
#ifndef EVENKEEL_CONF_SCHEMA_FIELDS_H
#define EVENKEEL_CONF_SCHEMA_FIELDS_H

#include <stdbool.h>
#include <stdio.h>

#include "conf/arena.h"
#include "conf/schema.h"

static inline void *field_of(void *element, size_t at)
{
    return (char *)element + at;
}

static inline const void *field_in(const void *element, size_t at)
{
    return (const char *)element + at;
}

static inline bool in_range(const struct schema_row *row, double value)
{
    return (row->min == 0 && row->max == 0) || (value >= row->min && value <= row->max);
}

static inline void print_quoted(const char *text, FILE *out)
{
    fputc('"', out);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') {
            fputc('\\', out);
        }
        if (text[0] == '$' && text[1] == '{') {
            fputc('$', out); /* else it would be read as a name of the environment */
        }
        fputc(*text, out);
    }
    fputc('"', out);
}

/* A list of texts. */
static inline void print_texts(const struct schema_row *row, const void *element, FILE *out)
{
    const struct schema_list *list = field_in(element, row->at);
    const char *const *texts = list->items;
    for (size_t i = 0; i < list->count; i++) {
        fputs(i > 0 ? ", " : "", out);
        print_quoted(texts[i], out);
    }
}

static inline bool store_text(struct arena *arena, void *element, size_t at, const char *text,
                              size_t bytes)
{
    const char *copy = arena_text(arena, text, bytes);
    *(const char **)field_of(element, at) = copy;
    return copy != NULL;
}

static inline const char *text_in(const void *element, size_t at)
{
    const char *text = *(const char *const *)field_in(element, at);
    return text != NULL ? text : "";
}

#endif
