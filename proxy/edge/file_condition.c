/* If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since, If-Range. */
#include "proxy/edge/file_condition.h"

#include <stdio.h>
#include <string.h>

#include "proxy/http/entity_tag.h"
#include "proxy/http/http_date.h"

#define NANOSECONDS 1000000000U

struct file_validators file_validators_of(uint64_t modified_ns, uint64_t file_bytes,
                                          const char *coding)
{
    struct file_validators validators = {.modified_s = (int64_t)(modified_ns / NANOSECONDS)};
    snprintf(validators.etag, sizeof validators.etag, "\"%llx-%llx%s%s\"",
             (unsigned long long)modified_ns, (unsigned long long)file_bytes,
             coding != NULL ? "-" : "", coding != NULL ? coding : "");
    return validators;
}

/* ---- tags ---- */

enum tags {
    TAGS_NONE, /* the request has no such field */
    TAGS_MATCH,
    TAGS_OTHER,
};

/* weakly: W/ makes no difference (RFC 9110 8.8.3.2). */
static enum tags tags_of(const struct http_head *request, const char *name, const char *etag,
                         bool weakly)
{
    struct entity_tags listed = entity_tags_of(request, name);
    enum tags tags = listed.field != NULL ? TAGS_OTHER : TAGS_NONE;
    struct entity_tag tag;
    while (tags != TAGS_MATCH && entity_tags_next(&listed, &tag)) {
        bool same = entity_tag_is(&tag, etag, strlen(etag)) && (!tag.weak || weakly);
        tags = same || entity_tag_is_any(&tag) ? TAGS_MATCH : TAGS_OTHER;
    }
    return tags;
}

/* ---- dates ---- */

/* False: the request has no such field, or it is no date; several lines are none (RFC 9110 13.1.3, 13.1.4). */
static bool date_of(const struct http_head *request, const char *name, int64_t now_s,
                    int64_t *ret_date_s)
{
    const struct http_field *field = head_find_name(request, name, strlen(name));
    return field != NULL && head_find_next(request, field) == NULL &&
           http_date_read(request->base + field->value_at, field->value_bytes, now_s, ret_date_s);
}

/* ---- the verdict ---- */

enum file_verdict file_judge(const struct http_head *request,
                             const struct file_validators *validators, int64_t now_s)
{
    int64_t date_s;
    enum tags wanted = tags_of(request, "if-match", validators->etag, false);
    if (wanted == TAGS_OTHER ||
        (wanted == TAGS_NONE && date_of(request, "if-unmodified-since", now_s, &date_s) &&
         validators->modified_s > date_s)) {
        return FILE_VERDICT_FAILED;
    }
    enum tags known = tags_of(request, "if-none-match", validators->etag, true);
    if (known == TAGS_MATCH ||
        (known == TAGS_NONE && date_of(request, "if-modified-since", now_s, &date_s) &&
         validators->modified_s <= date_s)) {
        return FILE_VERDICT_NOT_MODIFIED;
    }
    return FILE_VERDICT_SEND;
}

bool file_range_counts(const struct http_head *request, const struct file_validators *validators,
                       int64_t now_s)
{
    static const char name[] = "if-range";
    const struct http_field *field = head_find_name(request, name, sizeof name - 1);
    struct entity_tag tag;
    int64_t date_s;
    if (field == NULL) {
        return true;
    }
    const char *at = request->base + field->value_at, *end = at + field->value_bytes;
    if (entity_tag_read(at, end, &tag)) {
        return tag.at + tag.bytes == end && !tag.weak &&
               entity_tag_is(&tag, validators->etag, strlen(validators->etag)) &&
               head_find_next(request, field) == NULL;
    }
    return date_of(request, name, now_s, &date_s) && date_s == validators->modified_s;
}
