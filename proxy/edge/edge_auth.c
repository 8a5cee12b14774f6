/* Heads of auth.forward. */
#include "proxy/edge/edge_auth.h"

#include <string.h>

#include "proxy/edge/edge_fields.h"
#include "proxy/http/append.h"

/* ---- what only the service may say ---- */

static bool is_copied(const struct auth_forward_settings *forward, const char *name,
                      size_t name_bytes)
{
    for (size_t i = 0; i < forward->copy_count; i++) {
        if (edge_name_is(name, name_bytes, forward->copy[i])) {
            return true;
        }
    }
    return false;
}

/* The value goes too, so that no text of the configuration finds it. */
void edge_auth_guard(const struct auth_forward_settings *forward, struct http_head *head)
{
    for (unsigned i = 0; i < head->field_count; i++) {
        struct http_field *field = &head->fields[i];
        if (is_copied(forward, head->base + field->name_at, field->name_bytes)) {
            field->drop = 1;
            field->value_bytes = 0;
        }
    }
}

/* ---- the request ---- */

/* With "_" too: servers take "_" for "-". */
static bool tells_otherwise(const char *name, size_t name_bytes)
{
    static const char *const names[] = {/* of a payload that is not sent */
                                        "Content-Type", "Content-Encoding", "Content-Length",
                                        "Content-Language", "Content-Location", "Content-Range",
                                        "Transfer-Encoding", "Trailer", "Digest", "Content-Digest",
                                        "Repr-Digest", "Expect", "TE", "Upgrade",
                                        /* of a representation that is not asked for */
                                        "If-Match", "If-None-Match", "If-Modified-Since",
                                        "If-Unmodified-Since", "If-Range", "Range",
                                        /* written anew */
                                        "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host",
                                        "X-Forwarded-Method", "X-Forwarded-Uri"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (edge_name_is(name, name_bytes, names[i])) {
            return true;
        }
    }
    return false;
}

static const char get[] = "GET ", method_line[] = "X-Forwarded-Method: ",
                  uri_line[] = "\r\nX-Forwarded-Uri: ", line_end[] = "\r\n";

size_t edge_auth_bytes(const struct auth_forward_settings *forward, const struct http_head *head)
{
    return head_copy_bytes(head) + sizeof get + strlen(forward->path) + sizeof method_line +
           sizeof uri_line + sizeof line_end + head->method_text.bytes + head->target.bytes;
}

void edge_auth_ask(const struct auth_forward_settings *forward, const struct http_head *head,
                   char *space, struct http_head *ret_head, const char **ret_lines,
                   size_t *ret_lines_bytes)
{
    const unsigned kept_facts = FACT_CANONICAL | FACT_UNDERSCORE;
    size_t path_bytes = strlen(forward->path);
    head_copy(head, ret_head, space);
    char *lines = space + head_copy_bytes(head);
    uint32_t behind = ret_head->head_bytes;
    lines = append_literal(lines, get);
    lines = append(lines, forward->path, path_bytes);
    char *at = append_literal(lines, method_line);
    at = append(at, head_text(head, head->method_text), head->method_text.bytes);
    at = append_literal(at, uri_line);
    at = append(at, head_text(head, head->target), head->target.bytes);
    at = append_literal(at, line_end);
    *ret_lines = lines;
    *ret_lines_bytes = (size_t)(at - lines);
    ret_head->method = METHOD_GET;
    ret_head->method_text = (struct span){behind, sizeof get - 2};
    ret_head->target = (struct span){behind + sizeof get - 1, (uint32_t)path_bytes};
    ret_head->head_bytes += (uint32_t)(sizeof get - 1 + path_bytes);
    ret_head->facts &= kept_facts;
    ret_head->framing = FRAMING_NONE;
    ret_head->content_length = 0;
    for (unsigned i = 0; i < ret_head->field_count; i++) {
        struct http_field *field = &ret_head->fields[i];
        if (tells_otherwise(ret_head->base + field->name_at, field->name_bytes)) {
            field->drop = 1;
        }
    }
}

/* ---- the answer ---- */

static bool copy_field(const struct http_head *answer, const struct http_field *field,
                       const char *name, struct buf *lines)
{
    return buf_append(lines, name, strlen(name)) && buf_append(lines, ": ", 2) &&
           buf_append(lines, answer->base + field->value_at, field->value_bytes) &&
           buf_append(lines, line_end, sizeof line_end - 1);
}

/* Every field of the answer with one of the names, in the order of the configuration. */
bool edge_auth_copy(const struct auth_forward_settings *forward, const struct http_head *answer,
                    struct buf *lines)
{
    for (size_t i = 0; i < forward->copy_count; i++) {
        for (unsigned j = 0; j < answer->field_count; j++) {
            const struct http_field *field = &answer->fields[j];
            if (!field->drop && field->value_bytes > 0 &&
                edge_name_is(answer->base + field->name_at, field->name_bytes, forward->copy[i]) &&
                !copy_field(answer, field, forward->copy[i], lines)) {
                return false;
            }
        }
    }
    return true;
}

const struct http_field *edge_auth_user(const struct auth_forward_settings *forward,
                                        const struct http_head *answer)
{
    return forward->copy_count > 0
               ? head_find_name(answer, forward->copy[0], strlen(forward->copy[0]))
               : NULL;
}
