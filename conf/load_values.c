/* The values of keys: one, a list of them, or a list of certificates. */
#include <libconfig.h>
#include <stdio.h>
#include <string.h>

#include "conf/load.h"
#include "conf/mend.h"
#include "conf/schema_types.h"
#include "conf/value.h"

/* " from 1s to 1h", or the words that there are. */
static void range_text(const struct schema_row *row, char *text, size_t bytes)
{
    char low[VALUE_TEXT_BYTES], high[VALUE_TEXT_BYTES];
    text[0] = '\0';
    if (row->words != NULL) {
        size_t used = 0;
        for (size_t i = 0; row->words[i] != NULL && used < bytes; i++) {
            used += (size_t)snprintf(text + used, bytes - used, "%s\"%s\"", i > 0 ? ", " : " ",
                                     row->words[i]);
        }
    } else if (row->min != 0 || row->max != 0) {
        schema_range(row, low, high);
        snprintf(text, bytes, " from %s to %s", low, high);
    }
}

/* The value in the file as text; NULL for a group or list. */
static const char *scalar_text(const config_setting_t *setting, char space[64])
{
    switch (config_setting_type(setting)) {
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        snprintf(space, 64, "%lld", config_setting_get_int64(setting));
        return space;
    case CONFIG_TYPE_FLOAT:
        snprintf(space, 64, "%.15g", config_setting_get_float(setting));
        return space;
    case CONFIG_TYPE_BOOL: return config_setting_get_bool(setting) ? "true" : "false";
    case CONFIG_TYPE_STRING: return config_setting_get_string(setting);
    default: return NULL;
    }
}

/* Whether a value of the file is written as those of the row are: with quotes, as a number, or as true and false. */
static bool is_of_kind(const struct loading *loading, const config_setting_t *setting,
                       const struct schema_row *row, const char *text)
{
    bool is_text = config_setting_type(setting) == CONFIG_TYPE_STRING;
    bool is_bool = config_setting_type(setting) == CONFIG_TYPE_BOOL;
    if (row->type->quoted || (schema_takes_auto(row) && is_text && strcmp(text, "auto") == 0)) {
        return is_text;
    }
    return row->type == loading->bool_type ? is_bool : !is_text && !is_bool;
}

static void take_scalar(struct loading *loading, const config_setting_t *setting,
                        const struct schema_row *row, const char *path, void *element)
{
    char space[64], range[640];
    const char *text = scalar_text(setting, space);
    bool is_text = config_setting_type(setting) == CONFIG_TYPE_STRING;
    range_text(row, range, sizeof range);
    if (text == NULL) {
        bool several = config_setting_type(setting) != CONFIG_TYPE_GROUP &&
                       (strcmp(row->path, "host") == 0 || strcmp(row->path, "listener") == 0);
        loading_report_at(loading, SETTINGS_ERROR, setting, path,
                          "expected %s%s, got a group or list%s%s%s", row->type->expected, range,
                          several ? ": write " : "", several ? row->path : "",
                          several ? "s = [ ... ]" : "");
        return;
    }
    if (is_of_kind(loading, setting, row, text) &&
        row->type->take(&loading->arena, row, element, text)) {
        return;
    }
    char hint[MEND_TEXT_BYTES];
    mend_value(row, text, is_text, hint);
    loading_report_at(loading, SETTINGS_ERROR, setting, path, "expected %s%s, got %s%s%s%s",
                      row->type->expected, range, is_text ? "\"" : "", text, is_text ? "\"" : "",
                      hint);
}

static void take_list(struct loading *loading, const config_setting_t *setting,
                      const struct schema_row *row, const char *path, void *element)
{
    /* the value in the file replaces the default */
    memset((char *)element + row->at, 0,
           row->words != NULL ? sizeof(unsigned) : sizeof(struct schema_list));
    if (!config_setting_is_aggregate(setting)) {
        take_scalar(loading, setting, row, path, element); /* a list of one needs no brackets */
        return;
    }
    if (config_setting_type(setting) == CONFIG_TYPE_GROUP) {
        loading_report_at(loading, SETTINGS_ERROR, setting, path, "expected %s, got a group",
                          row->type->expected);
        return;
    }
    int count = config_setting_length(setting);
    for (int i = 0; i < count && i < LOADING_ITEMS_MAX; i++) {
        take_scalar(loading, config_setting_get_elem(setting, (unsigned)i), row, path, element);
    }
    if (count > LOADING_ITEMS_MAX) {
        loading_report_at(loading, SETTINGS_ERROR, setting, path,
                          "expected at most %d elements, got %d", LOADING_ITEMS_MAX, count);
    }
}

static void take_certificates(struct loading *loading, const config_setting_t *setting,
                              const struct schema_row *row, const char *path, void *element)
{
    if (config_setting_type(setting) != CONFIG_TYPE_LIST &&
        (config_setting_type(setting) != CONFIG_TYPE_ARRAY || config_setting_length(setting) > 0)) {
        loading_report_at(
            loading, SETTINGS_ERROR, setting, path,
            "expected a list: write certificates = ( { cert = \"FILE\"; key = \"FILE\"; } );");
        return;
    }
    for (int i = 0; i < config_setting_length(setting) && i < LOADING_ITEMS_MAX; i++) {
        config_setting_t *one = config_setting_get_elem(setting, (unsigned)i);
        const char *cert = NULL, *key = NULL, *ocsp = "";
        if (config_setting_type(one) != CONFIG_TYPE_GROUP ||
            !config_setting_lookup_string(one, "cert", &cert) ||
            !config_setting_lookup_string(one, "key", &key) ||
            2 + config_setting_lookup_string(one, "ocsp", &ocsp) != config_setting_length(one)) {
            loading_report_at(
                loading, SETTINGS_ERROR, one, path,
                "expected { cert = \"FILE\"; key = \"FILE\"; }, and ocsp = \"FILE\" if wanted");
            continue;
        }
        struct certificate_settings *added =
            schema_list_add(&loading->arena, (void *)((char *)element + row->at), sizeof *added);
        if (added != NULL) {
            added->cert = arena_text(&loading->arena, cert, strlen(cert));
            added->key = arena_text(&loading->arena, key, strlen(key));
            added->ocsp = arena_text(&loading->arena, ocsp, strlen(ocsp));
        }
    }
}

void loading_take_row(struct loading *loading, const config_setting_t *setting,
                      const struct schema_row *row, const char *path, void *element)
{
    if (row->type == &type_fields || row->type == &type_page_list) {
        loading_take_edge(loading, setting, row, path, element);
    } else if (row->type->take == NULL) {
        take_certificates(loading, setting, row, path, element);
    } else if (row->type->list) {
        take_list(loading, setting, row, path, element);
    } else {
        take_scalar(loading, setting, row, path, element);
    }
}

/* ---- a value where a group belongs ---- */

/* The row's name if it is a key of the group itself; NULL: it is not. */
static const char *name_within(const struct schema_row *row, const char *inner)
{
    size_t bytes = strlen(inner);
    return strncmp(row->path, inner, bytes) == 0 ? row->path + bytes : NULL;
}

/* What true means for a group is that it is enabled. */
static bool row_takes(struct loading *loading, const config_setting_t *setting,
                      const struct schema_row *row, const char *name, void *element)
{
    char space[64];
    const char *text = scalar_text(setting, space);
    bool single = row->type->take != NULL && strchr(name, '.') == NULL;
    if (text == NULL) {
        return single && row->type->list;
    }
    bool meant = row->type != loading->bool_type || strcmp(name, "enabled") == 0;
    return single && meant && is_of_kind(loading, setting, row, text) &&
           row->type->take(&loading->arena, row, element, text);
}

void loading_want_group(struct loading *loading, const config_setting_t *setting,
                        const struct schema_section *section, const char *inner, const char *path,
                        void *element)
{
    const char *key = config_setting_name(setting), *first = NULL;
    const char *quote = config_setting_type(setting) == CONFIG_TYPE_STRING ? "\"" : "";
    char space[64];
    const char *text = scalar_text(setting, space);
    for (const struct schema_row *row = section->rows; key != NULL && row->path != NULL; row++) {
        const char *name = name_within(row, inner);
        first = first != NULL ? first : name;
        if (name != NULL && row_takes(loading, setting, row, name, element)) {
            loading_report_at(loading, SETTINGS_ERROR, setting, path,
                              "expected a group: write %s = { %s = %s%s%s; };", key, name, quote,
                              text != NULL ? text : "[ ... ]", quote);
            return;
        }
    }
    if (first == NULL) {
        loading_report_at(loading, SETTINGS_ERROR, setting, path, "expected a group { ... }");
        return;
    }
    size_t first_bytes = strcspn(first, ".");
    loading_report_at(loading, SETTINGS_ERROR, setting, path,
                      "expected a group: write %s = { %.*s = %s; ... };", key, (int)first_bytes,
                      first, first[first_bytes] == '.' ? "{ ... }" : "...");
}
