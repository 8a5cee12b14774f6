/* Lists of items with parameters, as far as Proxy-Status needs them (RFC 8941 4.2). */
#include "proxy/http/proxy_status.h"

#include <string.h>

struct reader {
    const char *at, *end;
};

static bool is_alpha(char c)
{
    return (c | 32) >= 'a' && (c | 32) <= 'z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool next_is(const struct reader *reader, char c)
{
    return reader->at < reader->end && *reader->at == c;
}

static bool take(struct reader *reader, char c)
{
    bool is = next_is(reader, c);
    reader->at += is;
    return is;
}

static void skip(struct reader *reader, const char *set)
{
    while (reader->at < reader->end && *reader->at != '\0' && strchr(set, *reader->at) != NULL) {
        reader->at++;
    }
}

/* RFC 9110 tchar, ":" and "/". */
static bool skip_token(struct reader *reader)
{
    if (reader->at == reader->end || !(is_alpha(*reader->at) || *reader->at == '*')) {
        return false;
    }
    while (reader->at < reader->end &&
           (is_alpha(*reader->at) || is_digit(*reader->at) ||
            (*reader->at != '\0' && strchr("!#$%&'*+-.^_`|~:/", *reader->at) != NULL))) {
        reader->at++;
    }
    return true;
}

static bool skip_string(struct reader *reader)
{
    reader->at++;
    while (reader->at < reader->end) {
        char c = *reader->at++;
        if (c == '"') {
            return true;
        }
        if (c == '\\' && !take(reader, '"') && !take(reader, '\\')) {
            return false;
        }
        if ((unsigned char)c < 0x20 || (unsigned char)c > 0x7e) {
            return false;
        }
    }
    return false;
}

static bool skip_number(struct reader *reader)
{
    take(reader, '-');
    const char *digits = reader->at;
    skip(reader, "0123456789");
    if (reader->at == digits) {
        return false;
    }
    if (take(reader, '.')) {
        const char *fraction = reader->at;
        skip(reader, "0123456789");
        return reader->at > fraction;
    }
    return true;
}

static bool skip_bytes(struct reader *reader)
{
    reader->at++;
    while (reader->at < reader->end &&
           (is_alpha(*reader->at) || is_digit(*reader->at) ||
            (*reader->at != '\0' && strchr("+/=", *reader->at) != NULL))) {
        reader->at++;
    }
    return take(reader, ':');
}

static bool skip_bare_item(struct reader *reader)
{
    if (reader->at == reader->end) {
        return false;
    }
    switch (*reader->at) {
    case '"': return skip_string(reader);
    case ':': return skip_bytes(reader);
    case '?': reader->at++; return take(reader, '0') || take(reader, '1');
    default:
        return is_digit(*reader->at) || *reader->at == '-' ? skip_number(reader)
                                                           : skip_token(reader);
    }
}

/* *ret_error is set when one of them is called error. */
static bool skip_parameters(struct reader *reader, bool *ret_error)
{
    while (take(reader, ';')) {
        skip(reader, " ");
        const char *name = reader->at;
        if (name == reader->end || !(is_lower(*name) || *name == '*')) {
            return false;
        }
        while (reader->at < reader->end &&
               (is_lower(*reader->at) || is_digit(*reader->at) ||
                (*reader->at != '\0' && strchr("_-.*", *reader->at) != NULL))) {
            reader->at++;
        }
        if (reader->at - name == 5 && memcmp(name, "error", 5) == 0) {
            *ret_error = true;
        }
        if (take(reader, '=') && !skip_bare_item(reader)) {
            return false;
        }
    }
    return true;
}

bool proxy_status_has_error(const char *text, size_t bytes)
{
    struct reader reader = {text, text + bytes};
    bool error = false;
    skip(&reader, " ");
    while (skip_bare_item(&reader) && skip_parameters(&reader, &error)) {
        skip(&reader, " \t");
        if (reader.at == reader.end) {
            return error;
        }
        if (!take(&reader, ',')) {
            return false;
        }
        skip(&reader, " \t");
    }
    return false;
}

bool head_has_error(const struct http_head *head)
{
    if (!head_has(head, FIELD_PROXY_STATUS)) {
        return false;
    }
    for (size_t i = 0; i < head->field_count; i++) {
        const struct http_field *field = &head->fields[i];
        if (field->id == FIELD_PROXY_STATUS &&
            proxy_status_has_error(head->base + field->value_at, field->value_bytes)) {
            return true;
        }
    }
    return false;
}
