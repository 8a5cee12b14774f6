/* Quotes may have commas in them. */
#include "proxy/http/entity_tag.h"

#include <string.h>

bool entity_tag_read(const char *at, const char *end, struct entity_tag *ret_tag)
{
    bool weak = end - at > 2 && at[0] == 'W' && at[1] == '/';
    at += weak ? 2 : 0;
    if (at == end || *at != '"') {
        return false;
    }
    const char *quote = memchr(at + 1, '"', (size_t)(end - at - 1));
    *ret_tag = (struct entity_tag){at, quote != NULL ? (size_t)(quote + 1 - at) : 0,
                                   quote != NULL && weak};
    return quote != NULL;
}

bool entity_tag_is(const struct entity_tag *tag, const char *quoted, size_t bytes)
{
    return tag->bytes == bytes && memcmp(tag->at, quoted, bytes) == 0;
}

bool entity_tag_is_any(const struct entity_tag *tag)
{
    return tag->bytes == 1 && *tag->at == '*';
}

static void begin_line(struct entity_tags *tags)
{
    if (tags->field != NULL) {
        tags->at = tags->head->base + tags->field->value_at;
        tags->end = tags->at + tags->field->value_bytes;
    }
}

struct entity_tags entity_tags_of(const struct http_head *head, const char *name)
{
    struct entity_tags tags = {.head = head, .field = head_find_name(head, name, strlen(name))};
    begin_line(&tags);
    return tags;
}

/* The next tag of the present line. */
static bool next_in_line(struct entity_tags *tags, struct entity_tag *ret_tag)
{
    bool whole = tags->at == tags->head->base + tags->field->value_at;
    if (whole && tags->end - tags->at == 1 && *tags->at == '*') {
        *ret_tag = (struct entity_tag){tags->at, 1, false};
        tags->at = tags->end;
        return true;
    }
    while (tags->at < tags->end && (*tags->at == ',' || *tags->at == ' ' || *tags->at == '\t')) {
        tags->at++;
    }
    if (!entity_tag_read(tags->at, tags->end, ret_tag)) {
        return false;
    }
    tags->at = ret_tag->at + ret_tag->bytes;
    return true;
}

bool entity_tags_next(struct entity_tags *tags, struct entity_tag *ret_tag)
{
    while (tags->field != NULL) {
        if (next_in_line(tags, ret_tag)) {
            return true;
        }
        tags->field = head_find_next(tags->head, tags->field);
        begin_line(tags);
    }
    return false;
}
