/* Names are compared in any case, and "_" is "-", as in the variables of CGI, WSGI and Rack; a value that turns out empty writes no field. */
#include "proxy/edge/edge_fields.h"

#include <string.h>

#include "proxy/edge/edge_private.h"
#include "proxy/worker/route.h"

static unsigned char folded(char byte)
{
    return byte == '_' ? '-' : route_lower(byte);
}

bool edge_name_is(const char *name, size_t name_bytes, const char *wanted)
{
    if (strlen(wanted) != name_bytes) {
        return false;
    }
    for (size_t i = 0; i < name_bytes; i++) {
        if (folded(name[i]) != folded(wanted[i])) {
            return false;
        }
    }
    return true;
}

/* Whether the edit takes away any field: that of all routes, as a rule, does not. */
static bool takes_any(const struct field_edit_settings *edit)
{
    return edit->set_count + edit->remove_count > 0;
}

/* Whether the edit takes away fields of this name. */
static bool edit_takes(const struct field_edit_settings *edit, const char *name, size_t name_bytes)
{
    for (size_t i = 0; i < edit->set_count; i++) {
        if (edge_name_is(name, name_bytes, edit->set[i].name)) {
            return true;
        }
    }
    for (size_t i = 0; i < edit->remove_count; i++) {
        if (edge_name_is(name, name_bytes, edit->remove[i])) {
            return true;
        }
    }
    return false;
}

/* ---- lines of requests ---- */

static size_t filter_lines(const struct field_edit_settings *edit, char *lines, size_t bytes)
{
    char *out = lines;
    const char *at = lines, *end = lines + bytes;
    while (at < end) {
        const char *colon = memchr(at, ':', (size_t)(end - at));
        const char *next = memchr(at, '\n', (size_t)(end - at));
        next = next != NULL ? next + 1 : end;
        if (colon == NULL || !edit_takes(edit, at, (size_t)(colon - at))) {
            if (out != at) {
                memmove(out, at, (size_t)(next - at));
            }
            out += next - at;
        }
        at = next;
    }
    return (size_t)(out - lines);
}

size_t edge_filter_lines(const struct edge_edits *edits, char *lines, size_t bytes)
{
    for (size_t i = 0; i < 2; i++) {
        if (edits->of[i] != NULL && takes_any(edits->of[i])) {
            bytes = filter_lines(edits->of[i], lines, bytes);
        }
    }
    return bytes;
}

/* "Name: value" and the end of the line; nothing when the value is empty. */
static bool append_line(const struct field_settings *field, const struct edge_facts *facts,
                        struct buf *lines)
{
    size_t name_bytes = strlen(field->name), value_bytes;
    if (buf_space(lines) < name_bytes + 4) {
        return false;
    }
    char *at = lines->bytes + lines->end;
    size_t room = buf_space(lines) - name_bytes - 4;
    room = room < EDGE_TEXT_MAX_BYTES ? room : EDGE_TEXT_MAX_BYTES;
    if (!edge_render(&field->value, facts, EDGE_IN_FIELD, at + name_bytes + 2, room,
                     &value_bytes)) {
        return false;
    }
    if (value_bytes == 0) {
        return true;
    }
    memcpy(at, field->name, name_bytes);
    memcpy(at + name_bytes, ": ", 2);
    memcpy(at + name_bytes + 2 + value_bytes, "\r\n", 2);
    lines->end += (uint32_t)(name_bytes + value_bytes + 4);
    return true;
}

static bool append_lines(const struct field_settings *fields, size_t count,
                         const struct edge_facts *facts, struct buf *lines)
{
    for (size_t i = 0; i < count; i++) {
        if (!append_line(&fields[i], facts, lines)) {
            return false;
        }
    }
    return true;
}

static void drop_fields(const struct field_edit_settings *edit, struct http_head *head)
{
    for (unsigned i = 0; i < head->field_count && takes_any(edit); i++) {
        struct http_field *field = &head->fields[i];
        if (!field->drop && edit_takes(edit, head->base + field->name_at, field->name_bytes)) {
            field->drop = 1;
        }
    }
}

/* The values are made before fields are dropped, so that a field may be set to a text around its own value. */
bool edge_edit_request(const struct edge_edits *edits, const struct edge_facts *facts,
                       struct http_head *head, struct buf *lines)
{
    for (size_t i = 0; i < 2; i++) {
        const struct field_edit_settings *edit = edits->of[i];
        if (edit == NULL) {
            continue;
        }
        if (takes_any(edit)) {
            lines->end = (uint32_t)filter_lines(edit, lines->bytes, lines->end);
        }
        if (!append_lines(edit->set, edit->set_count, facts, lines) ||
            !append_lines(edit->add, edit->add_count, facts, lines)) {
            return false;
        }
        drop_fields(edit, head);
    }
    return true;
}

/* ---- heads of responses ---- */

const struct edge_extra edge_no_extra = {"", NULL, 0, false};

static size_t written_count(const struct field_edit_settings *edit)
{
    return edit != NULL ? edit->set_count + edit->add_count : 0;
}

/* Names, values and what is between them; a longer value is left out. */
#define RESPONSE_LINES_BYTES (2 * EDGE_TEXT_MAX_BYTES)
/* The extra field, and what keeps it from caches. */
#define ADDED_BY_US 2

size_t edge_response_bytes(const struct edge_edits *edits, const struct http_head *head,
                           const struct edge_extra *extra)
{
    size_t added = ADDED_BY_US + written_count(edits->of[0]) + written_count(edits->of[1]);
    return edge_head_copy_bytes(head, added) + RESPONSE_LINES_BYTES + EDGE_PRIVATE_BYTES +
           extra->value_bytes;
}

size_t edge_head_copy_bytes(const struct http_head *head, size_t added_count)
{
    return (head->field_count + added_count) * sizeof *head->fields + head->head_bytes;
}

void edge_head_copy(const struct http_head *head, size_t added_count, struct buf *space,
                    struct http_head *ret_head)
{
    struct http_field *fields = (struct http_field *)(void *)space->bytes;
    char *bytes = space->bytes + (head->field_count + added_count) * sizeof *fields;
    *ret_head = *head;
    memcpy(fields, head->fields, head->field_count * sizeof *fields);
    memcpy(bytes, head->base, head->head_bytes);
    space->end = (uint32_t)(bytes + head->head_bytes - space->bytes);
    ret_head->base = bytes;
    ret_head->fields = fields;
    ret_head->field_limit = (uint32_t)(head->field_count + added_count);
    ret_head->facts &= (uint16_t)~FACT_CANONICAL; /* the lines do not follow each other any more */
}

void edge_head_add(struct http_head *head, struct buf *space, const char *name, size_t value_bytes)
{
    size_t name_bytes = strlen(name);
    uint32_t at = (uint32_t)(space->bytes + space->end - head->base);
    enum field_id id = field_id_of(name, name_bytes);
    memcpy(space->bytes + space->end, name, name_bytes);
    head->fields[head->field_count++] = (struct http_field){
        .name_at = at,
        .name_bytes = (uint16_t)name_bytes,
        .value_at = at + (uint32_t)name_bytes,
        .value_bytes = (uint32_t)value_bytes,
        .id = (uint8_t)id,
    };
    if (id != FIELD_OTHER) {
        head->seen[id / 64] |= (uint64_t)1 << (id % 64);
    }
    space->end += (uint32_t)(name_bytes + value_bytes);
    head->head_bytes += (uint32_t)(name_bytes + value_bytes);
}

void edge_head_write(struct http_head *head, struct buf *space, const char *name, const char *value,
                     size_t value_bytes)
{
    memcpy(space->bytes + space->end + strlen(name), value, value_bytes);
    edge_head_add(head, space, name, value_bytes);
}

static void head_add_fields(struct http_head *head, struct buf *space,
                            const struct field_settings *fields, size_t count,
                            const struct edge_facts *facts)
{
    for (size_t i = 0; i < count; i++) {
        size_t name_bytes = strlen(fields[i].name), value_bytes;
        char *value = space->bytes + space->end + name_bytes;
        if (buf_space(space) < name_bytes) {
            return;
        }
        if (edge_render(&fields[i].value, facts, EDGE_IN_FIELD, value,
                        buf_space(space) - name_bytes, &value_bytes) &&
            value_bytes > 0) {
            edge_head_add(head, space, fields[i].name, value_bytes);
        }
    }
}

static void head_add_extra(struct http_head *head, struct buf *space,
                           const struct edge_extra *extra)
{
    size_t name_bytes = strlen(extra->name);
    size_t bytes = name_bytes + extra->value_bytes + (extra->personal ? EDGE_PRIVATE_BYTES : 0);
    if (extra->value_bytes == 0 || bytes > buf_space(space)) {
        return;
    }
    edge_head_write(head, space, extra->name, extra->value, extra->value_bytes);
    if (extra->personal) {
        edge_keep_from_caches(head, space);
    }
}

void edge_edit_response(const struct edge_edits *edits, const struct edge_facts *facts,
                        const struct http_head *head, const struct edge_extra *extra,
                        struct buf *space, struct http_head *ret_head)
{
    size_t added = ADDED_BY_US + written_count(edits->of[0]) + written_count(edits->of[1]);
    edge_head_copy(head, added, space, ret_head);
    if (!extra->personal) {
        head_add_extra(ret_head, space, extra);
    }
    for (size_t i = 0; i < 2; i++) {
        const struct field_edit_settings *edit = edits->of[i];
        if (edit != NULL) {
            drop_fields(edit, ret_head);
            head_add_fields(ret_head, space, edit->set, edit->set_count, facts);
            head_add_fields(ret_head, space, edit->add, edit->add_count, facts);
        }
    }
    if (extra->personal) {
        head_add_extra(ret_head, space, extra);
    }
}
