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

static const struct unit duration_units[] = {{"ms", 1},      {"s", 1000},     {"m", 60000},
                                             {"h", 3600000}, {"d", 86400000}, {NULL, 0}};
static const struct unit size_units[] = {
    {"B", 1}, {"KiB", 1024}, {"MiB", 1048576}, {"GiB", 1073741824}, {NULL, 0}};

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

static bool value_with_unit(const char *text, const struct unit *units, uint64_t *ret_value)
{
    char digits[32];
    size_t length = strspn(text, "0123456789.");
    double number;
    if (length == 0 || length >= sizeof digits) {
        return false;
    }
    memcpy(digits, text, length);
    digits[length] = '\0';
    if (!value_number(digits, &number)) {
        return false;
    }
    for (const struct unit *unit = units; unit->name != NULL; unit++) {
        double value = number * (double)unit->factor;
        if (strcmp(text + length, unit->name) == 0 && value < 9e15 && value == floor(value)) {
            *ret_value = (uint64_t)value;
            return true;
        }
    }
    return false;
}

bool value_duration(const char *text, uint64_t *ret_ms)
{
    return value_with_unit(text, duration_units, ret_ms);
}

bool value_size(const char *text, uint64_t *ret_bytes)
{
    return value_with_unit(text, size_units, ret_bytes);
}

static void value_print(uint64_t value, const struct unit *units, char text[VALUE_TEXT_BYTES])
{
    const struct unit *best = units;
    for (const struct unit *unit = units; unit->name != NULL; unit++) {
        if (value != 0 && value % unit->factor == 0) {
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
