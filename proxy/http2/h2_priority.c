/* The field Priority: a dictionary (RFC 8941 3.2) of which two members matter. */
#include "proxy/http2/h2_priority.h"

#include <string.h>

#define URGENCY_MOST 7u

/* Without white space at either end, and without parameters (RFC 8941 3.1.2). */
static const char *trim(const char *member, const char *end, size_t *ret_bytes)
{
    const char *parameters = memchr(member, ';', (size_t)(end - member));
    end = parameters != NULL ? parameters : end;
    while (member < end && (*member == ' ' || *member == '\t')) {
        member++;
    }
    while (end > member && (end[-1] == ' ' || end[-1] == '\t')) {
        end--;
    }
    *ret_bytes = (size_t)(end - member);
    return member;
}

static bool is(const char *member, size_t bytes, const char *wanted)
{
    return bytes == strlen(wanted) && memcmp(member, wanted, bytes) == 0;
}

static void note_member(struct h2_priority *priority, const char *member, size_t bytes)
{
    if (bytes == 3 && memcmp(member, "u=", 2) == 0 && (unsigned)(member[2] - '0') <= URGENCY_MOST) {
        priority->urgency = (uint32_t)(member[2] - '0');
    } else if (is(member, bytes, "i") || is(member, bytes, "i=?1")) {
        priority->incremental = true;
    } else if (is(member, bytes, "i=?0")) {
        priority->incremental = false;
    }
}

static void note_value(struct h2_priority *priority, const char *at, const char *end)
{
    while (at < end) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        const char *member_end = comma != NULL ? comma : end;
        size_t bytes;
        const char *member = trim(at, member_end, &bytes);
        note_member(priority, member, bytes);
        at = member_end + 1;
    }
}

bool h2_priority_of(const struct http_head *head, struct h2_priority *ret_priority)
{
    const struct http_field *field = head_find_name(head, "priority", 8);
    if (field == NULL) {
        return false;
    }
    *ret_priority = (struct h2_priority){.urgency = H2_URGENCY_DEFAULT};
    for (; field != NULL; field = head_find_next(head, field)) {
        const char *value = head->base + field->value_at;
        note_value(ret_priority, value, value + field->value_bytes);
    }
    return true;
}
