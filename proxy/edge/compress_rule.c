/* Status, fields, type and length decide, then Accept-Encoding and whether there may be secrets. */
#include "proxy/edge/compress_rule.h"

#include <string.h>
#include <strings.h>

#include "proxy/edge/edge_fields.h"
#include "proxy/http/accept_encoding.h"
#include "proxy/http/entity_tag.h"
#include "proxy/http/field_list.h"

/* Content-Encoding, Vary and the entity tag. */
#define ADDED_FIELDS 3
/* Names and values of the first two, and what stands before a weak tag. */
#define ADDED_BYTES 128

/* ---- the response ---- */

/* The first field of the name that the route leaves in the head. */
static const struct http_field *find_left(const struct http_head *head, const char *name)
{
    const struct http_field *field = head_find_name(head, name, strlen(name));
    while (field != NULL && field->drop) {
        field = head_find_next(head, field);
    }
    return field;
}

static bool directive_is(const struct field_element *element, const char *word)
{
    size_t bytes = strlen(word);
    return element->bytes >= bytes && strncasecmp(element->at, word, bytes) == 0 &&
           (element->bytes == bytes || element->at[bytes] == '=');
}

/* Whether a Cache-Control has the directive, with or without a value. */
static bool controls(const struct http_head *head, const char *word)
{
    for (unsigned i = 0; head_has(head, FIELD_CACHE_CONTROL) && i < head->field_count; i++) {
        if (head->fields[i].id != FIELD_CACHE_CONTROL || head->fields[i].drop) {
            continue;
        }
        struct field_list list = field_list_of(head, &head->fields[i]);
        struct field_element element;
        while (field_list_next(&list, &element)) {
            if (directive_is(&element, word)) {
                return true;
            }
        }
    }
    return false;
}

/* Digests of the content as it is, which would not be that of what is sent (RFC 9530 2, 3). */
static bool has_digest(const struct http_head *response)
{
    static const char *const names[] = {"Content-Digest", "Repr-Digest", "Digest", "Content-MD5"};
    bool has = false;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        has = has || head_find_name(response, names[i], strlen(names[i])) != NULL;
    }
    return has;
}

static bool type_is(const char *type, size_t bytes, const char *wanted)
{
    size_t wanted_bytes = strlen(wanted);
    if (wanted[wanted_bytes - 1] != '*') {
        return bytes == wanted_bytes && strncasecmp(type, wanted, bytes) == 0;
    }
    /* events are small, and each is sent at once: who wants them compressed says so */
    return bytes >= wanted_bytes && strncasecmp(type, wanted, wanted_bytes - 1) == 0 &&
           !type_is(type, bytes, "text/event-stream");
}

static bool type_fits(const struct compress_settings *settings, const struct http_head *response)
{
    const struct http_field *field =
        head_has(response, FIELD_CONTENT_TYPE) ? find_left(response, "Content-Type") : NULL;
    if (field == NULL) {
        return false;
    }
    const char *type = response->base + field->value_at;
    size_t bytes = 0;
    while (bytes < field->value_bytes && type[bytes] != ';' && !field_list_is_space(type[bytes])) {
        bytes++;
    }
    for (size_t i = 0; i < settings->type_count; i++) {
        if (type_is(type, bytes, settings->types[i])) {
            return true;
        }
    }
    return false;
}

static bool length_fits(const struct compress_settings *settings, const struct compress_case *of)
{
    const struct http_head *response = of->response;
    if (response->framing == FRAMING_LENGTH || head_has(response, FIELD_CONTENT_LENGTH)) {
        return response->content_length >= settings->min_bytes;
    }
    return !of->whole || of->request->method == METHOD_HEAD ||
           of->payload_bytes >= settings->min_bytes;
}

static bool status_fits(const struct http_head *response)
{
    return response->status >= 200 && response->status != 204 && response->status != 205 &&
           response->status != 206 && response->status != 304;
}

static bool response_fits(const struct compress_settings *settings, const struct compress_case *of)
{
    const struct http_head *response = of->response;
    return status_fits(response) && !head_has(response, FIELD_CONTENT_ENCODING) &&
           !head_has(response, FIELD_CONTENT_RANGE) && type_fits(settings, response) &&
           length_fits(settings, of) && !controls(response, "no-transform") &&
           !controls(of->request, "no-transform") && !has_digest(response);
}

/* ---- secrets ---- */

static bool holds_secrets(const struct compress_case *of)
{
    bool personal = of->certificate || head_has(of->request, FIELD_COOKIE) ||
                    head_has(of->request, FIELD_AUTHORIZATION) ||
                    head_has(of->response, FIELD_SET_COOKIE);
    bool public = !head_has(of->response, FIELD_SET_COOKIE) &&
                  (controls(of->response, "public") || controls(of->response, "s-maxage"));
    return personal && !public;
}

struct compress_verdict compress_judge(const struct compress_settings *settings,
                                       const struct compress_case *of)
{
    struct compress_verdict verdict = {CODING_IDENTITY, response_fits(settings, of)};
    if (verdict.varies && !(of->request->facts & FACT_HTTP_1_0) &&
        (settings->secrets || !holds_secrets(of))) {
        verdict.coding =
            accept_encoding_choose(of->request, settings->codings, settings->coding_count);
    }
    return verdict;
}

/* ---- the head ---- */

static const struct http_field *tag_of(const struct http_head *head)
{
    const struct http_field *tag = find_left(head, "ETag");
    bool strong = tag != NULL && tag->value_bytes > 0 && head->base[tag->value_at] == '"';
    return strong ? tag : NULL;
}

bool compress_confirms(const struct http_head *request, const struct http_head *response)
{
    const struct http_field *tag = response->status == 304 ? tag_of(response) : NULL;
    struct entity_tags asked = entity_tags_of(request, "if-none-match");
    struct entity_tag one;
    while (tag != NULL && entity_tags_next(&asked, &one)) {
        if (one.weak && entity_tag_is(&one, response->base + tag->value_at, tag->value_bytes)) {
            return true;
        }
    }
    return false;
}

/* Whether caches are told already that the response depends on Accept-Encoding. */
static bool tells_vary(const struct http_head *head)
{
    for (unsigned i = 0; i < head->field_count; i++) {
        const struct http_field *field = &head->fields[i];
        if (field->drop || field->name_bytes != 4 ||
            strncasecmp(head->base + field->name_at, "Vary", 4) != 0) {
            continue;
        }
        struct field_list list = field_list_of(head, field);
        struct field_element element;
        while (field_list_next(&list, &element)) {
            if (field_element_is(&element, "*", 1) ||
                field_element_is(&element, "accept-encoding", 15)) {
                return true;
            }
        }
    }
    return false;
}

/* The bytes that are sent are others, though they mean the same (RFC 9110 8.8.1). */
static void weaken_tag(struct http_head *head, struct buf *space)
{
    const struct http_field *tag = tag_of(head);
    if (tag == NULL) {
        return;
    }
    char *value = space->bytes + space->end + strlen("ETag");
    size_t bytes = tag->value_bytes;
    memcpy(value, "W/", 2);
    memcpy(value + 2, head->base + tag->value_at, bytes);
    head->fields[tag - head->fields].drop = 1;
    edge_head_add(head, space, "ETag", bytes + 2);
}

static void drop_named(struct http_head *head, const char *name)
{
    const struct http_field *field = head_find_name(head, name, strlen(name));
    if (field != NULL) {
        head->fields[field - head->fields].drop = 1;
    }
}

static void take_length(struct http_head *head)
{
    head_forget(head, FIELD_CONTENT_LENGTH);
    head->content_length = 0;
    if (head->framing != FRAMING_NONE) {
        head->framing = FRAMING_CHUNKED;
    }
}

size_t compress_head_bytes(const struct http_head *head)
{
    const struct http_field *tag = tag_of(head);
    return edge_head_copy_bytes(head, ADDED_FIELDS) + ADDED_BYTES +
           (tag != NULL ? tag->value_bytes : 0);
}

void compress_head(const struct http_head *head, struct compress_verdict verdict, struct buf *space,
                   struct http_head *ret_head)
{
    bool tells = tells_vary(head);
    edge_head_copy(head, ADDED_FIELDS, space, ret_head);
    if (verdict.varies && !tells) {
        edge_head_write(ret_head, space, "Vary", "Accept-Encoding", strlen("Accept-Encoding"));
    }
    if (verdict.varies && verdict.coding == CODING_IDENTITY) {
        return;
    }
    weaken_tag(ret_head, space);
    if (verdict.coding != CODING_IDENTITY) {
        const char *word = coding_rows[verdict.coding].name;
        edge_head_write(ret_head, space, "Content-Encoding", word, strlen(word));
        take_length(ret_head);
        drop_named(ret_head, "Accept-Ranges"); /* ranges would be those of other bytes */
    }
}
