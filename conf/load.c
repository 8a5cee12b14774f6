/* From a file to settings: walks the parsed file by the schema and reports every error in it. */
#include "conf/load.h"

#include <libconfig.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/check.h"
#include "conf/follow.h"
#include "conf/foreign.h"
#include "conf/value.h"
#include "steady/budget.h"

#define PATH_TEXT_BYTES 256
/* A suggestion at a larger distance is of no help. */
#define SUGGEST_DISTANCE 3

/* ---- keys ---- */

static const struct schema_row *find_row(const struct schema_section *section, const char *path)
{
    for (const struct schema_row *row = section->rows; row->path != NULL; row++) {
        if (strcmp(row->path, path) == 0) {
            return row;
        }
    }
    return NULL;
}

static bool is_group(const struct schema_section *section, const char *path)
{
    size_t bytes = strlen(path);
    for (const struct schema_row *row = section->rows; row->path != NULL; row++) {
        if (strncmp(row->path, path, bytes) == 0 && row->path[bytes] == '.') {
            return true;
        }
    }
    return false;
}

static const char *last_name(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot != NULL ? dot + 1 : path;
}

/* The known key that was probably meant: in this group, which is `meant`, or anywhere. False: none is near. */
static bool suggest(const struct schema_section *section, const char *inner, const char *name,
                    char meant[PATH_TEXT_BYTES], char *text, size_t bytes)
{
    size_t best = SUGGEST_DISTANCE + 1;
    size_t inner_bytes = strlen(inner);
    for (const struct schema_row *row = section->rows; row->path != NULL; row++) {
        if (strncmp(row->path, inner, inner_bytes) != 0) {
            continue;
        }
        char next[PATH_TEXT_BYTES];
        snprintf(next, sizeof next, "%s", row->path + inner_bytes);
        next[strcspn(next, ".")] = '\0';
        size_t distance = value_distance(next, name);
        if (distance < best && distance < strlen(name)) {
            best = distance;
            snprintf(text, bytes, "the nearest known key here is \"%s\"", next);
            snprintf(meant, PATH_TEXT_BYTES, "%s", next);
        }
    }
    for (const struct schema_section *other = schema_sections;
         other->name != NULL && inner_bytes == 0 && section->name[0] == '\0'; other++) {
        size_t distance = value_distance(other->name, name);
        if (other->name[0] != '\0' && distance < best && distance < strlen(name)) {
            best = distance;
            snprintf(text, bytes, "the nearest known key here is \"%s\"", other->name);
            snprintf(meant, PATH_TEXT_BYTES, "%s", other->name);
        }
    }
    if (best <= SUGGEST_DISTANCE) {
        return true;
    }
    for (const struct schema_section *other = schema_sections; other->name != NULL; other++) {
        for (const struct schema_row *row = other->rows; row->path != NULL; row++) {
            size_t distance = value_distance(last_name(row->path), name);
            if (distance < best && distance < 2) {
                best = distance;
                snprintf(text, bytes, "there is \"%s%s%s\"", other->name,
                         other->shape == SCHEMA_NAMED ? ".NAME."
                         : other->name[0] != '\0'     ? "."
                                                      : "",
                         row->path);
            }
        }
    }
    return best <= SUGGEST_DISTANCE;
}

/* The key of another program, or what was tried. False: it is none that is known. */
static bool suggest_for_foreign(const struct schema_section *section, const char *inner,
                                const char *name, char meant[PATH_TEXT_BYTES], char *text,
                                size_t bytes)
{
    char group[PATH_TEXT_BYTES];
    snprintf(group, sizeof group, "%s%s%s", section->name, section->name[0] != '\0' ? "." : "",
             inner);
    const struct foreign_key *row = foreign_key_find(group, name);
    if (row == NULL) {
        return false;
    }
    if (row->meant != NULL) {
        snprintf(text, bytes, "write %s%s%s", row->meant, row->text != NULL ? ", " : "",
                 row->text != NULL ? row->text : "");
        snprintf(meant, PATH_TEXT_BYTES, "%s", row->meant);
    } else {
        snprintf(text, bytes, "%s", row->text);
    }
    return true;
}

static void unknown_key(struct loading *loading, const config_setting_t *setting,
                        const struct schema_section *section, const char *inner, const char *path)
{
    char hint[512], meant[PATH_TEXT_BYTES] = "", full[PATH_TEXT_BYTES * 2];
    const char *name = config_setting_name(setting);
    bool near = suggest_for_foreign(section, inner, name, meant, hint, sizeof hint) ||
                suggest(section, inner, name, meant, hint, sizeof hint);
    if (meant[0] != '\0') {
        snprintf(full, sizeof full, "%.*s%s", (int)(strlen(path) - strlen(name)), path, meant);
        loading_add_cause(loading, full);
    }
    if (near) {
        loading_report_at(loading, SETTINGS_ERROR, setting, path, "unknown key; %s", hint);
    } else {
        loading_report_at(loading, SETTINGS_ERROR, setting, path,
                          "unknown key: see evenkeel.conf(5) for those that there are");
    }
}

/* The key's name; of a part, that of the group to which it belongs. */
static const char *key_name(const struct loading *loading, const config_setting_t *setting)
{
    const char *name = config_setting_name(setting);
    return config_setting_is_root(config_setting_parent(setting))
               ? source_key(&loading->source, name)
               : name;
}

/* The keys of a group of the file. inner: the group's path within the section, with a dot at its end; label: its full path. */
static void walk(struct loading *loading, const config_setting_t *group,
                 const struct schema_section *section, const char *inner, const char *label,
                 void *element)
{
    for (int i = 0; i < config_setting_length(group); i++) {
        const config_setting_t *setting = config_setting_get_elem(group, (unsigned)i);
        const char *name = key_name(loading, setting);
        char path[PATH_TEXT_BYTES], full[PATH_TEXT_BYTES * 2];
        snprintf(path, sizeof path, "%s%s", inner, name);
        snprintf(full, sizeof full, "%s%s%s", label, label[0] != '\0' ? "." : "", name);
        const struct schema_row *row = find_row(section, path);
        if (row != NULL) {
            loading_take_row(loading, setting, row, full, element);
        } else if (is_group(section, path) && config_setting_type(setting) == CONFIG_TYPE_GROUP) {
            char deeper[PATH_TEXT_BYTES + 1];
            snprintf(deeper, sizeof deeper, "%s.", path);
            walk(loading, setting, section, deeper, full, element);
        } else if (is_group(section, path)) {
            char deeper[PATH_TEXT_BYTES + 1];
            snprintf(deeper, sizeof deeper, "%s.", path);
            loading_want_group(loading, setting, section, deeper, full, element);
        } else if (section->name[0] != '\0' || !loading_is_section(name)) {
            unknown_key(loading, setting, section, inner, full);
        }
    }
}

bool loading_is_section(const char *name)
{
    for (const struct schema_section *section = schema_sections; section->name != NULL; section++) {
        if (section->name[0] != '\0' && strcmp(section->name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- sections ---- */

static void take_presets(struct loading *loading, const struct schema_section *section,
                         void *element)
{
    for (const struct schema_row *row = section->rows; row->path != NULL; row++) {
        if (row->preset == NULL || row->type->take == NULL) {
            continue;
        }
        char preset[PATH_TEXT_BYTES];
        snprintf(preset, sizeof preset, "%s", row->preset);
        char *rest = preset;
        for (char *one = row->type->list ? strsep(&rest, ",") : preset; one != NULL;
             one = row->type->list ? strsep(&rest, ",") : NULL) {
            if (!row->type->take(&loading->arena, row, element, one) && !loading->arena.failed) {
                loading_report(loading, SETTINGS_ERROR, row->path, "the default %s is not valid",
                               row->preset);
            }
        }
    }
}

static bool name_valid(const char *name)
{
    size_t bytes = strlen(name);
    return bytes > 0 && bytes <= 64 &&
           name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")] ==
               '\0';
}

/* Named elements begin with their name. */
static void take_name(struct loading *loading, const config_setting_t *item, const char *label,
                      void *element)
{
    const char *name = config_setting_name(item);
    *(const char **)element = arena_text(&loading->arena, name, strlen(name));
    if (!name_valid(name)) {
        loading_report_at(loading, SETTINGS_ERROR, item, label,
                          "expected a name of 1 to 64 letters, digits, \"_\" and \"-\"");
    }
    const config_setting_t *before = text_index_find(&loading->named, label);
    if (before != NULL) {
        const struct source_place place =
            source_place(&loading->source, config_setting_source_line(before));
        loading_report_at(loading, SETTINGS_ERROR, item, label,
                          LOADING_SET_TWICE "; the first is at %s:%u", place.file, place.line);
    }
}

/* So that messages find where the file speaks of the element. */
static void remember(struct loading *loading, const config_setting_t *item, const char *label)
{
    const char *key = arena_text(&loading->arena, label, strlen(label));
    if (key == NULL || (text_index_find(&loading->named, key) == NULL &&
                        !text_index_add(&loading->named, key, (void *)(uintptr_t)item))) {
        loading->arena.failed = true;
    }
}

static void take_item(struct loading *loading, const struct schema_section *section,
                      const config_setting_t *item, const void *presets)
{
    struct schema_list *list = (void *)((char *)loading->settings + section->items_at);
    char label[PATH_TEXT_BYTES];
    if (section->shape == SCHEMA_NAMED) {
        snprintf(label, sizeof label, "%s.%s", section->name, config_setting_name(item));
    } else {
        snprintf(label, sizeof label, "%s.[%zu]", section->name, list->count);
    }
    void *element = schema_list_add(&loading->arena, list, section->element_bytes);
    if (element == NULL) {
        return;
    }
    memcpy(element, presets, section->element_bytes);
    if (section->shape == SCHEMA_NAMED) {
        take_name(loading, item, label, element);
    }
    remember(loading, item, label);
    if (config_setting_type(item) != CONFIG_TYPE_GROUP) {
        loading_want_group(loading, item, section, "", label, element);
        return;
    }
    walk(loading, item, section, "", label, element);
    if (strcmp(section->name, "listeners") == 0) {
        ((struct listener_settings *)element)->tls.enabled =
            config_setting_get_member(item, "tls") != NULL;
    }
    if (strcmp(section->name, "upstreams") == 0) {
        follow_settings(item, element);
    }
    if (strcmp(section->name, "routes") == 0) {
        follow_compress(item, &loading->settings->compress,
                        &((struct route_settings *)element)->compress);
    }
}

/* The next part of the section behind `part`; with NULL its first. NULL: there is no further one. */
static const config_setting_t *next_part(const struct loading *loading, const char *section,
                                         const config_setting_t *part)
{
    const config_setting_t *root = config_root_setting(loading->config);
    int i = part != NULL ? config_setting_index(part) + 1 : 0;
    for (; i < config_setting_length(root); i++) {
        part = config_setting_get_elem(root, (unsigned)i);
        if (strcmp(key_name(loading, part), section) == 0) {
            return part;
        }
    }
    return NULL;
}

static void take_items(struct loading *loading, const struct schema_section *section)
{
    void *presets = arena_take(&loading->arena, section->element_bytes);
    if (presets == NULL) {
        return;
    }
    take_presets(loading, section, presets);
    const config_setting_t *part = NULL;
    while ((part = next_part(loading, section->name, part)) != NULL) {
        for (int i = 0; i < config_setting_length(part); i++) {
            take_item(loading, section, config_setting_get_elem(part, (unsigned)i), presets);
        }
    }
}

/* Of all parts; -1: one is not what it should be, which is reported. */
static int items_count(struct loading *loading, const struct schema_section *section)
{
    bool named = section->shape == SCHEMA_NAMED;
    const config_setting_t *part = NULL;
    int count = 0;
    while ((part = next_part(loading, section->name, part)) != NULL) {
        bool empty_list = !named && config_setting_type(part) == CONFIG_TYPE_ARRAY &&
                          config_setting_length(part) == 0;
        if (!empty_list &&
            config_setting_type(part) != (named ? CONFIG_TYPE_GROUP : CONFIG_TYPE_LIST)) {
            loading_report_at(loading, SETTINGS_ERROR, part, section->name,
                              named ? "expected a group: write %s = { NAME = { ... }; };"
                                    : "expected a list of groups: write %s = ( { ... }, { ... } );",
                              section->name);
            return -1;
        }
        count += config_setting_length(part);
    }
    return count;
}

static void take_section(struct loading *loading, const struct schema_section *section)
{
    const config_setting_t *first = next_part(loading, section->name, NULL);
    if (first == NULL) {
        if (section->required && !loading_is_caused(loading, section->name)) {
            loading_add_message(
                loading, SETTINGS_ERROR, loading->name, 0,
                arena_printf(&loading->arena,
                             "%s: missing; a configuration needs listeners and routes",
                             section->name));
        }
        return;
    }
    int count = items_count(loading, section);
    if (count == 0 || count > LOADING_ITEMS_MAX) {
        loading_report_at(loading, SETTINGS_ERROR, first, section->name,
                          count == 0 ? "is empty: expected at least one"
                                     : "expected at most %d, got %d",
                          LOADING_ITEMS_MAX, count);
    } else if (count > 0) {
        take_items(loading, section);
    }
}

/* What is closed is known before the first request, and a disk that hangs is met by whoever loads. */
static void look_for(const struct loading *loading, struct maintenance_settings *maintenance)
{
    if (maintenance->file[0] != '\0') {
        reading_tell(loading->reading, maintenance->file);
        maintenance->file_was_there = access(maintenance->file, F_OK) == 0;
        reading_tell(loading->reading, NULL);
    }
}

static void look_for_maintenance(const struct loading *loading)
{
    const struct settings *settings = loading->settings;
    for (size_t i = 0; i < settings->upstream_count; i++) {
        look_for(loading, &settings->upstreams[i].maintenance);
    }
    for (size_t i = 0; i < settings->route_count; i++) {
        look_for(loading, &settings->routes[i].maintenance);
    }
}

static void take_everything(struct loading *loading)
{
    for (const struct schema_section *section = schema_sections; section->name != NULL; section++) {
        if (section->shape == SCHEMA_SINGLE) {
            take_presets(loading, section, loading->settings);
            walk(loading, config_root_setting(loading->config), section, "", "", loading->settings);
        } else {
            take_section(loading, section);
        }
    }
    uint64_t workers = loading->settings->worker_setting_count;
    loading->settings->worker_count = workers > 0 ? (unsigned)workers : budget_processors("");
    check_settings(loading);
    if (loading->messages->error_count == 0 && !loading->arena.failed) {
        look_for_maintenance(loading);
    }
}

/* ---- files ---- */

static enum settings_result finish(struct loading *loading, struct settings **ret_settings)
{
    if (loading->arena.failed) {
        arena_release(&loading->arena);
        return SETTINGS_NO_MEMORY;
    }
    if (loading->messages->error_count > 0) {
        arena_release(&loading->arena);
        return SETTINGS_INVALID;
    }
    *ret_settings = settings_adopt(loading->settings, &loading->arena);
    return *ret_settings != NULL ? SETTINGS_OK : SETTINGS_NO_MEMORY;
}

static bool loading_begin(struct loading *loading, config_t *config, const char *name,
                          struct settings_messages *messages)
{
    *messages = (struct settings_messages){0};
    *loading = (struct loading){
        .config = config, .name = name, .messages = messages, .bool_type = &type_bool};
    loading->settings = arena_take(&loading->arena, sizeof(struct settings));
    config_init(config);
    return loading->settings != NULL;
}

/* From the text, if there is one, to the settings. */
static enum settings_result loading_end(struct loading *loading, bool is_read,
                                        struct settings **ret_settings)
{
    const struct source *source = &loading->source;
    bool unreadable = !is_read && source->error != NULL && source->error_at.line == 0;
    if (!is_read && source->error != NULL) {
        loading_add_message(loading, SETTINGS_ERROR, source->error_at.file, source->error_at.line,
                            source->error);
    } else if (is_read && config_read_string(loading->config, source->text) != CONFIG_TRUE) {
        loading_report_parse_error(loading); /* the library loses the text at which it stops */
    } else if (is_read) {
        take_everything(loading);
    }
    enum settings_result result = finish(loading, ret_settings);
    config_destroy(loading->config);
    source_close(&loading->source);
    text_index_release(&loading->named);
    text_index_release(&loading->causes);
    return unreadable && result == SETTINGS_INVALID ? SETTINGS_UNREADABLE : result;
}

enum settings_result settings_load_told(const char *path, const struct settings_reading *reading,
                                        struct settings **ret_settings,
                                        struct settings_messages *ret_messages)
{
    struct loading loading;
    config_t config;
    if (!loading_begin(&loading, &config, path, ret_messages)) {
        return SETTINGS_NO_MEMORY;
    }
    loading.reading = reading;
    return loading_end(&loading, source_read(&loading.source, &loading.arena, reading, path),
                       ret_settings);
}

enum settings_result settings_load(const char *path, struct settings **ret_settings,
                                   struct settings_messages *ret_messages)
{
    return settings_load_told(path, NULL, ret_settings, ret_messages);
}

enum settings_result settings_parse(const char *text, const char *name,
                                    struct settings **ret_settings,
                                    struct settings_messages *ret_messages)
{
    struct loading loading;
    config_t config;
    return loading_begin(&loading, &config, name, ret_messages)
               ? loading_end(&loading, source_take(&loading.source, &loading.arena, text, name),
                             ret_settings)
               : SETTINGS_NO_MEMORY;
}
