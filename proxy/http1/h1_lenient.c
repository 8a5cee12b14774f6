/* Rewrites line by line, at each LF. */
#include "proxy/http1/h1_lenient.h"

#include <string.h>

#define VERSION_BYTES 8 /* "HTTP/1.0" */

struct rewriting {
    const char *at, *end;
    char *out;
    size_t lines_count; /* written */
};

struct line {
    const char *at;
    size_t bytes; /* without its line end */
};

bool h1_lenient_helps(enum h1_result result)
{
    return result == H1_BAD_LINE_END || result == H1_OBS_FOLD || result == H1_BAD_FIELD_VALUE ||
           result == H1_BAD_START_LINE || result == H1_TRANSFER_ENCODING_IN_1_0;
}

/* Up to the next LF; false: there is none. */
static bool take_line(struct rewriting *rewriting, struct line *ret_line)
{
    const char *at = rewriting->at;
    const char *lf = memchr(at, '\n', (size_t)(rewriting->end - at));
    if (lf == NULL) {
        return false;
    }
    rewriting->at = lf + 1;
    *ret_line = (struct line){at, (size_t)(lf - at)};
    if (ret_line->bytes > 0 && lf[-1] == '\r') {
        ret_line->bytes--;
    }
    return true;
}

/* A control byte becomes a space. A CR stays and is refused later, because other parsers may take it for a line end
   (RFC 9112 2.2). */
static char harmless(char byte)
{
    bool control = ((unsigned char)byte < 0x20 && byte != '\t' && byte != '\r') || byte == 0x7f;
    return control ? ' ' : byte;
}

/* Removes the end of the line before this one if this one continues it (RFC 9112 5.2). A status line is not folded. */
static void write_line(struct rewriting *rewriting, const struct line *line)
{
    bool folded = line->bytes > 0 && (*line->at == ' ' || *line->at == '\t');
    if (folded && rewriting->lines_count > 1) {
        rewriting->out -= 2;
    }
    for (size_t i = 0; i < line->bytes; i++) {
        *rewriting->out++ = harmless(line->at[i]);
    }
    memcpy(rewriting->out, "\r\n", 2);
    rewriting->out += 2;
    rewriting->lines_count++;
}

/* Only the version says that chunks are not understood (RFC 9112 6.1). */
static void raise_version(char *head, size_t length)
{
    static const char old[] = "HTTP/1.0";
    if (length > VERSION_BYTES && memcmp(head, old, VERSION_BYTES) == 0) {
        head[VERSION_BYTES - 1] = '1';
    }
}

enum h1_result h1_lenient_rewrite(const char *bytes, size_t length, const struct h1_limits *limits,
                                  char *space, size_t *ret_written, size_t *ret_consumed)
{
    size_t most_bytes = length < limits->head_bytes ? length : limits->head_bytes;
    struct rewriting rewriting = {.at = bytes, .end = bytes + most_bytes, .out = space};
    struct line line;
    while (take_line(&rewriting, &line)) {
        if (line.bytes == 0 && rewriting.lines_count == 0) {
            continue;
        }
        write_line(&rewriting, &line);
        if (line.bytes == 0) {
            *ret_written = (size_t)(rewriting.out - space);
            *ret_consumed = (size_t)(rewriting.at - bytes);
            raise_version(space, *ret_written);
            return H1_OK;
        }
    }
    return length >= limits->head_bytes ? H1_HEAD_TOO_LARGE : H1_INCOMPLETE;
}
