/* If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since, If-Range. */
#include "proxy/edge/file_condition.h"

#include <stdio.h>
#include <string.h>

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

/* The tag at `at`, quotes included; NULL: there is none. Quotes may have commas in them. */
static const char *tag_end(const char *at, const char *end)
{
    if (at == end || *at != '"') {
        return NULL;
    }
    const char *quote = memchr(at + 1, '"', (size_t)(end - at - 1));
    return quote != NULL ? quote + 1 : NULL;
}

static bool tag_is(const char *at, const char *end, const char *etag)
{
    return strlen(etag) == (size_t)(end - at) && memcmp(at, etag, (size_t)(end - at)) == 0;
}

/* weakly: W/ makes no difference (RFC 9110 8.8.3.2). */
static bool list_has_tag(const char *at, const char *end, const char *etag, bool weakly)
{
    if (end - at == 1 && *at == '*') {
        return true;
    }
    while (at < end) {
        if (*at == ',' || *at == ' ' || *at == '\t') {
            at++;
            continue;
        }
        bool weak = end - at > 2 && at[0] == 'W' && at[1] == '/';
        at += weak ? 2 : 0;
        const char *behind = tag_end(at, end);
        if (behind == NULL) {
            return false;
        }
        if (tag_is(at, behind, etag) && (!weak || weakly)) {
            return true;
        }
        at = behind;
    }
    return false;
}

static enum tags tags_of(const struct http_head *request, const char *name, const char *etag,
                         bool weakly)
{
    const struct http_field *field = head_find_name(request, name, strlen(name));
    enum tags tags = field != NULL ? TAGS_OTHER : TAGS_NONE;
    for (; field != NULL && tags != TAGS_MATCH; field = head_find_next(request, field)) {
        const char *at = request->base + field->value_at;
        if (list_has_tag(at, at + field->value_bytes, etag, weakly)) {
            tags = TAGS_MATCH;
        }
    }
    return tags;
}

/* ---- dates ---- */

/* False: the request has no such field, or it is no date. */
static bool date_of(const struct http_head *request, const char *name, int64_t now_s,
                    int64_t *ret_date_s)
{
    const struct http_field *field = head_find_name(request, name, strlen(name));
    return field != NULL &&
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
    int64_t date_s;
    if (field == NULL) {
        return true;
    }
    const char *at = request->base + field->value_at, *end = at + field->value_bytes;
    if (tag_end(at, end) == end) {
        return tag_is(at, end, validators->etag);
    }
    return date_of(request, name, now_s, &date_s) && date_s == validators->modified_s;
}
