/* Whether a line is one JSON object, strictly: structure, escapes, UTF-8. */
#ifndef EVENKEEL_TESTS_UNIT_JSON_LINE_H
#define EVENKEEL_TESTS_UNIT_JSON_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* Returns the position behind the value, NULL when it is none. */
static const char *json_value(const char *at, const char *end);

static const char *json_string(const char *at, const char *end)
{
    if (at >= end || *at++ != '"') {
        return NULL;
    }
    while (at < end && *at != '"') {
        unsigned char c = (unsigned char)*at;
        if (c < 0x20) {
            return NULL;
        }
        if (c == '\\') {
            at++;
            if (at < end && *at == 'u') {
                for (int i = 1; i <= 4; i++) {
                    if (at + i >= end || strchr("0123456789abcdefABCDEF", at[i]) == NULL) {
                        return NULL;
                    }
                }
                at += 5;
            } else if (at < end && strchr("\"\\/bfnrt", *at) != NULL) {
                at++;
            } else {
                return NULL;
            }
        } else if (c < 0x80) {
            at++;
        } else {
            int more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : c >= 0xc2 ? 1 : -1;
            if (more < 0 || c > 0xf4) {
                return NULL;
            }
            for (at++; more > 0; more--, at++) {
                if (at >= end || ((unsigned char)*at & 0xc0) != 0x80) {
                    return NULL;
                }
            }
        }
    }
    return at < end ? at + 1 : NULL;
}

/* An object, or an array, whose values have no keys. */
static const char *json_group(const char *at, const char *end)
{
    bool keyed = *at == '{';
    char bracket = keyed ? '}' : ']';
    at++;
    if (at < end && *at == bracket) {
        return at + 1;
    }
    for (;;) {
        if (keyed) {
            at = json_string(at, end);
            if (at == NULL || at >= end || *at++ != ':') {
                return NULL;
            }
        }
        at = json_value(at, end);
        if (at == NULL || at >= end) {
            return NULL;
        }
        if (*at == bracket) {
            return at + 1;
        }
        if (*at++ != ',') {
            return NULL;
        }
    }
}

static const char *json_value(const char *at, const char *end)
{
    if (at >= end) {
        return NULL;
    }
    if (*at == '{' || *at == '[') {
        return json_group(at, end);
    }
    if (*at == '"') {
        return json_string(at, end);
    }
    static const char *const words[] = {"true", "false", "null"};
    for (size_t i = 0; i < 3; i++) {
        if ((size_t)(end - at) >= strlen(words[i]) && memcmp(at, words[i], strlen(words[i])) == 0) {
            return at + strlen(words[i]);
        }
    }
    size_t digits = strspn(at, "0123456789.");
    return digits > 0 ? at + digits : NULL;
}

static inline bool json_line_valid(const char *line, size_t length)
{
    return length > 0 && line[length - 1] == '\n' && line[0] == '{' &&
           json_value(line, line + length - 1) == line + length - 1;
}

#endif
