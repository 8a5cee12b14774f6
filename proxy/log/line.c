/* Bytes at the end of a line. */
#include "proxy/log/line.h"

#include <stdbool.h>
#include <string.h>

#include "proxy/log/json_text.h"

void line_put(struct line *line, const char *bytes, size_t length)
{
    size_t space = (size_t)(line->end - line->at);
    length = length < space ? length : space;
    memcpy(line->at, bytes, length);
    line->at += length;
}

void line_put_uint(struct line *line, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    line_put(line, digits + at, sizeof digits - at);
}

void line_put_padded(struct line *line, uint64_t value, unsigned width)
{
    char digits[20];
    for (unsigned i = width; i > 0; i--) {
        digits[i - 1] = (char)('0' + value % 10);
        value /= 10;
    }
    line_put(line, digits, width);
}

void line_put_ms(struct line *line, uint64_t us)
{
    line_put_uint(line, us / 1000);
    line_put_literal(line, ".");
    line_put_padded(line, us % 1000, 3);
}

/* ---- JSON ---- */

/* At most `most` of these plain bytes, without an incomplete UTF-8 sequence at the end. */
static size_t cut_plain(const char *bytes, size_t length, size_t most)
{
    if (length <= most) {
        return length;
    }
    while (most > 0 && ((unsigned char)bytes[most] & 0xc0) == 0x80) {
        most--;
    }
    return most;
}

/* Writes the next bytes of the text, at most `space`; returns how many of its bytes that took. */
static size_t put_json_part(struct line *line, const char *bytes, size_t left, size_t space)
{
    static const char hex[] = "0123456789abcdef";
    size_t run = cut_plain(bytes, json_plain_bytes(bytes, left), space);
    if (run > 0) {
        line_put(line, bytes, run);
        return run;
    }
    unsigned char c = (unsigned char)*bytes;
    bool short_escape = c == '"' || c == '\\';
    if (space < (short_escape ? 2 : 6)) {
        return 0;
    }
    if (short_escape) {
        line_put(line, (const char[]){'\\', (char)c}, 2);
    } else {
        line_put(line, (const char[]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]}, 6);
    }
    return 1;
}

void line_put_json(struct line *line, const char *bytes, size_t length, size_t room)
{
    line_put_literal(line, "\"");
    const char *limit = line->at + room;
    while (length > 0) {
        size_t taken = put_json_part(line, bytes, length, (size_t)(limit - line->at));
        if (taken == 0) {
            break;
        }
        bytes += taken;
        length -= taken;
    }
    line_put_literal(line, "\"");
}
