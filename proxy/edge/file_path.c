/* Decoding a path segment by segment. */
#include "proxy/edge/file_path.h"

#include <string.h>

static int hex_digit(char c)
{
    if ((unsigned)(c - '0') < 10) {
        return c - '0';
    }
    char lower = (char)(c | 0x20);
    return (unsigned)(lower - 'a') < 6 ? lower - 'a' + 10 : -1;
}

/* The byte at *at, which moves behind it; -1: no file's name has it. */
static int next_byte(const char **at, const char *end)
{
    const char *from = (*at)++;
    int byte = (unsigned char)*from;
    if (byte == '%') {
        int high = end - from >= 3 ? hex_digit(from[1]) : -1;
        int low = end - from >= 3 ? hex_digit(from[2]) : -1;
        *at = from + 3;
        byte = high < 0 || low < 0 ? -1 : high << 4 | low;
        byte = byte == '/' ? -1 : byte;
    }
    return byte == 0 ? -1 : byte;
}

static bool is_shown(const char *segment, size_t bytes)
{
    static const char well_known[] = ".well-known";
    return segment[0] != '.' ||
           (bytes == sizeof well_known - 1 && memcmp(segment, well_known, bytes) == 0);
}

/* Appends the segment at *at, up to a slash or the end. */
static bool read_segment(const char **at, const char *end, struct file_path *path)
{
    size_t begin = path->bytes;
    while (*at < end && **at != '/') {
        int byte = next_byte(at, end);
        if (byte < 0 || path->bytes + 1 >= sizeof path->text) {
            return false;
        }
        path->text[path->bytes++] = (char)byte;
    }
    return is_shown(path->text + begin, path->bytes - begin);
}

bool file_path_read(const char *path, size_t bytes, struct file_path *ret_path)
{
    const char *at = path, *end = path + bytes;
    ret_path->bytes = 0;
    ret_path->folder = bytes == 0;
    while (at < end) {
        while (at < end && *at == '/') {
            at++;
        }
        ret_path->folder = at == end;
        if (at == end) {
            break;
        }
        if (ret_path->bytes > 0) {
            ret_path->text[ret_path->bytes++] = '/';
        }
        if (ret_path->bytes + 1 >= sizeof ret_path->text || !read_segment(&at, end, ret_path)) {
            return false;
        }
    }
    ret_path->text[ret_path->bytes] = '\0';
    return true;
}
