/* Reading and printing values with units. */
#include "conf/value.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct unit {
    const char *name;
    uint64_t factor;
};

/* Of a value with several names, the first is the one that is printed. In ascending order. */
static const struct unit duration_units[] = {{"ms", 1},      {"s", 1000},     {"m", 60000},
                                             {"h", 3600000}, {"d", 86400000}, {NULL, 0}};
#define KIB UINT64_C(1024)
static const struct unit size_units[] = {
    {"B", 1},
    {"KiB", KIB},
    {"k", KIB},
    {"K", KIB},
    {"MiB", KIB *KIB},
    {"m", KIB *KIB},
    {"M", KIB *KIB},
    {"GiB", KIB *KIB *KIB},
    {"g", KIB *KIB *KIB},
    {"G", KIB *KIB *KIB},
    {"TiB", KIB *KIB *KIB *KIB},
    {"t", KIB *KIB *KIB *KIB},
    {"T", KIB *KIB *KIB *KIB},
    {NULL, 0},
};

bool value_number(const char *text, double *ret_number)
{
    char *end;
    /* strtod would take "inf", "nan" and hexadecimal too */
    if (text[strspn(text, "0123456789.")] != '\0' || *text == '\0') {
        return false;
    }
    errno = 0;
    double number = strtod(text, &end);
    if (errno != 0 || *end != '\0' || end == text) {
        return false;
    }
    *ret_number = number;
    return true;
}

bool value_count(const char *text, uint64_t *ret_count)
{
    if (*text == '\0' || text[strspn(text, "0123456789")] != '\0') {
        return false;
    }
    errno = 0;
    uint64_t count = strtoull(text, NULL, 10);
    if (errno != 0) {
        return false;
    }
    *ret_count = count;
    return true;
}

/* A number and its unit, of which the longest name that fits counts: "5m" but "5ms". NULL: neither; else what follows. */
static const char *take_part(const char *text, const struct unit *units,
                             const struct unit **ret_unit, double *ret_value)
{
    char digits[32];
    size_t length = strspn(text, "0123456789.");
    double number;
    if (length == 0 || length >= sizeof digits) {
        return NULL;
    }
    memcpy(digits, text, length);
    digits[length] = '\0';
    if (!value_number(digits, &number)) {
        return NULL;
    }
    size_t longest_bytes = 0;
    for (const struct unit *unit = units; unit->name != NULL; unit++) {
        size_t bytes = strlen(unit->name);
        if (bytes > longest_bytes && strncmp(text + length, unit->name, bytes) == 0) {
            longest_bytes = bytes;
            *ret_unit = unit;
            *ret_value = number * (double)unit->factor;
        }
    }
    return longest_bytes > 0 ? text + length + longest_bytes : NULL;
}

/* Parts follow each other from the largest unit to the smallest. */
static bool value_of_parts(const char *text, const struct unit *units, size_t parts_max,
                           uint64_t *ret_value)
{
    const struct unit *before = NULL, *unit = NULL;
    double sum = 0, value = 0;
    for (size_t i = 0; i == 0 || *text != '\0'; i++, before = unit) {
        text = take_part(text, units, &unit, &value);
        if (text == NULL || i == parts_max || (before != NULL && unit >= before)) {
            return false;
        }
        sum += value;
    }
    if (sum >= 9e15 || sum != floor(sum)) {
        return false;
    }
    *ret_value = (uint64_t)sum;
    return true;
}

bool value_duration(const char *text, uint64_t *ret_ms)
{
    return value_of_parts(text, duration_units, sizeof duration_units / sizeof duration_units[0],
                          ret_ms);
}

bool value_size(const char *text, uint64_t *ret_bytes)
{
    return value_of_parts(text, size_units, 1, ret_bytes);
}

static void value_print(uint64_t value, const struct unit *units, char text[VALUE_TEXT_BYTES])
{
    const struct unit *best = units;
    for (const struct unit *unit = units; unit->name != NULL; unit++) {
        if (value != 0 && value % unit->factor == 0 && unit->factor > best->factor) {
            best = unit;
        }
    }
    snprintf(text, VALUE_TEXT_BYTES, "%" PRIu64 "%s", value / best->factor, best->name);
}

void value_print_duration(uint64_t ms, char text[VALUE_TEXT_BYTES])
{
    value_print(ms, duration_units, text);
}

void value_print_size(uint64_t bytes, char text[VALUE_TEXT_BYTES])
{
    value_print(bytes, size_units, text);
}

size_t value_distance(const char *a, const char *b)
{
    size_t row[66];
    size_t a_bytes = strlen(a), b_bytes = strlen(b);
    if (a_bytes > 64 || b_bytes > 64) {
        return a_bytes + b_bytes;
    }
    for (size_t j = 0; j <= b_bytes; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= a_bytes; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_bytes; j++) {
            size_t above = row[j];
            size_t change = diagonal + (a[i - 1] != b[j - 1]);
            size_t best = above + 1 < row[j - 1] + 1 ? above + 1 : row[j - 1] + 1;
            row[j] = change < best ? change : best;
            diagonal = above;
        }
    }
    return row[b_bytes];
}

const char *value_control_in(const char *text)
{
    while (*text == '\t' || ((unsigned char)*text >= ' ' && *text != 0x7f)) {
        text++;
    }
    return *text != '\0' ? text : NULL;
}

bool value_is_token(const char *text, size_t bytes)
{
    static const char marks[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < bytes; i++) {
        char c = text[i];
        bool fine = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                    (c != '\0' && strchr(marks, c) != NULL);
        if (!fine) {
            return false;
        }
    }
    return bytes > 0;
}
