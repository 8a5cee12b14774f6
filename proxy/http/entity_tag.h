/*
 * Lists of entity tags, as in If-Match and If-None-Match: all lines of a field are one list.
 *
 * Owns nothing: tags point into the head's bytes. Thread: any. Errors: what is no tag ends its line. Spec: RFC 9110 8.8.3,
 * 5.3 (several lines).
 */
#ifndef EVENKEEL_PROXY_HTTP_ENTITY_TAG_H
#define EVENKEEL_PROXY_HTTP_ENTITY_TAG_H

#include <stdbool.h>
#include <stddef.h>

#include "proxy/http/http_head.h"

struct entity_tag {
    const char *at; /* with its quotes, without W/; "*": any */
    size_t bytes;
    bool weak;
};

struct entity_tags {
    const struct http_head *head;
    const struct http_field *field; /* of the present line; NULL: there is none any more */
    const char *at, *end;           /* what is left of it */
};

/* Reads one tag at `at`, which need not end at `end`. False: there is none. */
bool entity_tag_read(const char *at, const char *end, struct entity_tag *ret_tag);
/* Whether the quoted text is the same; W/ makes no difference (RFC 9110 8.8.3.2). */
bool entity_tag_is(const struct entity_tag *tag, const char *quoted, size_t bytes);
bool entity_tag_is_any(const struct entity_tag *tag);

/* name: in small letters. */
struct entity_tags entity_tags_of(const struct http_head *head, const char *name);
bool entity_tags_next(struct entity_tags *tags, struct entity_tag *ret_tag);

#endif
