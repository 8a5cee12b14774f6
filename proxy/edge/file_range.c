/* Reading the field Range. */
#include "proxy/edge/file_range.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#define NOT_GIVEN UINT64_MAX

static bool is_digit(char c)
{
    return (unsigned)(c - '0') < 10;
}

/* NOT_GIVEN: there are no digits. A number that is too large is the largest. */
static uint64_t read_number(const char **at, const char *end)
{
    uint64_t number = 0;
    if (*at == end || !is_digit(**at)) {
        return NOT_GIVEN;
    }
    for (; *at < end && is_digit(**at); (*at)++) {
        uint64_t digit = (uint64_t)(**at - '0');
        number = number > (NOT_GIVEN - 1 - digit) / 10 ? NOT_GIVEN - 1 : number * 10 + digit;
    }
    return number;
}

static void skip_blanks(const char **at, const char *end)
{
    while (*at < end && (**at == ' ' || **at == '\t')) {
        (*at)++;
    }
}

/* "5-9", "5-", "-5". False: it is none of these. */
static bool read_spec(const char **at, const char *end, uint64_t *ret_first, uint64_t *ret_last)
{
    *ret_first = read_number(at, end);
    if (*at == end || *(*at)++ != '-') {
        return false;
    }
    *ret_last = read_number(at, end);
    return (*ret_first != NOT_GIVEN || *ret_last != NOT_GIVEN) &&
           (*ret_first == NOT_GIVEN || *ret_first <= *ret_last);
}

/* False: the file has none of its bytes. */
static bool narrow(uint64_t first, uint64_t last, uint64_t file_bytes, struct file_range *ret_range)
{
    if (first == NOT_GIVEN) {
        first = last < file_bytes ? file_bytes - last : 0;
        last = last == 0 ? 0 : file_bytes - 1;
        *ret_range = (struct file_range){first, last};
        return file_bytes > 0 && first <= last;
    }
    *ret_range = (struct file_range){first, last < file_bytes ? last : file_bytes - 1};
    return first < file_bytes;
}

/* Goes behind a comma. False: there is none. */
static bool read_comma(const char **at, const char *end)
{
    bool comma = *at < end && **at == ',';
    *at += comma;
    return comma;
}

/* False: the list is none. */
static bool read_specs(const char *at, const char *end, uint64_t file_bytes,
                       struct file_ranges *ranges)
{
    size_t spec_count = 0;
    do {
        uint64_t first, last;
        struct file_range range;
        skip_blanks(&at, end);
        if (++spec_count > FILE_RANGES_MAX || !read_spec(&at, end, &first, &last)) {
            return false;
        }
        if (narrow(first, last, file_bytes, &range)) {
            ranges->of[ranges->count++] = range;
        }
        skip_blanks(&at, end);
    } while (read_comma(&at, end));
    return at == end;
}

/* RFC 9110 14.2: ranges that overlap, or ask for the file again and again, are an attack. */
static bool costs_more(const struct file_ranges *ranges, uint64_t file_bytes)
{
    uint64_t left_bytes = file_bytes;
    for (size_t i = 0; i < ranges->count; i++) {
        uint64_t part_bytes = ranges->of[i].last - ranges->of[i].first + 1;
        if (part_bytes > left_bytes) {
            return true;
        }
        left_bytes -= part_bytes;
    }
    return false;
}

enum file_range_result file_range_read(const char *value, size_t bytes, uint64_t file_bytes,
                                       struct file_ranges *ret_ranges)
{
    static const char unit[] = "bytes=";
    size_t unit_bytes = sizeof unit - 1;
    ret_ranges->count = 0;
    if (bytes <= unit_bytes || strncasecmp(value, unit, unit_bytes) != 0) {
        return FILE_RANGE_NONE;
    }
    if (!read_specs(value + unit_bytes, value + bytes, file_bytes, ret_ranges) ||
        costs_more(ret_ranges, file_bytes)) {
        return FILE_RANGE_NONE;
    }
    return ret_ranges->count > 0 ? FILE_RANGE_PARTS : FILE_RANGE_BEYOND;
}
