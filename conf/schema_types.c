/* Reading and printing each kind of value. */
#include "conf/schema_types.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "conf/value.h"

#define WEIGHT_MAX 100
#define HOSTNAME_MAX 253

static void *field_of(void *element, size_t at)
{
    return (char *)element + at;
}

static const void *field_in(const void *element, size_t at)
{
    return (const char *)element + at;
}

static bool in_range(const struct schema_row *row, double value)
{
    return (row->min == 0 && row->max == 0) || (value >= row->min && value <= row->max);
}

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
    char *one = row_text(row, a), *other = row_text(row, b);
    bool equal = one != NULL && other != NULL && strcmp(one, other) == 0;
    free(one);
    free(other);
    return equal;
}

static void print_quoted(const char *text, FILE *out)
{
    fputc('"', out);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') {
            fputc('\\', out);
        }
        fputc(*text, out);
    }
    fputc('"', out);
}

static bool store_text(struct arena *arena, void *element, size_t at, const char *text,
                       size_t bytes)
{
    const char *copy = arena_text(arena, text, bytes);
    *(const char **)field_of(element, at) = copy;
    return copy != NULL;
}

static const char *text_in(const void *element, size_t at)
{
    const char *text = *(const char *const *)field_in(element, at);
    return text != NULL ? text : "";
}

/* ---- numbers ---- */

static bool take_duration(struct arena *arena, const struct schema_row *row, void *element,
                          const char *text)
{
    uint64_t ms;
    (void)arena;
    if (!value_duration(text, &ms) || !in_range(row, (double)ms)) {
        return false;
    }
    *(uint64_t *)field_of(element, row->at) = ms;
    return true;
}

static void print_duration(const struct schema_row *row, const void *element, FILE *out)
{
    char text[VALUE_TEXT_BYTES];
    value_print_duration(*(const uint64_t *)field_in(element, row->at), text);
    print_quoted(text, out);
}

static bool take_size(struct arena *arena, const struct schema_row *row, void *element,
                      const char *text)
{
    uint64_t bytes;
    (void)arena;
    if (!value_size(text, &bytes) || !in_range(row, (double)bytes)) {
        return false;
    }
    *(uint64_t *)field_of(element, row->at) = bytes;
    return true;
}

static void print_size(const struct schema_row *row, const void *element, FILE *out)
{
    char text[VALUE_TEXT_BYTES];
    value_print_size(*(const uint64_t *)field_in(element, row->at), text);
    print_quoted(text, out);
}

static bool take_size_or_auto(struct arena *arena, const struct schema_row *row, void *element,
                              const char *text)
{
    if (strcmp(text, "auto") == 0) {
        *(uint64_t *)field_of(element, row->at) = 0;
        return true;
    }
    return take_size(arena, row, element, text);
}

static void print_size_or_auto(const struct schema_row *row, const void *element, FILE *out)
{
    if (*(const uint64_t *)field_in(element, row->at) == 0) {
        print_quoted("auto", out);
    } else {
        print_size(row, element, out);
    }
}

static bool take_count(struct arena *arena, const struct schema_row *row, void *element,
                       const char *text)
{
    uint64_t count;
    (void)arena;
    if (!value_count(text, &count) || !in_range(row, (double)count)) {
        return false;
    }
    *(uint64_t *)field_of(element, row->at) = count;
    return true;
}

static void print_count(const struct schema_row *row, const void *element, FILE *out)
{
    fprintf(out, "%" PRIu64, *(const uint64_t *)field_in(element, row->at));
}

static bool take_number(struct arena *arena, const struct schema_row *row, void *element,
                        const char *text)
{
    double number;
    (void)arena;
    if (!value_number(text, &number) || !in_range(row, number)) {
        return false;
    }
    *(double *)field_of(element, row->at) = number;
    return true;
}

static void print_number(const struct schema_row *row, const void *element, FILE *out)
{
    char text[32];
    snprintf(text, sizeof text, "%.15g", *(const double *)field_in(element, row->at));
    fprintf(out, "%s%s", text, strchr(text, '.') != NULL ? "" : ".0");
}

static bool take_bool(struct arena *arena, const struct schema_row *row, void *element,
                      const char *text)
{
    bool value = strcmp(text, "true") == 0;
    (void)arena;
    *(bool *)field_of(element, row->at) = value;
    return value || strcmp(text, "false") == 0;
}

static void print_bool(const struct schema_row *row, const void *element, FILE *out)
{
    fputs(*(const bool *)field_in(element, row->at) ? "true" : "false", out);
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

static bool take_word(struct arena *arena, const struct schema_row *row, void *element,
                      const char *text)
{
    (void)arena;
    for (unsigned i = 0; row->words[i] != NULL; i++) {
        if (strcmp(row->words[i], text) == 0) {
            *(unsigned *)field_of(element, row->at) = i;
            return true;
        }
    }
    return false;
}

static void print_word(const struct schema_row *row, const void *element, FILE *out)
{
    print_quoted(row->words[*(const unsigned *)field_in(element, row->at)], out);
}

/* ---- addresses ---- */

static bool take_address(struct arena *arena, const struct schema_row *row, void *element,
                         const char *text)
{
    struct address *address = field_of(element, row->also_at);
    return address_parse(text, address) && take_text(arena, row, element, text);
}

static bool take_server(struct arena *arena, const struct schema_row *row, void *element,
                        const char *text)
{
    struct address address;
    if (!address_parse(text, &address) || address.any.sa_family == AF_UNIX ||
        (address.any.sa_family == AF_INET ? address.v4.sin_port : address.v6.sin6_port) == 0) {
        return false;
    }
    struct address *added = schema_list_add(arena, field_of(element, row->at), sizeof *added);
    if (added != NULL) {
        *added = address;
    }
    return added != NULL;
}

static void print_servers(const struct schema_row *row, const void *element, FILE *out)
{
    const struct schema_list *list = field_in(element, row->at);
    const struct address *servers = list->items;
    for (size_t i = 0; i < list->count; i++) {
        char text[ADDRESS_TEXT_BYTES];
        address_format(&servers[i].any, text);
        fputs(i > 0 ? ", " : "", out);
        print_quoted(text, out);
    }
}

static bool take_prefix(struct arena *arena, const struct schema_row *row, void *element,
                        const char *text)
{
    struct address_prefix prefix;
    if (!address_prefix_parse(text, &prefix)) {
        return false;
    }
    struct address_prefix *added =
        schema_list_add(arena, field_of(element, row->at), sizeof *added);
    if (added != NULL) {
        *added = prefix;
    }
    return added != NULL;
}

static void print_prefixes(const struct schema_row *row, const void *element, FILE *out)
{
    const struct schema_list *list = field_in(element, row->at);
    const struct address_prefix *prefixes = list->items;
    for (size_t i = 0; i < list->count; i++) {
        struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
        char text[ADDRESS_TEXT_BYTES];
        memcpy(&v6.sin6_addr, prefixes[i].bytes, sizeof v6.sin6_addr);
        bool mapped = IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr) && prefixes[i].bits >= 96;
        address_format_ip((const struct sockaddr *)&v6, text);
        fprintf(out, "%s\"%s/%u\"", i > 0 ? ", " : "", text,
                prefixes[i].bits - (mapped ? 96u : 0u));
    }
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

static void print_balance(const struct schema_row *row, const void *element, FILE *out)
{
    enum balance_method method = *(const enum balance_method *)field_in(element, row->at);
    fprintf(out, "\"%s%s\"", balance_method_rows[method].word, text_in(element, row->also_at));
}

static bool take_key(struct arena *arena, const struct schema_row *row, void *element,
                     const char *text)
{
    enum key_source *source = field_of(element, row->at);
    *(const char **)field_of(element, row->also_at) = NULL;
    if (strcmp(text, "host") == 0) {
        *source = KEY_HOST;
        return true;
    }
    if (strcmp(text, "client") == 0) {
        *source = KEY_CLIENT;
        return true;
    }
    *source = KEY_HEADER;
    const char *name = text + strlen("header:");
    return strncmp(text, "header:", strlen("header:")) == 0 && value_is_token(name, strlen(name)) &&
           store_text(arena, element, row->also_at, name, strlen(name));
}

static void print_key(const struct schema_row *row, const void *element, FILE *out)
{
    static const char *const names[] = {ENUM_NAMES(KEY_SOURCES)};
    fprintf(out, "\"%s%s\"", names[*(const enum key_source *)field_in(element, row->at)],
            text_in(element, row->also_at));
}

static bool host_valid(const char *text)
{
    size_t bytes = strlen(text);
    if (bytes == 0 || bytes > HOSTNAME_MAX) {
        return false;
    }
    if (text[0] == '[') {
        return text[bytes - 1] == ']';
    }
    for (size_t i = 0; i < bytes; i++) {
        if (!isalnum((unsigned char)text[i]) && strchr("-._", text[i]) == NULL) {
            return false;
        }
    }
    return text[0] != '.' && text[bytes - 1] != '.';
}

static bool take_host(struct arena *arena, const struct schema_row *row, void *element,
                      const char *text)
{
    bool suffix = strncmp(text, "*.", 2) == 0;
    if (!host_valid(suffix ? text + 2 : text)) {
        return false;
    }
    *(bool *)field_of(element, row->also_at) = suffix;
    const char *from = suffix ? text + 1 : text;
    char *copy = arena_take(arena, strlen(from) + 1);
    for (size_t i = 0; copy != NULL && from[i] != '\0'; i++) {
        copy[i] = (char)tolower((unsigned char)from[i]);
    }
    *(const char **)field_of(element, row->at) = copy;
    return copy != NULL;
}

static void print_host(const struct schema_row *row, const void *element, FILE *out)
{
    fprintf(out, "\"%s%s\"", *(const bool *)field_in(element, row->also_at) ? "*" : "",
            text_in(element, row->at));
}

/* "X-Name" or "X-Name: value" */
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

static void print_methods(const struct schema_row *row, const void *element, FILE *out)
{
    const struct schema_list *list = field_in(element, row->at);
    const char *const *methods = list->items;
    for (size_t i = 0; i < list->count; i++) {
        fputs(i > 0 ? ", " : "", out);
        print_quoted(methods[i], out);
    }
}

/* "host:port", or "srv:_service._proto.name" with ports of its own; "srv:80" is a host called srv. */
static bool take_place(struct arena *arena, const char *place, struct endpoint_settings *endpoint)
{
    const char *host;
    size_t host_bytes;
    struct address literal;
    endpoint->service = strncmp(place, "srv:_", 5) == 0;
    if (endpoint->service) {
        host = place + 4;
        host_bytes = strlen(host);
    } else if (!address_split(place, &host, &host_bytes, &endpoint->port) || endpoint->port == 0) {
        return false;
    }
    if (endpoint->service && strstr(host, "._") == NULL) {
        return false;
    }
    if (host_bytes == 0 || host_bytes > HOSTNAME_MAX) {
        return false;
    }
    endpoint->literal =
        !endpoint->service && address_from_host(host, host_bytes, endpoint->port, &literal);
    endpoint->host = arena_text(arena, host, host_bytes);
    return endpoint->host != NULL && (endpoint->literal || host_valid(endpoint->host));
}

/* A place, or "PLACE weight=N" */
static bool take_endpoint(struct arena *arena, const struct schema_row *row, void *element,
                          const char *text)
{
    char place[320];
    size_t place_bytes = strcspn(text, " ");
    uint64_t weight = 1;
    if (place_bytes >= sizeof place) {
        return false;
    }
    memcpy(place, text, place_bytes);
    place[place_bytes] = '\0';
    const char *rest = text + place_bytes + strspn(text + place_bytes, " ");
    if (*rest != '\0' && (strncmp(rest, "weight=", 7) != 0 || !value_count(rest + 7, &weight))) {
        return false;
    }
    struct endpoint_settings endpoint = {.text = arena_text(arena, text, strlen(text)),
                                         .weight = (uint16_t)weight};
    if (weight < 1 || weight > WEIGHT_MAX || !take_place(arena, place, &endpoint) ||
        endpoint.text == NULL) {
        return false;
    }
    struct endpoint_settings *added =
        schema_list_add(arena, field_of(element, row->at), sizeof *added);
    if (added != NULL) {
        *added = endpoint;
    }
    return added != NULL;
}

static void print_endpoints(const struct schema_row *row, const void *element, FILE *out)
{
    const struct schema_list *list = field_in(element, row->at);
    const struct endpoint_settings *endpoints = list->items;
    for (size_t i = 0; i < list->count; i++) {
        fputs(i > 0 ? ", " : "", out);
        print_quoted(endpoints[i].text, out);
    }
}

static bool take_condition(struct arena *arena, const struct schema_row *row, void *element,
                           const char *text)
{
    (void)arena;
    for (unsigned i = 0; row->words[i] != NULL; i++) {
        if (strcmp(row->words[i], text) == 0) {
            *(unsigned *)field_of(element, row->at) |= 1u << i;
            return true;
        }
    }
    return false;
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

const struct schema_type type_duration = {
    "duration",    "a duration such as \"250ms\", \"1.5s\", \"15m\", \"24h\"",
    true,          false,
    take_duration, print_duration};
const struct schema_type type_size = {
    "size", "a size such as \"512B\", \"64KiB\", \"2GiB\"", true, false, take_size, print_size};
const struct schema_type type_size_or_auto = {
    "size or \"auto\"", "\"auto\" or a size such as \"2GiB\"", true, false, take_size_or_auto,
    print_size_or_auto};
const struct schema_type type_count = {"count", "a whole number", false,
                                       false,   take_count,       print_count};
const struct schema_type type_number = {"number", "a number",  false,
                                        false,    take_number, print_number};
const struct schema_type type_bool = {"boolean", "true or false", false,
                                      false,     take_bool,       print_bool};
const struct schema_type type_text = {"text", "a text", true, false, take_text, print_text};
const struct schema_type type_optional_text = {"text", "a text that is not empty", true,
                                               false,  take_optional_text,         print_text};
const struct schema_type type_word = {"word", "one of", true, false, take_word, print_word};
const struct schema_type type_address = {
    "address",    "an address such as \"127.0.0.1:8080\", \"[::1]:80\" or \"unix:/run/x.sock\"",
    true,         false,
    take_address, print_text};
const struct schema_type type_server_list = {
    "list of addresses", "an address and port such as \"127.0.0.1:5353\"", true, true, take_server,
    print_servers};
const struct schema_type type_prefix_list = {
    "list of prefixes", "an address prefix such as \"10.0.0.0/8\"", true, true, take_prefix,
    print_prefixes};
const struct schema_type type_path_or_off = {
    "path or \"off\"", "a path, \"stdout\", \"stderr\" or \"off\"", true, false, take_path_or_off,
    print_path_or_off};
#define BALANCE_WORD(id, word, follows, ...) " \"" word follows "\""
const struct schema_type type_balance = {
    "balance method", "one of" BALANCE_METHODS(BALANCE_WORD), true, false, take_balance,
    print_balance};
const struct schema_type type_status_range = {
    "status or range",
    "a status such as \"200\" or a range such as \"200-399\"",
    true,
    false,
    take_status_range,
    print_status_range};
const struct schema_type type_key = {
    "key", "\"host\", \"client\" or \"header:NAME\"", true, false, take_key, print_key};
const struct schema_type type_host = {
    "host",    "a host such as \"shop.example\" or \"*.shop.example\"", true, false, take_host,
    print_host};
const struct schema_type type_header = {
    "header", "\"X-Name\" or \"X-Name: value\"", true, false, take_header, print_header};
const struct schema_type type_method_list = {
    "list of methods", "a method such as \"GET\"", true, true, take_method, print_methods};
const struct schema_type type_endpoint_list = {
    "list of endpoints",
    "\"host:port\" or \"srv:_http._tcp.name\", with \" weight=N\" (1 to 100) if need be",
    true,
    true,
    take_endpoint,
    print_endpoints};
const struct schema_type type_condition_list = {"list of conditions", "one of",        true, true,
                                                take_condition,       print_conditions};
/* read by conf/load.c: its elements are groups */
const struct schema_type type_certificate_list = {"list of { cert; key; ocsp; }",
                                                  "groups of cert, key and maybe ocsp",
                                                  false,
                                                  true,
                                                  NULL,
                                                  print_certificates};
