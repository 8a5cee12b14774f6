/* Kinds of values for what a route does besides forwarding: texts with placeholders, fields, pages. */
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "conf/foreign.h"
#include "conf/mend.h"
#include "conf/schema_fields.h"
#include "conf/schema_types.h"
#include "conf/value.h"

/* Of a name in a folder (NAME_MAX). */
#define FILE_NAME_MAX_BYTES 255

/* Fields that belong to a connection or say where a message ends, and Host: the proxy writes them itself. */
static const char *const kept_names[] = {
    "connection",     "content-length",    "expect",           "host",
    "http2-settings", "keep-alive",        "proxy-connection", "te",
    "trailer",        "transfer-encoding", "upgrade",          NULL};

bool edge_field_kept(const char *name)
{
    for (size_t i = 0; kept_names[i] != NULL; i++) {
        if (strcasecmp(name, kept_names[i]) == 0) {
            return true;
        }
    }
    return false;
}

static bool take_removed(struct arena *arena, const struct schema_row *row, void *element,
                         const char *text)
{
    return !edge_field_kept(text) && type_field_list.take(arena, row, element, text);
}

static void print_removed(const struct schema_row *row, const void *element, FILE *out)
{
    type_field_list.print(row, element, out);
}

static void blame_removed(const char *text, char *hint, size_t hint_bytes)
{
    if (edge_field_kept(text)) {
        snprintf(hint, hint_bytes, ": " EDGE_FIELD_KEPT_FORMAT, text, "");
    }
}

static bool take_edge_text(struct arena *arena, const struct schema_row *row, void *element,
                           const char *text)
{
    char hint[MEND_TEXT_BYTES];
    return !foreign_variable_in(text, true, hint, sizeof hint) &&
           edge_text_parse(arena, text, field_of(element, row->at));
}

static void blame_edge_text(const char *text, char *hint, size_t hint_bytes)
{
    if (!foreign_variable_in(text, true, hint, hint_bytes)) {
        edge_text_blame(text, hint, hint_bytes);
    }
}

/* With line breaks, which the parser takes for a fault elsewhere: lines are parsed one by one. */
static bool take_edge_body(struct arena *arena, const struct schema_row *row, void *element,
                           const char *text)
{
    struct edge_text *body = field_of(element, row->at);
    struct schema_list parts = {NULL, 0};
    for (const char *at = text; *at != '\0';) {
        struct edge_text line;
        size_t bytes = strcspn(at, "\r\n"), breaks = strspn(at + bytes, "\r\n");
        const char *copy = arena_text(arena, at, bytes);
        if (copy == NULL || !edge_text_parse(arena, copy, &line)) {
            return false;
        }
        const struct edge_part end = {EDGE_LITERAL, arena_text(arena, at + bytes, breaks), breaks,
                                      0};
        for (size_t i = 0; i <= line.part_count; i++) {
            struct edge_part *added = schema_list_add(arena, &parts, sizeof *added);
            if (added == NULL) {
                return false;
            }
            *added = i < line.part_count ? line.parts[i] : end;
        }
        at += bytes + breaks;
    }
    *body = (struct edge_text){arena_text(arena, text, strlen(text)), parts.items, parts.count};
    return body->written != NULL;
}

static void print_escaped(const char *text, FILE *out)
{
    fputc('"', out);
    for (; *text != '\0'; text++) {
        const char *named = strchr("\nn\rr\tt", *text);
        if (named != NULL && (*text == '\n' || *text == '\r' || *text == '\t')) {
            fprintf(out, "\\%c", named[1]);
        } else {
            fprintf(out, "%s%c", *text == '"' || *text == '\\' ? "\\" : "", *text);
        }
    }
    fputc('"', out);
}

static void print_edge_text(const struct schema_row *row, const void *element, FILE *out)
{
    const struct edge_text *text = field_in(element, row->at);
    print_escaped(text->written != NULL ? text->written : "", out);
}

/* { Name = "text"; } */
static void print_fields(const struct schema_row *row, const void *element, FILE *out)
{
    const struct schema_list *list = field_in(element, row->at);
    const struct field_settings *fields = list->items;
    fputs("{ ", out);
    for (size_t i = 0; i < list->count; i++) {
        fprintf(out, "%s = ", fields[i].name);
        print_escaped(fields[i].value.written, out);
        fputs("; ", out);
    }
    fputs("}", out);
}

static void print_pages(const struct schema_row *row, const void *element, FILE *out)
{
    const struct schema_list *list = field_in(element, row->at);
    const struct error_page_settings *pages = list->items;
    fputs("( ", out);
    for (size_t i = 0; i < list->count; i++) {
        fprintf(out, "%s{ status = \"%" PRIu64 "-%" PRIu64 "\"; file = ", i > 0 ? ", " : "",
                pages[i].status_first, pages[i].status_last);
        print_quoted(pages[i].file, out);
        fprintf(out, "; intercept = %s; }", pages[i].intercept ? "true" : "false");
    }
    fputs(" )", out);
}

/* ---- names of files ---- */

static bool add_text(struct arena *arena, const struct schema_row *row, void *element,
                     const char *text)
{
    const char **added = schema_list_add(arena, field_of(element, row->at), sizeof *added);
    return added != NULL && (*added = arena_text(arena, text, strlen(text))) != NULL;
}

/* A segment of a path. */
static bool take_file(struct arena *arena, const struct schema_row *row, void *element,
                      const char *text)
{
    return text[0] != '\0' && strlen(text) <= FILE_NAME_MAX_BYTES && strchr(text, '/') == NULL &&
           strcmp(text, ".") != 0 && strcmp(text, "..") != 0 && add_text(arena, row, element, text);
}

/* An ending begins with ".", a path with "/" and has no dot segment. */
static bool take_try(struct arena *arena, const struct schema_row *row, void *element,
                     const char *text)
{
    bool ending = text[0] == '.' && text[1] != '\0' && strchr(text, '/') == NULL;
    bool path = text[0] == '/' && text[1] != '\0' && strstr(text, "/../") == NULL &&
                text[strlen(text) - 1] != '/';
    return (ending || path) && strlen(text) <= FILE_NAME_MAX_BYTES &&
           add_text(arena, row, element, text);
}

const struct schema_type type_file_list = {
    .name = "list of file names",
    .expected = "the name of a file such as \"index.html\"",
    .quoted = true,
    .list = true,
    .take = take_file,
    .print = print_texts,
};
const struct schema_type type_try_list = {
    .name = "list of paths and endings",
    .expected = "a path below the root such as \"/index.html\", or an ending such as \".html\"",
    .quoted = true,
    .list = true,
    .take = take_try,
    .print = print_texts,
};
const struct schema_type type_removed_list = {
    .name = "list of fields",
    .expected = "a field name such as \"X-Real-IP\"",
    .quoted = true,
    .list = true,
    .take = take_removed,
    .print = print_removed,
    .blame = blame_removed,
};
const struct schema_type type_edge_text = {
    .name = "text with placeholders",
    .expected = "a text such as \"https://{host}{target}\"",
    .quoted = true,
    .take = take_edge_text,
    .print = print_edge_text,
    .blame = blame_edge_text,
};
const struct schema_type type_edge_body = {
    .name = "text with placeholders",
    .expected = "a text such as \"ok\\n\"",
    .quoted = true,
    .take = take_edge_body,
    .print = print_edge_text,
    .blame = edge_text_blame,
};
/* read by conf/load_edge.c: they are groups */
const struct schema_type type_fields = {
    .name = "{ NAME = \"text with placeholders\"; }",
    .expected = "a group such as { X-Real-IP = \"{client}\"; }",
    .print = print_fields,
};
const struct schema_type type_page_list = {
    .name = "list of { status; file; intercept; }",
    .expected = "groups of status, file and maybe intercept",
    .print = print_pages,
};
