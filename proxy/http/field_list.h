/*
 * Comma-separated lists in field values.
 *
 * Owns nothing: elements point into the head's bytes. Thread: any. Quoted strings are not supported: the lists that
 * are read here cannot contain any. Spec: RFC 9110 5.6.1.
 */
#ifndef EVENKEEL_PROXY_HTTP_FIELD_LIST_H
#define EVENKEEL_PROXY_HTTP_FIELD_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "proxy/http/http_head.h"

/* `at` is NULL after the last element. */
struct field_list {
    const char *at;
    const char *end;
};

struct field_element {
    const char *at;
    size_t bytes;
};

static inline struct field_list field_list_of(const struct http_head *head,
                                              const struct http_field *field)
{
    const char *at = head->base + field->value_at;
    return (struct field_list){at, at + field->value_bytes};
}

static inline bool field_list_is_space(char byte)
{
    return byte == ' ' || byte == '\t';
}

/* The next element without surrounding white space, possibly empty. False: there is none. */
static inline bool field_list_next(struct field_list *list, struct field_element *ret_element)
{
    if (!list->at) {
        return false;
    }
    const char *from = list->at;
    const char *comma = memchr(from, ',', (size_t)(list->end - from));
    const char *to = comma ? comma : list->end;
    list->at = comma ? comma + 1 : NULL;
    while (from < to && field_list_is_space(*from)) {
        from++;
    }
    while (to > from && field_list_is_space(to[-1])) {
        to--;
    }
    *ret_element = (struct field_element){from, (size_t)(to - from)};
    return true;
}

/* Whether the element is this word, in any case. */
static inline bool field_element_is(const struct field_element *element, const char *word,
                                    size_t word_bytes)
{
    return element->bytes == word_bytes && strncasecmp(element->at, word, word_bytes) == 0;
}

#endif
