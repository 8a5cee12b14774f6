/* Copies files piece by piece, as the library would cut them, follows what they include and splits large groups. */
#include "conf/source.h"

#include <errno.h>
#include <glob.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/environment.h"
#include "conf/grammar.h"
#include "conf/read_text.h"

#define READ_MAX_BYTES ((size_t)16 * 1024 * 1024)
#define INCLUDE_DEPTH_MAX 10
#define DIRECTIVE "@include"
#define INCLUDE_KEY "include"
/* Between two parts of a group; with the number of the second. */
#define SEAM_FORMAT(skip) "};*%" skip "u={"

/* Where in the structure of the text its end is, for the splitting of groups. */
struct scan {
    struct source *source;
    unsigned depth;
    char outermost;     /* the bracket that opened depth 1 */
    char last;          /* the last byte that counts: no space, no comment */
    unsigned key_count; /* in this part of the group at depth 1 */
    const char *key;    /* at depth 0, the last one */
    bool is_part;       /* the file is one of an include key: it may only add to some groups */
    uint64_t lists;     /* by depth: whether a "[" became a "(" */
    /* the value of an include key, which the library does not see */
    enum { INCLUDE_NONE, INCLUDE_NAMED, INCLUDE_AWAITED, INCLUDE_LISTED, INCLUDE_OVER } include;
    unsigned level; /* how many files include this one */
    struct grammar grammar;
    struct source_place
        long_text; /* the last token, if it is a text over several lines; else line 0 */
};
/* Groups to which an included file may add. */
static const char *const shared_keys[] = {"listeners", "upstreams", "routes"};

static bool copy_file(struct scan *scan, const char *path, unsigned level);
static bool copy_piece(struct scan *scan, const char *piece, size_t bytes);
static bool take_include(struct scan *scan, const char *piece, size_t bytes);

static bool fail(struct source *source, struct source_place at, const char *text)
{
    source->error = text;
    source->error_at = at;
    return false;
}

static struct source_place here(const struct source *source)
{
    return source_place(source, source->text_line);
}

/* ---- the text and its lines ---- */

static void append(struct source *source, const char *bytes, size_t byte_count)
{
    if (source->room_bytes - source->text_bytes <= byte_count) {
        size_t room_bytes = 2 * (source->room_bytes + byte_count) + 1;
        char *grown = realloc(source->text, room_bytes);
        if (grown == NULL) {
            source->arena->failed = true;
            return;
        }
        source->text = grown;
        source->room_bytes = room_bytes;
    }
    memcpy(source->text + source->text_bytes, bytes, byte_count);
    source->text_bytes += byte_count;
    source->text[source->text_bytes] = '\0';
    for (const char *end = bytes + byte_count;
         (bytes = memchr(bytes, '\n', (size_t)(end - bytes))) != NULL; bytes++) {
        source->text_line++;
    }
}

static bool at_line_start(const struct source *source)
{
    return source->text_bytes == 0 || source->text[source->text_bytes - 1] == '\n';
}

static void begin_span(struct source *source, struct source_place place)
{
    struct source_span *grown =
        realloc(source->spans, (source->span_count + 1) * sizeof *source->spans);
    if (grown == NULL) {
        source->arena->failed = true;
        return;
    }
    source->spans = grown;
    grown[source->span_count++] = (struct source_span){source->text_line, place};
}

/* ---- splitting ---- */

/* Of what the library takes for a name. */
static bool is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '*' ||
           c == '_' || c == '-';
}

/* After what can only be the end of the key before it. */
static bool begins_key(const struct scan *scan, char first)
{
    return scan->depth == 1 && scan->outermost == '{' && scan->last != '\0' &&
           strchr("{};,", scan->last) != NULL && is_name_byte(first);
}

/* The number of a new part. 0: no memory. */
static unsigned add_part(struct source *source, const char *key)
{
    const char **grown =
        realloc(source->part_names, (source->part_count + 1) * sizeof *source->part_names);
    if (grown == NULL || key == NULL) {
        source->arena->failed = true;
        source->part_names = grown != NULL ? grown : source->part_names;
        return 0;
    }
    source->part_names = grown;
    grown[source->part_count++] = key;
    return source->part_count;
}

static void count_key(struct scan *scan)
{
    if (scan->key_count == SOURCE_PART_MAX) {
        char seam[32];
        int bytes = snprintf(seam, sizeof seam, SEAM_FORMAT(""), add_part(scan->source, scan->key));
        append(scan->source, seam, (size_t)bytes);
        scan->key_count = 0;
    }
    scan->key_count++;
}

static void follow_brackets(struct scan *scan, char c)
{
    if (c == '{' || c == '(' || c == '[') {
        if (scan->depth++ == 0) {
            scan->outermost = c;
            scan->key_count = 0;
        }
    } else if ((c == '}' || c == ')' || c == ']') && scan->depth > 0) {
        scan->depth--;
    }
}

/* ---- pieces ---- */

static size_t quoted_bytes(const char *text)
{
    const char *at = text + 1;
    while (*at != '"' && *at != '\0') {
        at += at[0] == '\\' && at[1] != '\0' ? 2 : 1;
    }
    return *at == '"' ? (size_t)(at + 1 - text) : 0;
}

static bool is_comment(const char *text)
{
    return text[0] == '#' || (text[0] == '/' && (text[1] == '/' || text[1] == '*'));
}

/* A text, a comment, a number, a name, space within a line, or else one byte. 0: it has no end. */
static size_t piece_bytes(const char *text)
{
    if (*text == '"') {
        return quoted_bytes(text);
    }
    if (text[0] == '/' && text[1] == '*') {
        const char *end = strstr(text + 2, "*/");
        return end != NULL ? (size_t)(end + 2 - text) : 0;
    }
    if (is_comment(text)) {
        return strcspn(text, "\n");
    }
    if (strchr("0123456789+-.", *text) != NULL) {
        return strspn(text, "0123456789abcdefABCDEFxXlL.+-");
    }
    size_t bytes = strspn(text, " \t");
    while (bytes == 0 || (is_name_byte(text[bytes - 1]) && is_name_byte(text[bytes]))) {
        bytes++;
    }
    return bytes;
}

/* The next byte behind space and comments. */
static char next_byte(const char *text)
{
    size_t bytes;
    while (*text != '\0' && (strchr(" \t\r\n\f", *text) != NULL || is_comment(text))) {
        bytes = is_comment(text) ? piece_bytes(text) : 1;
        if (bytes == 0) {
            return '\0';
        }
        text += bytes;
    }
    return *text;
}

/* A bracket as the library wants it, or a comma, which it does not want at the end of a list ('\0'). */
static char respell(struct scan *scan, const char *piece)
{
    uint64_t bit = scan->depth < 64 ? UINT64_C(1) << scan->depth : 0;
    char next;
    switch (*piece) {
    case '[':
        scan->lists = next_byte(piece + 1) == '{' ? scan->lists | bit : scan->lists & ~bit;
        return (scan->lists & bit) != 0 ? '(' : '[';
    case ']':
        bit = scan->depth > 0 && scan->depth <= 64 ? UINT64_C(1) << (scan->depth - 1) : 0;
        return (scan->lists & bit) != 0 ? ')' : ']';
    case ',': next = next_byte(piece + 1); return next == ']' || next == ')' ? '\0' : ',';
    default: return *piece;
    }
}

static bool copy_text_piece(struct scan *scan, const char *piece, size_t bytes)
{
    const char *error, *expanded = piece;
    if (memmem(piece, bytes, "${", 2) != NULL) {
        expanded = environment_expand(scan->source->arena, piece, bytes, &error);
        if (expanded == NULL) {
            return fail(scan->source, here(scan->source), error);
        }
        bytes = strlen(expanded);
    }
    append(scan->source, expanded, bytes);
    return true;
}

/* A key at the top. That of a file that only adds becomes a part of the group it adds to. */
static bool copy_top_key(struct scan *scan, const char *piece, size_t bytes)
{
    scan->key = arena_text(scan->source->arena, piece, bytes);
    if (!scan->is_part || scan->key == NULL) {
        append(scan->source, piece, bytes);
        return true;
    }
    for (size_t i = 0; i < sizeof shared_keys / sizeof shared_keys[0]; i++) {
        if (strcmp(shared_keys[i], scan->key) == 0) {
            char part[32];
            int length = snprintf(part, sizeof part, "*%u", add_part(scan->source, scan->key));
            append(scan->source, part, (size_t)length);
            return true;
        }
    }
    return fail(
        scan->source, here(scan->source),
        arena_printf(scan->source->arena,
                     "%s: an included file may add listeners, upstreams and routes; this key "
                     "belongs in the main file",
                     scan->key));
}

static bool begins_top_key(const struct scan *scan, char first)
{
    return scan->depth == 0 && is_name_byte(first) && scan->last != '=' && scan->last != ':';
}

/* Where a closing quote is missing, the next text ends the one that begins before it. */
static bool blame_long_text(struct scan *scan)
{
    return fail(
        scan->source, scan->long_text,
        "the text that begins here goes on over several lines: is its closing quote missing?");
}

static bool follow_grammar(struct scan *scan, const char *piece, size_t bytes)
{
    struct source *source = scan->source;
    const struct source_place at = here(source);
    const char *error = grammar_take(&scan->grammar, piece, bytes, at.line);
    if (error != NULL && scan->long_text.line > 0) {
        return blame_long_text(scan);
    }
    if (*piece == '"' && memchr(piece, '\n', bytes) != NULL) {
        scan->long_text = at;
    } else if (strchr(";,}])", *piece) != NULL) {
        scan->long_text.line = 0;
    }
    return error == NULL || fail(source, at, error);
}

static bool blame_include(struct scan *scan)
{
    return fail(scan->source, here(scan->source),
                "expected " INCLUDE_KEY " = [ \"conf.d/*.conf\" ];");
}

/* At the end of the file. */
static bool end_grammar(struct scan *scan)
{
    if (scan->include != INCLUDE_NONE && scan->include != INCLUDE_OVER) {
        return blame_include(scan);
    }
    const char *error = grammar_end(&scan->grammar);
    return error == NULL || fail(scan->source, here(scan->source), error);
}

static bool copy_counted(struct scan *scan, const char *piece, size_t bytes)
{
    bool copied = follow_grammar(scan, piece, bytes);
    if (!copied) {
        return false;
    }
    if (begins_key(scan, *piece)) {
        count_key(scan);
    }
    if (*piece == '"') {
        copied = copy_text_piece(scan, piece, bytes);
    } else if (begins_top_key(scan, *piece)) {
        copied = copy_top_key(scan, piece, bytes);
    } else if (bytes > 1) {
        append(scan->source, piece, bytes);
    } else {
        char spelled = respell(scan, piece);
        append(scan->source, &spelled, spelled != '\0');
    }
    follow_brackets(scan, *piece);
    scan->last = piece[bytes - 1];
    return copied;
}

static bool copy_piece(struct scan *scan, const char *piece, size_t bytes)
{
    if (strchr(" \t\r\n\f", *piece) != NULL || is_comment(piece)) {
        append(scan->source, piece, bytes);
        return true;
    }
    if (scan->include != INCLUDE_NONE) {
        return take_include(scan, piece, bytes);
    }
    if (begins_top_key(scan, *piece) && bytes == strlen(INCLUDE_KEY) &&
        strncmp(piece, INCLUDE_KEY, bytes) == 0) {
        scan->include = INCLUDE_NAMED;
        return true;
    }
    return copy_counted(scan, piece, bytes);
}

/* ---- included files ---- */

/* The quoted name after the directive that a line begins with; NULL: it begins otherwise. */
static const char *included_name(const char *line)
{
    const char *word = line + strspn(line, " \t");
    if (strncmp(word, DIRECTIVE, strlen(DIRECTIVE)) != 0) {
        return NULL;
    }
    word += strlen(DIRECTIVE);
    size_t space_bytes = strspn(word, " \t");
    return space_bytes > 0 && word[space_bytes] == '"' ? word + space_bytes : NULL;
}

/* A relative path starts at the directory of the file that includes it. */
static char *included_path(struct source *source, const char *quoted, size_t quoted_byte_count)
{
    const char *file = here(source).file, *slash = strrchr(file, '/');
    size_t folder_bytes = quoted[1] != '/' && slash != NULL ? (size_t)(slash + 1 - file) : 0;
    char *path = arena_take(source->arena, folder_bytes + quoted_byte_count);
    if (path == NULL) {
        return NULL;
    }
    memcpy(path, file, folder_bytes);
    char *out = path + folder_bytes;
    for (const char *in = quoted + 1; in < quoted + quoted_byte_count - 1; in++) {
        in += in[0] == '\\' && (in[1] == '\\' || in[1] == '"');
        *out++ = *in;
    }
    return path;
}

/* The included file stands on lines of its own. Returns what follows the directive; NULL: there is no going on. */
static const char *include(struct scan *scan, const char *quoted, unsigned level)
{
    struct source *source = scan->source;
    const struct source_place at = here(source);
    size_t bytes = quoted_bytes(quoted);
    if (bytes == 0) {
        fail(source, at, DIRECTIVE ": the name of the file has no end");
        return NULL;
    }
    if (level == INCLUDE_DEPTH_MAX) {
        fail(source, at, DIRECTIVE ": files include each other too deeply");
        return NULL;
    }
    const char *path = included_path(source, quoted, bytes);
    if (path == NULL || !copy_file(scan, path, level + 1)) {
        if (source->error != NULL && source->error_at.line == 0) {
            fail(source, at,
                 arena_printf(source->arena, DIRECTIVE " \"%s\": %s", path, source->error));
        }
        return NULL;
    }
    append(source, "\n", 1);
    begin_span(source, at);
    return quoted + bytes;
}

/* ---- the include key ---- */

/* Copies a file whose groups are parts of those that are there already. */
static bool copy_part(const struct scan *scan, const char *path)
{
    struct source *source = scan->source;
    const struct source_place at = here(source);
    struct scan part = {.source = source,
                        .is_part = true,
                        .level = scan->level + 1,
                        .grammar = {.arena = source->arena}};
    if (part.level > INCLUDE_DEPTH_MAX) {
        return fail(source, at, INCLUDE_KEY ": files include each other too deeply");
    }
    append(source, "\n", 1);
    if (!copy_file(&part, path, part.level)) {
        if (source->error_at.line == 0) {
            fail(source, at,
                 arena_printf(source->arena, INCLUDE_KEY " \"%s\": %s", path, source->error));
        }
        return false;
    }
    if (!end_grammar(&part)) {
        return false;
    }
    append(source, "\n", 1);
    begin_span(source, at);
    return true;
}

/* Files that the pattern names, in order of their names. A pattern may find none; a name without wildcards must be there. */
static bool include_pattern(struct scan *scan, const char *quoted, size_t bytes)
{
    struct source *source = scan->source;
    const char *error = "no memory", *path = NULL;
    const char *expanded = environment_expand(source->arena, quoted, bytes, &error);
    if (expanded == NULL || (path = included_path(source, expanded, strlen(expanded))) == NULL) {
        return fail(source, here(source), error);
    }
    glob_t found = {0};
    reading_tell(source->reading, path);
    int result = glob(path, GLOB_ERR, NULL, &found), error_number = errno;
    reading_tell(source->reading, NULL);
    const char *wrong = result == 0 || (result == GLOB_NOMATCH && strpbrk(path, "*?[") != NULL)
                            ? NULL
                        : result == GLOB_NOMATCH ? "there is no such file"
                        : error_number == ENOENT ? "there is no such folder"
                                                 : strerror(error_number);
    bool copied =
        wrong == NULL || fail(source, here(source),
                              arena_printf(source->arena, INCLUDE_KEY " \"%s\": %s", path, wrong));
    for (size_t i = 0; result == 0 && i < found.gl_pathc && copied; i++) {
        const char *file = arena_text(source->arena, found.gl_pathv[i], strlen(found.gl_pathv[i]));
        copied = file != NULL && copy_part(scan, file);
    }
    globfree(&found);
    return copied;
}

/* The pieces of the key's value; the library does not see them. */
static bool take_include(struct scan *scan, const char *piece, size_t bytes)
{
    const bool listed = scan->include == INCLUDE_LISTED;
    if (scan->include == INCLUDE_OVER) {
        scan->include = INCLUDE_NONE;
        scan->last = ';';
        return *piece == ';' || *piece == ',' || copy_piece(scan, piece, bytes);
    }
    if (scan->include == INCLUDE_NAMED) {
        scan->include = INCLUDE_AWAITED;
        return *piece == '=' || *piece == ':' || blame_include(scan);
    }
    if (*piece == '"') {
        scan->include = listed ? INCLUDE_LISTED : INCLUDE_OVER;
        return include_pattern(scan, piece, bytes);
    }
    if (listed && *piece == ',') {
        return true;
    }
    if (listed ? *piece == ']' || *piece == ')' : *piece == '[' || *piece == '(') {
        scan->include = listed ? INCLUDE_OVER : INCLUDE_LISTED;
        return true;
    }
    return blame_include(scan);
}

/* ---- files ---- */

static bool copy_text(struct scan *scan, const char *text, const char *name, unsigned level)
{
    struct source *source = scan->source;
    begin_span(source, (struct source_place){name, 1});
    while (*text != '\0' && !source->arena->failed) {
        const char *quoted = at_line_start(source) ? included_name(text) : NULL;
        if (quoted != NULL) {
            text = include(scan, quoted, level);
            if (text == NULL) {
                return false;
            }
            continue;
        }
        size_t bytes = piece_bytes(text);
        if (bytes == 0) {
            return scan->long_text.line > 0
                       ? blame_long_text(scan)
                       : fail(source, here(source),
                              *text == '"' ? "the text that begins here has no end"
                                           : "the comment that begins here has no end");
        }
        if (!copy_piece(scan, text, bytes)) {
            return false;
        }
        text += bytes;
    }
    return !source->arena->failed;
}

/* The outermost file is a regular one; what it includes may come through a pipe. */
static bool copy_file(struct scan *scan, const char *path, unsigned level)
{
    struct source *source = scan->source;
    const char *why = NULL;
    size_t bytes = 0;
    char *text = read_text(path, level == 0, READ_MAX_BYTES - source->read_bytes, source->reading,
                           &bytes, &why);
    source->read_bytes += bytes;
    bool copied = text != NULL ? copy_text(scan, text, path, level)
                               : fail(source, (struct source_place){path, 0}, why);
    free(text);
    return copied;
}

bool source_read(struct source *source, struct arena *arena, const struct settings_reading *reading,
                 const char *path)
{
    *source = (struct source){.arena = arena, .reading = reading, .text_line = 1};
    append(source, "", 0);
    struct scan scan = {.source = source, .grammar = {.arena = arena}};
    return copy_file(&scan, path, 0) && end_grammar(&scan);
}

bool source_take(struct source *source, struct arena *arena, const char *text, const char *name)
{
    *source = (struct source){.arena = arena, .text_line = 1};
    append(source, "", 0);
    struct scan scan = {.source = source, .grammar = {.arena = arena}};
    return copy_text(&scan, text, name, 0) && end_grammar(&scan);
}

void source_close(struct source *source)
{
    free(source->text);
    free(source->part_names);
    free(source->spans);
    *source = (struct source){0};
}

/* ---- the way back ---- */

struct source_place source_place(const struct source *source, unsigned text_line)
{
    size_t first = 0, after = source->span_count;
    while (after - first > 1) {
        size_t middle = first + (after - first) / 2;
        if (source->spans[middle].text_line <= text_line) {
            first = middle;
        } else {
            after = middle;
        }
    }
    struct source_place place = source->spans[first].place;
    place.line += text_line - source->spans[first].text_line;
    return place;
}

void source_quote(const struct source *source, unsigned text_line, char *line, size_t line_bytes)
{
    const char *at = source->text;
    while (--text_line > 0 && (at = strchr(at, '\n')) != NULL) {
        at++;
    }
    int seam_bytes = 0;
    at = at != NULL ? at + strspn(at, " \t") : "";
    (void)sscanf(at, SEAM_FORMAT("*") "%n", &seam_bytes);
    at += seam_bytes;
    snprintf(line, line_bytes, "%.*s", (int)strcspn(at, "\r\n"), at);
}

const char *source_key(const struct source *source, const char *key)
{
    char *end;
    unsigned long part = key[0] == '*' ? strtoul(key + 1, &end, 10) : 0;
    return part > 0 && part <= source->part_count && *end == '\0' ? source->part_names[part - 1]
                                                                  : key;
}
