/* Walks "a=1; name=value; b=2". */
#include "proxy/http/cookie.h"

#include <string.h>

static bool find_in(const char *text, size_t length, const char *name, size_t name_bytes,
                    const char **ret_value, size_t *ret_bytes)
{
    const char *end = text + length;
    while (text < end) {
        const char *semicolon = memchr(text, ';', (size_t)(end - text));
        const char *stop = semicolon != NULL ? semicolon : end;
        while (text < stop && (*text == ' ' || *text == '\t')) {
            text++;
        }
        if ((size_t)(stop - text) > name_bytes && text[name_bytes] == '=' &&
            memcmp(text, name, name_bytes) == 0) {
            *ret_value = text + name_bytes + 1;
            *ret_bytes = (size_t)(stop - *ret_value);
            return true;
        }
        text = stop < end ? stop + 1 : end;
    }
    return false;
}

/* HTTP/2 clients may split cookies over several fields, and some proxies pass that on. */
bool cookie_next(const struct http_head *head, const char *name, size_t name_bytes,
                 struct cookie_place *place, const char **ret_value, size_t *ret_bytes)
{
    for (; place->field < head->field_count; place->field++, place->at = 0) {
        const struct http_field *field = &head->fields[place->field];
        const char *value = head->base + field->value_at;
        if (field->id == FIELD_COOKIE && find_in(value + place->at, field->value_bytes - place->at,
                                                 name, name_bytes, ret_value, ret_bytes)) {
            place->at = (uint32_t)(*ret_value + *ret_bytes - value);
            return true;
        }
    }
    return false;
}

bool cookie_find(const struct http_head *head, const char *name, size_t name_bytes,
                 const char **ret_value, size_t *ret_bytes)
{
    struct cookie_place place = {0};
    return head_has(head, FIELD_COOKIE) &&
           cookie_next(head, name, name_bytes, &place, ret_value, ret_bytes);
}
