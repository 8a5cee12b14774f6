/* Reading and printing each kind of value. */
#include "conf/schema_types.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "conf/schema_fields.h"
#include "conf/value.h"

/* An arena gives nothing back: room is doubled, whenever the count is a power of two. */
void *schema_list_add(struct arena *arena, struct schema_list *list, size_t element_bytes)
{
    if ((list->count & (list->count - 1)) == 0) {
        size_t room_count = list->count > 0 ? 2 * list->count : 1;
        char *grown = arena_take(arena, room_count * element_bytes);
        if (grown == NULL) {
            return NULL;
        }
        if (list->count > 0) {
            memcpy(grown, list->items, list->count * element_bytes);
        }
        list->items = grown;
    }
    return (char *)list->items + element_bytes * list->count++;
}

/* What is printed alike is alike. */
static char *row_text(const struct schema_row *row, const void *element)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    if (out == NULL) {
        return NULL;
    }
    row->type->print(row, element, out);
    fclose(out);
    return text;
}

bool schema_row_equal(const struct schema_row *row, const void *a, const void *b)
{
    if (row->type == &type_text) {
        return strcmp(text_in(a, row->at), text_in(b, row->at)) == 0;
    }
    if (row->type == &type_bool) {
        return *(const bool *)field_in(a, row->at) == *(const bool *)field_in(b, row->at);
    }
    char *one = row_text(row, a), *other = row_text(row, b);
    bool equal = one != NULL && other != NULL && strcmp(one, other) == 0;
    free(one);
    free(other);
    return equal;
}

/* ---- texts and words ---- */

static bool take_text(struct arena *arena, const struct schema_row *row, void *element,
                      const char *text)
{
    return store_text(arena, element, row->at, text, strlen(text));
}

static void print_text(const struct schema_row *row, const void *element, FILE *out)
{
    print_quoted(text_in(element, row->at), out);
}

static bool take_optional_text(struct arena *arena, const struct schema_row *row, void *element,
                               const char *text)
{
    return *text != '\0' && store_text(arena, element, row->at, text, strlen(text));
}

static bool take_path_or_off(struct arena *arena, const struct schema_row *row, void *element,
                             const char *text)
{
    if (strcmp(text, "off") == 0) {
        *(const char **)field_of(element, row->at) = NULL;
        return true;
    }
    return take_optional_text(arena, row, element, text);
}

static void print_path_or_off(const struct schema_row *row, const void *element, FILE *out)
{
    const char *path = text_in(element, row->at);
    print_quoted(*path != '\0' ? path : "off", out);
}

static bool find_word(const struct schema_row *row, const char *text, unsigned *ret_index)
{
    for (unsigned i = 0; row->words[i] != NULL; i++) {
        if (strcmp(row->words[i], text) == 0) {
            *ret_index = i;
            return true;
        }
    }
    return false;
}

static bool take_word(struct arena *arena, const struct schema_row *row, void *element,
                      const char *text)
{
    (void)arena;
    return find_word(row, text, field_of(element, row->at));
}

static void print_word(const struct schema_row *row, const void *element, FILE *out)
{
    print_quoted(row->words[*(const unsigned *)field_in(element, row->at)], out);
}

/* ---- composed ones ---- */

static bool take_status_range(struct arena *arena, const struct schema_row *row, void *element,
                              const char *text)
{
    char first_text[4];
    uint64_t first, last;
    const char *dash = strchr(text, '-');
    size_t first_bytes = dash != NULL ? (size_t)(dash - text) : strlen(text);
    (void)arena;
    if (first_bytes != 3) {
        return false;
    }
    memcpy(first_text, text, 3);
    first_text[3] = '\0';
    if (!value_count(first_text, &first) || !value_count(dash != NULL ? dash + 1 : text, &last) ||
        first < 100 || last < first || last > 599) {
        return false;
    }
    *(uint64_t *)field_of(element, row->at) = first;
    *(uint64_t *)field_of(element, row->also_at) = last;
    return true;
}

static void print_status_range(const struct schema_row *row, const void *element, FILE *out)
{
    fprintf(out, "\"%" PRIu64 "-%" PRIu64 "\"", *(const uint64_t *)field_in(element, row->at),
            *(const uint64_t *)field_in(element, row->also_at));
}

static bool take_balance(struct arena *arena, const struct schema_row *row, void *element,
                         const char *text)
{
    for (size_t i = 0; i < BALANCE_METHOD_COUNT; i++) {
        const struct balance_method_row *method = &balance_method_rows[i];
        bool named = method->follows[0] != '\0';
        size_t bytes = strlen(method->word);
        const char *name = text + bytes;
        if (strncmp(text, method->word, bytes) != 0 ||
            (named ? !value_is_token(name, strlen(name)) : *name != '\0')) {
            continue;
        }
        *(enum balance_method *)field_of(element, row->at) = (enum balance_method)i;
        *(const char **)field_of(element, row->also_at) = NULL;
        return !named || store_text(arena, element, row->also_at, name, strlen(name));
    }
    return false;
}

/* Methods as other programs name them. */
static void blame_balance(const char *text, char *hint, size_t hint_bytes)
{
    static const struct {
        const char *theirs, *ours;
    } names[] = {{"roundrobin", "round_robin"},
                 {"round-robin", "round_robin"},
                 {"rr", "round_robin"},
                 {"least_conn", "least_in_flight"},
                 {"leastconn", "least_in_flight"},
                 {"least_request", "p2c"},
                 {"random", "p2c"},
                 {"ip_hash", "hash:client"},
                 {"source", "hash:client"},
                 {"hash:header:", "hash:header:X-Name"},
                 {"hash:cookie:", "hash:cookie:name"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcasecmp(names[i].theirs, text) == 0) {
            snprintf(hint, hint_bytes, ": write \"%s\"", names[i].ours);
        }
    }
}

static void print_balance(const struct schema_row *row, const void *element, FILE *out)
{
    enum balance_method method = *(const enum balance_method *)field_in(element, row->at);
    fprintf(out, "\"%s%s\"", balance_method_rows[method].word, text_in(element, row->also_at));
}

static const char *const key_words[] = {ENUM_NAMES(KEY_SOURCES)};

static bool take_split_key(struct arena *arena, const struct schema_row *row, void *element,
                           const char *text)
{
    for (size_t i = 0; i < sizeof key_words / sizeof key_words[0]; i++) {
        size_t bytes = strlen(key_words[i]);
        const char *name = text + bytes;
        bool named = key_words[i][bytes - 1] == ':';
        if (strncmp(text, key_words[i], bytes) != 0 ||
            (named ? !value_is_token(name, strlen(name)) : *name != '\0')) {
            continue;
        }
        *(enum key_source *)field_of(element, row->at) = (enum key_source)i;
        *(const char **)field_of(element, row->also_at) = NULL;
        return !named || store_text(arena, element, row->also_at, name, strlen(name));
    }
    return false;
}

static bool take_key(struct arena *arena, const struct schema_row *row, void *element,
                     const char *text)
{
    return strcmp(text, key_words[KEY_NONE]) != 0 && take_split_key(arena, row, element, text);
}

static void print_key(const struct schema_row *row, const void *element, FILE *out)
{
    fprintf(out, "\"%s%s\"", key_words[*(const enum key_source *)field_in(element, row->at)],
            text_in(element, row->also_at));
}

/* Bytes that a path in a request may have, from its "/" on (RFC 3986 3.3); servers see it without query and fragment. */
static bool take_path(struct arena *arena, const struct schema_row *row, void *element,
                      const char *text)
{
    for (const char *at = text; *at != '\0'; at++) {
        if (*at <= ' ' || *at == 0x7f || *at == '?' || *at == '#' || *at == '*') {
            return false;
        }
    }
    return text[0] == '/' && store_text(arena, element, row->at, text, strlen(text));
}

static void blame_path(const char *text, char *hint, size_t hint_bytes)
{
    int before_star = (int)strcspn(text, "*");
    if (text[before_star] == '*') {
        snprintf(hint, hint_bytes,
                 ": \"*\" is no pattern here: write path_prefix = \"%.*s\" for all that begins so, "
                 "or a path_regex",
                 before_star, text);
    } else if (*text != '/' && strstr(text, "://") == NULL) {
        snprintf(hint, hint_bytes, ": write \"/%s\"", text);
    }
}

/* "name" or "name=value" */
static bool take_pair(struct arena *arena, const struct schema_row *row, void *element,
                      const char *text)
{
    size_t name_bytes = strcspn(text, "=");
    const char *value = text + name_bytes;
    *(const char **)field_of(element, row->also_at) = NULL;
    if (name_bytes == 0 || strpbrk(text, " \t&;") != NULL) {
        return false;
    }
    if (*value == '=' && !store_text(arena, element, row->also_at, value + 1, strlen(value + 1))) {
        return false;
    }
    return store_text(arena, element, row->at, text, name_bytes);
}

static void print_pair(const struct schema_row *row, const void *element, FILE *out)
{
    const char *value = *(const char *const *)field_in(element, row->also_at);
    fprintf(out, "\"%s%s%s\"", text_in(element, row->at), value != NULL ? "=" : "",
            value != NULL ? value : "");
}

static bool take_header(struct arena *arena, const struct schema_row *row, void *element,
                        const char *text)
{
    size_t name_bytes = strcspn(text, ":");
    if (!value_is_token(text, name_bytes)) {
        return false;
    }
    const char *value = text + name_bytes;
    *(const char **)field_of(element, row->also_at) = NULL;
    if (*value == ':') {
        value += 1 + strspn(value + 1, " \t");
        if (!store_text(arena, element, row->also_at, value, strlen(value))) {
            return false;
        }
    }
    return store_text(arena, element, row->at, text, name_bytes);
}

static void print_header(const struct schema_row *row, const void *element, FILE *out)
{
    const char *value = *(const char *const *)field_in(element, row->also_at);
    fprintf(out, "\"%s%s%s\"", text_in(element, row->at), value != NULL ? ": " : "",
            value != NULL ? value : "");
}

static bool take_method(struct arena *arena, const struct schema_row *row, void *element,
                        const char *text)
{
    if (!value_is_token(text, strlen(text))) {
        return false;
    }
    const char **added = schema_list_add(arena, field_of(element, row->at), sizeof *added);
    return added != NULL && (*added = arena_text(arena, text, strlen(text))) != NULL;
}

/* "websocket", "SPDY/3.1" */
static bool take_protocol(struct arena *arena, const struct schema_row *row, void *element,
                          const char *text)
{
    const char *slash = strchr(text, '/');
    size_t name_bytes = slash != NULL ? (size_t)(slash - text) : strlen(text);
    if (!value_is_token(text, name_bytes) ||
        (slash != NULL && !value_is_token(slash + 1, strlen(slash + 1)))) {
        return false;
    }
    const char **added = schema_list_add(arena, field_of(element, row->at), sizeof *added);
    return added != NULL && (*added = arena_text(arena, text, strlen(text))) != NULL;
}

static bool take_alpn(struct arena *arena, const struct schema_row *row, void *element,
                      const char *text)
{
    if (strcmp(text, "h2") != 0 && strcmp(text, "http/1.1") != 0) {
        return false;
    }
    const char **added = schema_list_add(arena, field_of(element, row->at), sizeof *added);
    return added != NULL && (*added = arena_text(arena, text, strlen(text))) != NULL;
}

/* "host:port", or "srv:_service._proto.name" with ports of its own; "srv:80" is a host called srv. */
static bool take_condition(struct arena *arena, const struct schema_row *row, void *element,
                           const char *text)
{
    unsigned bit = 0;
    (void)arena;
    bool found = find_word(row, text, &bit);
    *(unsigned *)field_of(element, row->at) |= (found ? 1u : 0u) << bit;
    return found;
}

static void print_conditions(const struct schema_row *row, const void *element, FILE *out)
{
    unsigned bits = *(const unsigned *)field_in(element, row->at);
    const char *separator = "";
    for (unsigned i = 0; row->words[i] != NULL; i++) {
        if (bits & 1u << i) {
            fputs(separator, out);
            print_quoted(row->words[i], out);
            separator = ", ";
        }
    }
}

static void print_certificates(const struct schema_row *row, const void *element, FILE *out)
{
    const struct schema_list *list = field_in(element, row->at);
    const struct certificate_settings *certificates = list->items;
    fputs("( ", out);
    for (size_t i = 0; i < list->count; i++) {
        fputs(i > 0 ? ", { cert = " : "{ cert = ", out);
        print_quoted(certificates[i].cert, out);
        fputs("; key = ", out);
        print_quoted(certificates[i].key, out);
        if (certificates[i].ocsp[0] != '\0') {
            fputs("; ocsp = ", out);
            print_quoted(certificates[i].ocsp, out);
        }
        fputs("; }", out);
    }
    fputs(" )", out);
}

const struct schema_type type_text = {
    .name = "text",
    .expected = "a text",
    .quoted = true,
    .take = take_text,
    .print = print_text,
};
const struct schema_type type_optional_text = {
    .name = "text",
    .expected = "a text that is not empty",
    .quoted = true,
    .take = take_optional_text,
    .print = print_text,
};
const struct schema_type type_word = {
    .name = "word",
    .expected = "one of",
    .quoted = true,
    .take = take_word,
    .print = print_word,
};
const struct schema_type type_path_or_off = {
    .name = "path or \"off\"",
    .expected = "a path, \"stdout\", \"stderr\" or \"off\"",
    .quoted = true,
    .take = take_path_or_off,
    .print = print_path_or_off,
};
#define BALANCE_WORD(id, word, follows, ...) " \"" word follows "\""
const struct schema_type type_balance = {
    .name = "balance method",
    .expected = "one of" BALANCE_METHODS(BALANCE_WORD),
    .quoted = true,
    .take = take_balance,
    .print = print_balance,
    .blame = blame_balance,
};
const struct schema_type type_status_range = {
    .name = "status or range",
    .expected = "a status such as \"200\" or a range such as \"200-399\"",
    .quoted = true,
    .take = take_status_range,
    .print = print_status_range,
};
const struct schema_type type_key = {
    .name = "key",
    .expected = "\"host\", \"client\", \"header:NAME\" or \"cookie:NAME\"",
    .quoted = true,
    .take = take_key,
    .print = print_key,
};
const struct schema_type type_split_key = {
    .name = "key",
    .expected = "\"none\", \"host\", \"client\", \"header:NAME\" or \"cookie:NAME\"",
    .quoted = true,
    .take = take_split_key,
    .print = print_key,
};
const struct schema_type type_header = {
    .name = "header",
    .expected = "\"X-Name\" or \"X-Name: value\"",
    .quoted = true,
    .take = take_header,
    .print = print_header,
};
const struct schema_type type_path = {
    .name = "path",
    .expected = "a path such as \"/api\", without a query",
    .quoted = true,
    .take = take_path,
    .print = print_text,
    .blame = blame_path,
};
const struct schema_type type_pair = {
    .name = "name or pair",
    .expected = "\"name\" or \"name=value\"",
    .quoted = true,
    .take = take_pair,
    .print = print_pair,
};
const struct schema_type type_name_list = {
    .name = "list of names",
    .expected = "a name of a listener",
    .quoted = true,
    .list = true,
    .take = take_method,
    .print = print_texts,
};
const struct schema_type type_method_list = {
    .name = "list of methods",
    .expected = "a method such as \"GET\"",
    .quoted = true,
    .list = true,
    .take = take_method,
    .print = print_texts,
};
const struct schema_type type_field_list = {
    .name = "list of fields",
    .expected = "a field name such as \"X-Real-IP\"",
    .quoted = true,
    .list = true,
    .take = take_method,
    .print = print_texts,
};
const struct schema_type type_protocol_list = {
    .name = "list of protocols",
    .expected = "a protocol such as \"websocket\"",
    .quoted = true,
    .list = true,
    .take = take_protocol,
    .print = print_texts,
};
const struct schema_type type_alpn_list = {
    .name = "list of protocols",
    .expected = "\"h2\" or \"http/1.1\"",
    .quoted = true,
    .list = true,
    .take = take_alpn,
    .print = print_texts,
};
const struct schema_type type_condition_list = {
    .name = "list of conditions",
    .expected = "one of",
    .quoted = true,
    .list = true,
    .take = take_condition,
    .print = print_conditions,
};
/* read by conf/load.c: its elements are groups */
const struct schema_type type_certificate_list = {
    .name = "list of { cert; key; ocsp; }",
    .expected = "groups of cert, key and maybe ocsp",
    .list = true,
    .print = print_certificates,
};
