/* A sorted table. */
#include "tls/server_names.h"

#include <stdlib.h>
#include <string.h>

#include "steady/fault.h"

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static int compare(const void *left, const void *right)
{
    const struct server_name *a = left, *b = right;
    if (a->wildcard != b->wildcard) {
        return a->wildcard ? 1 : -1;
    }
    int order = strcmp(a->name, b->name);
    /* the first entry keeps the name */
    return order != 0 ? order : a->index < b->index ? -1 : a->index > b->index;
}

bool server_names_add(struct server_names *names, const char *name, size_t length, unsigned index)
{
    bool wildcard = length > 2 && memcmp(name, "*.", 2) == 0;
    if (names->count == names->capacity) {
        size_t capacity = names->capacity == 0 ? 8 : 2 * names->capacity;
        struct server_name *items =
            fault_hits(FAULT_ALLOC) ? NULL : realloc(names->items, capacity * sizeof *items);
        if (items == NULL) {
            return false;
        }
        names->items = items;
        names->capacity = capacity;
    }
    char *copy = fault_hits(FAULT_ALLOC) ? NULL : strndup(name + wildcard, length - wildcard);
    if (copy == NULL) {
        return false;
    }
    for (char *at = copy; *at != '\0'; at++) {
        *at = lower(*at);
    }
    names->items[names->count++] = (struct server_name){copy, wildcard, index};
    return true;
}

void server_names_seal(struct server_names *names)
{
    if (names->count > 0) {
        qsort(names->items, names->count, sizeof *names->items, compare);
    }
}

static bool look_up(const struct server_names *names, const char *name, bool wildcard,
                    unsigned *ret_index)
{
    size_t low = 0, high = names->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct server_name *at = &names->items[middle];
        int order = at->wildcard != wildcard ? at->wildcard - wildcard : strcmp(at->name, name);
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == names->count || names->items[low].wildcard != wildcard ||
        strcmp(names->items[low].name, name) != 0) {
        return false;
    }
    *ret_index = names->items[low].index;
    return true;
}

bool server_names_find(const struct server_names *names, const char *name, unsigned *ret_index)
{
    char wanted[HOST_NAME_MOST_BYTES + 1];
    size_t length = strlen(name);
    if (length == 0 || length > HOST_NAME_MOST_BYTES) {
        return false;
    }
    for (size_t i = 0; i <= length; i++) {
        wanted[i] = lower(name[i]);
    }
    if (look_up(names, wanted, false, ret_index)) {
        return true;
    }
    const char *dot = strchr(wanted, '.');
    return dot != NULL && dot != wanted && look_up(names, dot, true, ret_index);
}

void server_names_release(struct server_names *names)
{
    for (size_t i = 0; i < names->count; i++) {
        free(names->items[i].name);
    }
    free(names->items);
    *names = (struct server_names){0};
}
