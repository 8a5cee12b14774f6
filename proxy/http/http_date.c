/* Reading and writing dates, by names that no locale changes. */
#include "proxy/http/http_date.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
#define LAST_SECOND INT64_C(253402300799) /* of the year 9999 */

void http_date_write(int64_t seconds, char text[HTTP_DATE_BYTES])
{
    time_t at = (time_t)(seconds < 0 ? 0 : seconds > LAST_SECOND ? LAST_SECOND : seconds);
    struct tm parts;
    gmtime_r(&at, &parts);
    snprintf(text, HTTP_DATE_BYTES, "%s, %02u %s %04u %02u:%02u:%02u GMT", days[parts.tm_wday % 7],
             (unsigned)parts.tm_mday % 100, months[parts.tm_mon % 12],
             (unsigned)(parts.tm_year + 1900) % 10000, (unsigned)parts.tm_hour % 100,
             (unsigned)parts.tm_min % 100, (unsigned)parts.tm_sec % 100);
}

/* How a form is written: D day, M month, Y year, H hour, N minute, S second, each as often as it has digits, with m for the name
   of a month and d for a blank or digit. "*" is letters up to the next character. */
static const char *const forms[] = {
    "*, DD m YYYY HH:NN:SS GMT",
    "*, DD-m-YY HH:NN:SS GMT",
    "* m dD HH:NN:SS YYYY",
};

struct date_reader {
    const char *at, *end;
    struct tm parts;
    int year;
};

static bool is_letter(char c)
{
    return (unsigned)((c | 0x20) - 'a') < 26;
}

static bool read_month(struct date_reader *reader)
{
    for (int i = 0; reader->end - reader->at >= 3 && i < 12; i++) {
        if (memcmp(reader->at, months[i], 3) == 0) {
            reader->parts.tm_mon = i;
            reader->at += 3;
            return true;
        }
    }
    return false;
}

static int *part_of(struct date_reader *reader, char kind)
{
    switch (kind) {
    case 'D': return &reader->parts.tm_mday;
    case 'Y': return &reader->year;
    case 'H': return &reader->parts.tm_hour;
    case 'N': return &reader->parts.tm_min;
    case 'S': return &reader->parts.tm_sec;
    default: return NULL;
    }
}

static bool read_digit(struct date_reader *reader, int *part)
{
    if (reader->at == reader->end || (unsigned)(*reader->at - '0') > 9) {
        return false;
    }
    *part = *part * 10 + (*reader->at++ - '0');
    return true;
}

/* One character of a form. */
static bool read_one(struct date_reader *reader, char kind)
{
    int *part = part_of(reader, kind);
    if (part != NULL) {
        return read_digit(reader, part);
    }
    if (kind == '*') {
        while (reader->at < reader->end && is_letter(*reader->at)) {
            reader->at++;
        }
        return true;
    }
    if (kind == 'm') {
        return read_month(reader);
    }
    if (kind == 'd' && reader->at < reader->end && *reader->at != ' ') {
        return read_digit(reader, &reader->parts.tm_mday);
    }
    char literal = kind == 'd' ? ' ' : kind;
    return reader->at < reader->end && *reader->at++ == literal;
}

static bool read_form(struct date_reader *reader, const char *form)
{
    for (; *form != '\0'; form++) {
        if (!read_one(reader, *form)) {
            return false;
        }
    }
    return reader->at == reader->end;
}

static bool in_ranges(const struct tm *parts)
{
    return parts->tm_mday >= 1 && parts->tm_mday <= 31 && parts->tm_hour <= 23 &&
           parts->tm_min <= 59 && parts->tm_sec <= 60;
}

/* RFC 9110 5.6.7: one that seems to be more than 50 years ahead is of the past. */
static int whole_year(int year, int64_t now_s)
{
    time_t now = (time_t)now_s;
    struct tm today;
    gmtime_r(&now, &today);
    int this_year = today.tm_year + 1900;
    int whole = this_year - this_year % 100 + year;
    return whole > this_year + 50 ? whole - 100 : whole;
}

bool http_date_read(const char *text, size_t bytes, int64_t now_s, int64_t *ret_seconds)
{
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        struct date_reader reader = {.at = text, .end = text + bytes};
        if (!read_form(&reader, forms[i]) || !in_ranges(&reader.parts)) {
            continue;
        }
        int year = i == 1 ? whole_year(reader.year, now_s) : reader.year;
        reader.parts.tm_year = year - 1900;
        *ret_seconds = (int64_t)timegm(&reader.parts);
        return true;
    }
    return false;
}
