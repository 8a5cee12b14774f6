/* Values that are groups of their own: fields by name, and pages. */
#include <errno.h>
#include <libconfig.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "conf/foreign.h"
#include "conf/load.h"
#include "conf/mend.h"
#include "conf/read_text.h"
#include "conf/schema_types.h"
#include "conf/value.h"

#define PAGE_MAX_BYTES ((size_t)1024 * 1024)

static bool name_fits(struct loading *loading, const config_setting_t *at, const char *path,
                      const char *name)
{
    if (!value_is_token(name, strlen(name))) {
        loading_report_at(loading, SETTINGS_ERROR, at, path, "expected a field name, got \"%s\"",
                          name);
        return false;
    }
    if (edge_field_kept(name)) {
        loading_report_at(loading, SETTINGS_ERROR, at, path, EDGE_FIELD_KEPT_FORMAT, name,
                          strcasecmp(name, "host") == 0 ? ": use rewrite.host" : "");
        return false;
    }
    return true;
}

static void take_field(struct loading *loading, const config_setting_t *one,
                       const struct schema_row *row, const char *path, void *element)
{
    const char *name = config_setting_name(one);
    const char *text = config_setting_get_string(one);
    struct field_settings field = {.name = arena_text(&loading->arena, name, strlen(name))};
    if (!name_fits(loading, one, path, name)) {
        return;
    }
    char hint[MEND_TEXT_BYTES] = "";
    bool foreign = text != NULL && foreign_variable_in(text, false, hint, sizeof hint);
    if (text == NULL || foreign || !edge_text_parse(&loading->arena, text, &field.value)) {
        if (text != NULL && !foreign) {
            edge_text_blame(text, hint, sizeof hint);
        }
        loading_report_at(loading, SETTINGS_ERROR, one, path, "%s: expected a text, got %s%s", name,
                          text != NULL ? text : "another value", hint);
        return;
    }
    struct field_settings *added =
        schema_list_add(&loading->arena, (void *)((char *)element + row->at), sizeof *added);
    if (added != NULL) {
        *added = field;
    }
}

static void take_fields(struct loading *loading, const config_setting_t *setting,
                        const struct schema_row *row, const char *path, void *element)
{
    if (config_setting_type(setting) != CONFIG_TYPE_GROUP) {
        loading_report_at(loading, SETTINGS_ERROR, setting, path, "expected %s",
                          row->type->expected);
        return;
    }
    for (int i = 0; i < config_setting_length(setting); i++) {
        take_field(loading, config_setting_get_elem(setting, (unsigned)i), row, path, element);
    }
}

/* ---- pages ---- */

static const char *type_of_file(const char *file)
{
    static const char *const rows[][2] = {{".html", "text/html; charset=utf-8"},
                                          {".htm", "text/html; charset=utf-8"},
                                          {".json", "application/json"},
                                          {".xml", "application/xml"}};
    const char *dot = strrchr(file, '.');
    for (size_t i = 0; dot != NULL && i < sizeof rows / sizeof rows[0]; i++) {
        if (strcasecmp(dot, rows[i][0]) == 0) {
            return rows[i][1];
        }
    }
    return "text/plain; charset=utf-8";
}

/* NULL: it is read; else why not. */
static const char *read_page(struct arena *arena, struct error_page_settings *page)
{
    const char *why = "no memory";
    FILE *file = read_open_regular(page->file, &why);
    if (file == NULL) {
        return why;
    }
    char *space = malloc(PAGE_MAX_BYTES + 1);
    why = space == NULL ? "no memory" : NULL;
    if (space != NULL) {
        page->body_bytes = fread(space, 1, PAGE_MAX_BYTES + 1, file);
        why = ferror(file) ? strerror(errno) : NULL;
        why = page->body_bytes > PAGE_MAX_BYTES ? "it is larger than 1 MiB" : why;
        page->body = why == NULL ? arena_text(arena, space, page->body_bytes) : NULL;
        why = why == NULL && page->body == NULL ? "no memory" : why;
    }
    free(space);
    fclose(file);
    return why;
}

static bool take_page_status(const char *text, struct error_page_settings *page)
{
    char *end;
    page->status_first = page->status_last = strtoul(text, &end, 10);
    if (*end == '-') {
        page->status_last = strtoul(end + 1, &end, 10);
    }
    return *end == '\0' && page->status_first >= 400 && page->status_last <= 599 &&
           page->status_first <= page->status_last;
}

static void take_page(struct loading *loading, const config_setting_t *one,
                      const struct schema_row *row, const char *path, void *element)
{
    const char *status = NULL, *file = NULL;
    int intercept = 0, number;
    char digits[16];
    struct error_page_settings page = {0};
    bool group = config_setting_type(one) == CONFIG_TYPE_GROUP;
    int known = group ? config_setting_lookup_string(one, "status", &status) +
                            config_setting_lookup_int(one, "status", &number) +
                            config_setting_lookup_string(one, "file", &file) +
                            config_setting_lookup_bool(one, "intercept", &intercept)
                      : 0;
    if (status == NULL && group && config_setting_lookup_int(one, "status", &number)) {
        snprintf(digits, sizeof digits, "%d", number);
        status = digits;
    }
    if (status == NULL || file == NULL || known != config_setting_length(one) ||
        !take_page_status(status, &page)) {
        loading_report_at(
            loading, SETTINGS_ERROR, one, path,
            "expected { status = \"502-504\"; file = \"FILE\"; }, with a status from 400 to 599, "
            "and intercept = true if wanted");
        return;
    }
    page.file = arena_text(&loading->arena, file, strlen(file));
    page.type = type_of_file(file);
    page.intercept = intercept != 0;
    reading_tell(loading->reading, page.file);
    const char *why = page.file != NULL ? read_page(&loading->arena, &page) : "no memory";
    reading_tell(loading->reading, NULL);
    if (why != NULL) {
        loading_report_at(loading, SETTINGS_ERROR, one, path, "%s: %s", file, why);
        return;
    }
    struct error_page_settings *added =
        schema_list_add(&loading->arena, (void *)((char *)element + row->at), sizeof *added);
    if (added != NULL) {
        *added = page;
    }
}

static void take_pages(struct loading *loading, const config_setting_t *setting,
                       const struct schema_row *row, const char *path, void *element)
{
    if (config_setting_type(setting) != CONFIG_TYPE_LIST) {
        loading_report_at(loading, SETTINGS_ERROR, setting, path,
                          "expected a list ( { status = \"502-504\"; file = \"FILE\"; } )");
        return;
    }
    for (int i = 0; i < config_setting_length(setting) && i < LOADING_ITEMS_MAX; i++) {
        take_page(loading, config_setting_get_elem(setting, (unsigned)i), row, path, element);
    }
}

void loading_take_edge(struct loading *loading, const config_setting_t *setting,
                       const struct schema_row *row, const char *path, void *element)
{
    if (row->type == &type_fields) {
        take_fields(loading, setting, row, path, element);
    } else {
        take_pages(loading, setting, row, path, element);
    }
}
