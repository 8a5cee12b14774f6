/* Kinds of values that are numbers: durations, sizes, counts, and what is true or false. */
#include <inttypes.h>
#include <string.h>

#include "conf/schema_fields.h"
#include "conf/schema_types.h"
#include "conf/value.h"
#include "steady/check.h"

static const struct schema_row *find_row(const char *section_name, const char *path)
{
    const struct schema_section *section = schema_sections;
    while (strcmp(section->name, section_name) != 0) {
        section++;
    }
    const struct schema_row *row = section->rows;
    while (strcmp(row->path, path) != 0) {
        row++;
    }
    return row;
}

uint64_t schema_default(const char *section_name, const char *path)
{
    const struct schema_row *row = find_row(section_name, path);
    uint64_t value = 0;
    bool taken = row->type->unit == UNIT_MS      ? value_duration(row->preset, &value)
                 : row->type->unit == UNIT_BYTES ? value_size(row->preset, &value)
                                                 : value_count(row->preset, &value);
    CHECK(taken);
    return value;
}

void schema_range(const struct schema_row *row, char low[VALUE_TEXT_BYTES],
                  char high[VALUE_TEXT_BYTES])
{
    switch (row->type->unit) {
    case UNIT_MS:
        value_print_duration((uint64_t)row->min, low);
        value_print_duration((uint64_t)row->max, high);
        break;
    case UNIT_BYTES:
        value_print_size((uint64_t)row->min, low);
        value_print_size((uint64_t)row->max, high);
        break;
    case UNIT_PLAIN:
        snprintf(low, VALUE_TEXT_BYTES, "%.15g", row->min);
        snprintf(high, VALUE_TEXT_BYTES, "%.15g", row->max);
        break;
    }
}

static bool take_duration(struct arena *arena, const struct schema_row *row, void *element,
                          const char *text)
{
    uint64_t ms;
    (void)arena;
    if (!value_duration(text, &ms) || !in_range(row, (double)ms)) {
        return false;
    }
    *(uint64_t *)field_of(element, row->at) = ms;
    return true;
}

static void print_duration(const struct schema_row *row, const void *element, FILE *out)
{
    char text[VALUE_TEXT_BYTES];
    value_print_duration(*(const uint64_t *)field_in(element, row->at), text);
    print_quoted(text, out);
}

static bool take_size(struct arena *arena, const struct schema_row *row, void *element,
                      const char *text)
{
    uint64_t bytes;
    (void)arena;
    if (!value_size(text, &bytes) || !in_range(row, (double)bytes)) {
        return false;
    }
    *(uint64_t *)field_of(element, row->at) = bytes;
    return true;
}

static void print_size(const struct schema_row *row, const void *element, FILE *out)
{
    char text[VALUE_TEXT_BYTES];
    value_print_size(*(const uint64_t *)field_in(element, row->at), text);
    print_quoted(text, out);
}

static bool take_size_or_auto(struct arena *arena, const struct schema_row *row, void *element,
                              const char *text)
{
    if (strcmp(text, "auto") == 0) {
        *(uint64_t *)field_of(element, row->at) = 0;
        return true;
    }
    return take_size(arena, row, element, text);
}

static void print_size_or_auto(const struct schema_row *row, const void *element, FILE *out)
{
    if (*(const uint64_t *)field_in(element, row->at) == 0) {
        print_quoted("auto", out);
    } else {
        print_size(row, element, out);
    }
}

static bool take_size_or_none(struct arena *arena, const struct schema_row *row, void *element,
                              const char *text)
{
    if (strcmp(text, "none") == 0) {
        *(uint64_t *)field_of(element, row->at) = SIZE_NONE_BYTES;
        return true;
    }
    return take_size(arena, row, element, text);
}

static void print_size_or_none(const struct schema_row *row, const void *element, FILE *out)
{
    if (*(const uint64_t *)field_in(element, row->at) == SIZE_NONE_BYTES) {
        print_quoted("none", out);
    } else {
        print_size(row, element, out);
    }
}

static bool take_count(struct arena *arena, const struct schema_row *row, void *element,
                       const char *text)
{
    uint64_t count;
    (void)arena;
    if (!value_count(text, &count) || !in_range(row, (double)count)) {
        return false;
    }
    *(uint64_t *)field_of(element, row->at) = count;
    return true;
}

static void print_count(const struct schema_row *row, const void *element, FILE *out)
{
    fprintf(out, "%" PRIu64, *(const uint64_t *)field_in(element, row->at));
}

static bool take_count_or_auto(struct arena *arena, const struct schema_row *row, void *element,
                               const char *text)
{
    bool is_auto = strcmp(text, "auto") == 0;
    *(bool *)field_of(element, row->also_at) = is_auto;
    if (is_auto) {
        *(uint64_t *)field_of(element, row->at) = POOL_WARM_AUTO_COUNT;
    }
    return is_auto || take_count(arena, row, element, text);
}

static void print_count_or_auto(const struct schema_row *row, const void *element, FILE *out)
{
    if (*(const bool *)field_in(element, row->also_at)) {
        print_quoted("auto", out);
    } else {
        print_count(row, element, out);
    }
}

static bool take_number(struct arena *arena, const struct schema_row *row, void *element,
                        const char *text)
{
    double number;
    (void)arena;
    if (!value_number(text, &number) || !in_range(row, number)) {
        return false;
    }
    *(double *)field_of(element, row->at) = number;
    return true;
}

static void print_number(const struct schema_row *row, const void *element, FILE *out)
{
    char text[32];
    snprintf(text, sizeof text, "%.15g", *(const double *)field_in(element, row->at));
    fprintf(out, "%s%s", text, strchr(text, '.') != NULL ? "" : ".0");
}

static bool take_bool(struct arena *arena, const struct schema_row *row, void *element,
                      const char *text)
{
    bool value = strcmp(text, "true") == 0;
    (void)arena;
    *(bool *)field_of(element, row->at) = value;
    return value || strcmp(text, "false") == 0;
}

static void print_bool(const struct schema_row *row, const void *element, FILE *out)
{
    fputs(*(const bool *)field_in(element, row->at) ? "true" : "false", out);
}

const struct schema_type type_duration = {
    .name = "duration",
    .expected = "a duration such as \"250ms\", \"1.5s\", \"15m\", \"1h30m\"",
    .quoted = true,
    .take = take_duration,
    .print = print_duration,
    .unit = UNIT_MS,
};
const struct schema_type type_size = {
    .name = "size",
    .expected = "a size such as \"512B\", \"64KiB\", \"4G\"",
    .quoted = true,
    .take = take_size,
    .print = print_size,
    .unit = UNIT_BYTES,
};
const struct schema_type type_size_or_auto = {
    .name = "size or \"auto\"",
    .expected = "\"auto\" or a size such as \"2GiB\"",
    .quoted = true,
    .take = take_size_or_auto,
    .print = print_size_or_auto,
    .unit = UNIT_BYTES,
};
const struct schema_type type_size_or_none = {
    .name = "size or \"none\"",
    .expected = "\"none\" or a size such as \"64MiB\", \"4G\"",
    .quoted = true,
    .take = take_size_or_none,
    .print = print_size_or_none,
    .unit = UNIT_BYTES,
};
const struct schema_type type_count = {
    .name = "count",
    .expected = "a whole number",
    .take = take_count,
    .print = print_count,
};
const struct schema_type type_count_or_auto = {
    .name = "count or \"auto\"",
    .expected = "\"auto\" or a whole number",
    .take = take_count_or_auto,
    .print = print_count_or_auto,
};
const struct schema_type type_number = {
    .name = "number",
    .expected = "a number",
    .take = take_number,
    .print = print_number,
};
const struct schema_type type_bool = {
    .name = "boolean",
    .expected = "true or false",
    .take = take_bool,
    .print = print_bool,
};

bool schema_takes_auto(const struct schema_row *row)
{
    return row->type == &type_count_or_auto;
}
