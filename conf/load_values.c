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

static void take_scalar(struct loading *loading, const config_setting_t *setting,
                        const struct schema_row *row, const char *path, void *element)
{
    char space[64], range[640];
    const char *text = scalar_text(setting, space);
    bool is_text = config_setting_type(setting) == CONFIG_TYPE_STRING;
    bool is_bool = config_setting_type(setting) == CONFIG_TYPE_BOOL;
    range_text(row, range, sizeof range);
    if (text == NULL) {
        loading_report_at(loading, SETTINGS_ERROR, setting, path,
                          "expected %s%s, got a group or list", row->type->expected, range);
        return;
    }
    bool number_type = row->type == loading->bool_type ? is_bool : !is_text && !is_bool;
    number_type = number_type || (schema_takes_auto(row) && is_text && strcmp(text, "auto") == 0);
    if ((row->type->quoted ? is_text : number_type) &&
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
