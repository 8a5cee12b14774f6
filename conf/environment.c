/* Replaces what stands in "${" and "}". */
#include "conf/environment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a byte of a value becomes at most: \x0a. */
#define ESCAPED_BYTES 4

struct expansion {
    struct arena *arena;
    char *out;
    size_t bytes, room_bytes;
};

static void put(struct expansion *expansion, const char *bytes, size_t count)
{
    if (expansion->out == NULL || expansion->room_bytes - expansion->bytes <= count) {
        size_t room_bytes = 2 * (expansion->room_bytes + count) + 1;
        char *grown = realloc(expansion->out, room_bytes);
        if (grown == NULL) {
            expansion->arena->failed = true;
            return;
        }
        expansion->out = grown;
        expansion->room_bytes = room_bytes;
    }
    memcpy(&expansion->out[expansion->bytes], bytes, count);
    expansion->bytes += count;
    expansion->out[expansion->bytes] = '\0';
}

/* A value may hold anything, and stays one text on one line. */
static void put_value(struct expansion *expansion, const char *value)
{
    for (; *value != '\0'; value++) {
        char escaped[ESCAPED_BYTES + 1];
        unsigned char byte = (unsigned char)*value;
        if (byte < ' ') {
            snprintf(escaped, sizeof escaped, "\\x%02x", byte);
            put(expansion, escaped, ESCAPED_BYTES);
            continue;
        }
        if (*value == '"' || *value == '\\') {
            put(expansion, "\\", 1);
        }
        put(expansion, value, 1);
    }
}

static size_t name_bytes_of(const char *text)
{
    static const char first[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
    return strspn(text, first) == 0 ? 0
                                    : strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstu"
                                                   "vwxyz_0123456789");
}

/* The reference that begins with "${". Returns what follows it; NULL: *ret_error says why. */
static const char *put_reference(struct expansion *expansion, const char *at, const char *end,
                                 const char **ret_error)
{
    const char *name = at + 2, *close = memchr(name, '}', (size_t)(end - name));
    size_t name_bytes = name_bytes_of(name);
    const char *after = name + name_bytes;
    if (close == NULL || name_bytes == 0 ||
        (after != close && (strncmp(after, ":-", 2) != 0 || after + 2 > close))) {
        *ret_error =
            "expected \"${NAME}\" or \"${NAME:-default}\"; for \"${\" itself write \"$${\"";
        return NULL;
    }
    const char *copy = arena_text(expansion->arena, name, name_bytes);
    const char *value = copy != NULL ? getenv(copy) : NULL;
    if (after == close && value == NULL) {
        *ret_error = arena_printf(expansion->arena,
                                  "the environment has no %s: set it, or write \"${%s:-default}\"",
                                  copy, copy);
        return NULL;
    }
    if (value != NULL && (*value != '\0' || after == close)) {
        put_value(expansion, value);
    } else {
        put(expansion, after + 2, (size_t)(close - after - 2));
    }
    return close + 1;
}

static bool expand(struct expansion *expansion, const char *at, const char *end,
                   const char **ret_error)
{
    while (at != NULL && at < end) {
        if (end - at >= 3 && strncmp(at, "$${", 3) == 0) {
            put(expansion, "${", 2);
            at += 3;
        } else if (end - at >= 2 && strncmp(at, "${", 2) == 0) {
            at = put_reference(expansion, at, end, ret_error);
        } else {
            put(expansion, at++, 1);
        }
    }
    return at != NULL;
}

const char *environment_expand(struct arena *arena, const char *quoted, size_t bytes,
                               const char **ret_error)
{
    struct expansion expansion = {.arena = arena};
    *ret_error = "no memory";
    bool expanded = expand(&expansion, quoted, quoted + bytes, ret_error) && !arena->failed;
    const char *text = expanded ? arena_text(arena, expansion.out, expansion.bytes) : NULL;
    free(expansion.out);
    return text;
}
