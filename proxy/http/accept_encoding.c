/* Reading the list of codings with their weights. */
#include "proxy/http/accept_encoding.h"

#include <string.h>
#include <strings.h>

#include "proxy/http/field_list.h"

const struct coding_row coding_rows[CODING_COUNT] = {
    {"zstd", ".zst"}, {"br", ".br"}, {"gzip", ".gz"}};

/* "q=0", "q=0.0" and the like, behind a coding. */
static bool is_refused(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t' || *at == ';')) {
        at++;
    }
    if (end - at < 3 || (at[0] | 0x20) != 'q' || at[1] != '=') {
        return false;
    }
    for (at += 2; at < end; at++) {
        if (*at >= '1' && *at <= '9') {
            return false;
        }
    }
    return true;
}

static unsigned coding_of(const struct field_element *element)
{
    const char *parameter = memchr(element->at, ';', element->bytes);
    const char *end = element->at + element->bytes;
    const char *name_end = parameter != NULL ? parameter : end;
    while (name_end > element->at && field_list_is_space(name_end[-1])) {
        name_end--;
    }
    const struct field_element name = {element->at, (size_t)(name_end - element->at)};
    for (unsigned i = 0; i < CODING_COUNT; i++) {
        if (field_element_is(&name, coding_rows[i].name, strlen(coding_rows[i].name))) {
            return parameter != NULL && is_refused(parameter, end) ? 0 : 1U << i;
        }
    }
    return 0;
}

unsigned accept_encodings(const struct http_head *head)
{
    static const char name[] = "accept-encoding";
    unsigned codings = 0;
    const struct http_field *field = head_find_name(head, name, sizeof name - 1);
    for (; field != NULL; field = head_find_next(head, field)) {
        struct field_list list = field_list_of(head, field);
        struct field_element element;
        while (field_list_next(&list, &element)) {
            codings |= coding_of(&element);
        }
    }
    return codings;
}
