/* Label values and numbers. */
#include "proxy/admin/metric_text.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "proxy/log/json_text.h"

/* Above this a double does not represent every whole number. */
#define WHOLE_MOST 9007199254740992.0

/* The escape of a byte that needs one. */
static const char *escape_of(const char *byte)
{
    switch (*byte) {
    case '\\': return "\\\\";
    case '"': return "\\\"";
    case '\n': return "\\n";
    default: return (unsigned char)*byte >= 0x80 ? "\xef\xbf\xbd" : NULL;
    }
}

/* The longest part of a run of whole characters that fits. */
static size_t cut(const char *text, size_t bytes, size_t room)
{
    if (bytes <= room) {
        return bytes;
    }
    while (room > 0 && ((unsigned char)text[room] & 0xc0) == 0x80) {
        room--;
    }
    return room;
}

size_t metric_escape(char out[METRIC_VALUE_BYTES], const char *value)
{
    size_t used = 0, left = strlen(value);
    while (left > 0) {
        size_t run = json_plain_bytes(value, left);
        const char *from = value;
        size_t bytes = run, taken = run;
        if (run == 0) {
            const char *escape = escape_of(value);
            from = escape != NULL ? escape : value; /* a control character needs no escape */
            bytes = escape != NULL ? strlen(escape) : 1;
            taken = 1;
        }
        size_t fits = run > 0 ? cut(from, bytes, METRIC_VALUE_BYTES - used)
                              : (bytes <= METRIC_VALUE_BYTES - used ? bytes : 0);
        memcpy(out + used, from, fits);
        used += fits;
        if (fits < bytes) {
            break;
        }
        value += taken;
        left -= taken;
    }
    return used;
}

static size_t write_whole(char *out, uint64_t value)
{
    char digits[METRIC_NUMBER_BYTES];
    size_t count = 0;
    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    for (size_t i = 0; i < count; i++) {
        out[i] = digits[count - 1 - i];
    }
    return count;
}

size_t metric_number(char out[METRIC_NUMBER_BYTES], double value)
{
    if (value >= 0 && value <= WHOLE_MOST && value == (double)(uint64_t)value) {
        return write_whole(out, (uint64_t)value);
    }
    if (!isfinite(value)) {
        const char *word = isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
        return (size_t)snprintf(out, METRIC_NUMBER_BYTES, "%s", word);
    }
    return (size_t)snprintf(out, METRIC_NUMBER_BYTES, "%.15g", value);
}
