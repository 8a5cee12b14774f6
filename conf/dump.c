/* Prints settings row by row; rows of one group stand together in the schema. */
#include "conf/dump.h"

#include <string.h>

#include "conf/schema.h"
#include "conf/schema_types.h"

/* Rows without a value are left out: optional keys, and empty lists without a default. */
static bool row_is_set(const struct schema_row *row, const void *element)
{
    const char *field = (const char *)element + row->at;
    if (row->type->list && row->words == NULL) {
        return row->preset != NULL || ((const struct schema_list *)(const void *)field)->count > 0;
    }
    if (row->preset != NULL || row->type->list || row->type == &type_bool) {
        return true;
    }
    if (row->type == &type_duration) {
        return *(const uint64_t *)(const void *)field != 0;
    }
    return *(const char *const *)(const void *)field != NULL;
}

static void dump_row(const struct schema_row *row, const void *element, FILE *out)
{
    bool brackets = row->type->list && row->type != &type_certificate_list;
    const char *dot = strrchr(row->path, '.');
    fprintf(out, "%s = %s", dot != NULL ? dot + 1 : row->path, brackets ? "[ " : "");
    row->type->print(row, element, out);
    fputs(brackets ? " ];\n" : ";\n", out);
}

static void indent(FILE *out, size_t depth)
{
    fprintf(out, "%*s", (int)depth * 2, "");
}

/* ---- groups that mean something by being there: written out, they would turn it on ---- */

static bool lacks_tls(const void *element)
{
    return !((const struct listener_settings *)element)->tls.enabled;
}

/* A route that says nothing of compression follows the top. */
static bool lacks_compress(const void *element)
{
    return !((const struct route_settings *)element)->compress.given;
}

static bool lacks_auth(const void *element)
{
    return !auth_asked(&((const struct route_settings *)element)->auth);
}

static bool lacks_auth_forward(const void *element)
{
    return ((const struct route_settings *)element)->auth.forward.upstream == NULL;
}

static bool lacks_auth_basic(const void *element)
{
    return ((const struct route_settings *)element)->auth.basic.file == NULL;
}

static const struct {
    const char *section, *prefix;
    bool (*lacks)(const void *element);
} telling_groups[] = {
    {"listeners", "tls.", lacks_tls},
    {"routes", "compress.", lacks_compress},
    {"routes", "auth.", lacks_auth},
    {"routes", "auth.forward.", lacks_auth_forward},
    {"routes", "auth.basic.", lacks_auth_basic},
};

static bool skips(const struct schema_section *section, const char *path, const void *element)
{
    for (size_t i = 0; i < sizeof telling_groups / sizeof telling_groups[0]; i++) {
        if (strcmp(telling_groups[i].section, section->name) == 0 &&
            strncmp(telling_groups[i].prefix, path, strlen(telling_groups[i].prefix)) == 0 &&
            telling_groups[i].lacks(element)) {
            return true;
        }
    }
    return false;
}

/* Prints the rows below `prefix`, and returns the first row that is not below it. */
static const struct schema_row *dump_group(const struct schema_section *section,
                                           const struct schema_row *row, const char *prefix,
                                           const void *element, FILE *out, size_t depth)
{
    size_t prefix_bytes = strlen(prefix);
    while (row->path != NULL && strncmp(row->path, prefix, prefix_bytes) == 0) {
        if (skips(section, row->path, element)) {
            row++;
            continue;
        }
        const char *rest = row->path + prefix_bytes;
        const char *dot = strchr(rest, '.');
        if (dot == NULL) {
            if (row_is_set(row, element)) {
                indent(out, depth);
                dump_row(row, element, out);
            }
            row++;
            continue;
        }
        char deeper[128];
        snprintf(deeper, sizeof deeper, "%.*s", (int)(dot + 1 - row->path), row->path);
        indent(out, depth);
        fprintf(out, "%.*s = {\n", (int)(dot - rest), rest);
        row = dump_group(section, row, deeper, element, out, depth + 1);
        indent(out, depth);
        fputs("};\n", out);
    }
    return row;
}

static void dump_items(const struct settings *settings, const struct schema_section *section,
                       FILE *out)
{
    const struct schema_list *list = (const void *)((const char *)settings + section->items_at);
    bool named = section->shape == SCHEMA_NAMED;
    fprintf(out, "\n%s = %s\n", section->name, named ? "{" : "(");
    for (size_t i = 0; i < list->count; i++) {
        const char *element = (const char *)list->items + i * section->element_bytes;
        if (named) {
            fprintf(out, "  %s = {\n", *(const char *const *)(const void *)element);
        } else {
            fputs("  {\n", out);
        }
        dump_group(section, section->rows, "", element, out, 2);
        fputs(named ? "  };\n" : i + 1 < list->count ? "  },\n" : "  }\n", out);
    }
    fputs(named ? "};\n" : ");\n", out);
}

bool settings_dump(const struct settings *settings, FILE *out)
{
    for (const struct schema_section *section = schema_sections; section->name != NULL; section++) {
        if (section->shape == SCHEMA_SINGLE) {
            dump_group(section, section->rows, "", settings, out, 0);
        } else {
            dump_items(settings, section, out);
        }
    }
    return fflush(out) == 0 && !ferror(out);
}
