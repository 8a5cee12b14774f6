/* Kinds of values that name places: addresses, prefixes, hosts. */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/schema_fields.h"
#include "conf/schema_types.h"
#include "conf/value.h"

/* ---- addresses ---- */

static bool take_address(struct arena *arena, const struct schema_row *row, void *element,
                         const char *text)
{
    struct address *address = field_of(element, row->also_at);
    return address_parse(text, address) && store_text(arena, element, row->at, text, strlen(text));
}

static void print_address(const struct schema_row *row, const void *element, FILE *out)
{
    print_quoted(text_in(element, row->at), out);
}

/* An address with a port; a DNS server has its usual one unless told otherwise: "127.0.0.11", "::1". */
static bool parse_server(const char *text, struct address *ret_address)
{
    char with_port[128];
    struct in6_addr ip;
    if (inet_pton(AF_INET, text, &ip) == 1) {
        snprintf(with_port, sizeof with_port, "%s:53", text);
    } else if (inet_pton(AF_INET6, text, &ip) == 1) {
        snprintf(with_port, sizeof with_port, "[%s]:53", text);
    } else {
        return address_parse(text, ret_address);
    }
    return address_parse(with_port, ret_address);
}

static bool take_server(struct arena *arena, const struct schema_row *row, void *element,
                        const char *text)
{
    struct address address;
    if (!parse_server(text, &address) || address.any.sa_family == AF_UNIX ||
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

/* "10.0.0.1/8": bits beyond the prefix. */
static void blame_prefix(const char *text, char *hint, size_t hint_bytes)
{
    char copy[64], *slash;
    struct address address;
    uint64_t bits;
    snprintf(copy, sizeof copy, "%s", text);
    slash = strchr(copy, '/');
    if (slash == NULL || !value_count(slash + 1, &bits) ||
        !address_from_host(copy, (size_t)(slash - copy), 0, &address)) {
        return;
    }
    bool v6 = address.any.sa_family == AF_INET6;
    uint8_t *bytes = v6 ? address.v6.sin6_addr.s6_addr : (uint8_t *)&address.v4.sin_addr;
    for (uint64_t bit = bits; bit < (v6 ? 128u : 32u); bit++) {
        bytes[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
    }
    if (bits <= (v6 ? 128u : 32u)) {
        char whole[ADDRESS_TEXT_BYTES];
        address_format_ip(&address.any, whole);
        snprintf(hint, hint_bytes,
                 ": write \"%s/%u\" for the whole network, or \"%.*s\" for one address", whole,
                 (unsigned)bits, (int)(slash - copy), copy);
    }
}

static void print_prefixes(const struct schema_row *row, const void *element, FILE *out)
{
    const struct schema_list *list = field_in(element, row->at);
    const struct address_prefix *prefixes = list->items;
    for (size_t i = 0; i < list->count; i++) {
        if (prefixes[i].bits == ADDRESS_PREFIX_LOCAL) {
            fprintf(out, "%s\"unix\"", i > 0 ? ", " : "");
            continue;
        }
        struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
        char text[ADDRESS_TEXT_BYTES];
        memcpy(&v6.sin6_addr, prefixes[i].bytes, sizeof v6.sin6_addr);
        bool mapped = IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr) && prefixes[i].bits >= 96;
        address_format_ip((const struct sockaddr *)&v6, text);
        fprintf(out, "%s\"%s/%u\"", i > 0 ? ", " : "", text,
                prefixes[i].bits - (mapped ? 96u : 0u));
    }
}

/* ---- hosts ---- */

bool schema_host_valid(const char *text)
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

/* A host in lower case, "*.suffix" as ".suffix". False: it is none. */
static bool host_pattern(struct arena *arena, const char *text, struct host_settings *ret_host)
{
    bool suffix = strncmp(text, "*.", 2) == 0;
    if (!schema_host_valid(suffix ? text + 2 : text)) {
        return false;
    }
    const char *from = suffix ? text + 1 : text;
    char *copy = arena_take(arena, strlen(from) + 1);
    for (size_t i = 0; copy != NULL && from[i] != '\0'; i++) {
        copy[i] = (char)tolower((unsigned char)from[i]);
    }
    *ret_host = (struct host_settings){copy, strlen(from), suffix};
    return copy != NULL;
}

static void blame_host(const char *text, char *hint, size_t hint_bytes)
{
    char host[256];
    const char *scheme = strstr(text, "://");
    snprintf(host, sizeof host, "%s", scheme != NULL ? scheme + strlen("://") : text);
    host[strcspn(host, ":/")] = '\0';
    if (strcmp(host, text) != 0 &&
        schema_host_valid(strncmp(host, "*.", 2) == 0 ? host + 2 : host)) {
        snprintf(hint, hint_bytes, ": a host has no scheme, port or path: write \"%s\"", host);
    }
}

/* The row is of the name in a struct host_settings. */
static bool take_host(struct arena *arena, const struct schema_row *row, void *element,
                      const char *text)
{
    return host_pattern(arena, text, field_of(element, row->at));
}

static bool take_host_setting(struct arena *arena, const struct schema_row *row, void *element,
                              const char *text)
{
    struct host_settings host;
    if (!host_pattern(arena, text, &host)) {
        return false;
    }
    struct host_settings *added = schema_list_add(arena, field_of(element, row->at), sizeof *added);
    if (added != NULL) {
        *added = host;
    }
    return added != NULL;
}

static void print_host_settings(const struct schema_row *row, const void *element, FILE *out)
{
    const struct schema_list *list = field_in(element, row->at);
    const struct host_settings *hosts = list->items;
    for (size_t i = 0; i < list->count; i++) {
        fprintf(out, "%s\"%s%s\"", i > 0 ? ", " : "", hosts[i].is_suffix ? "*" : "", hosts[i].name);
    }
}

static bool take_host_name(struct arena *arena, const struct schema_row *row, void *element,
                           const char *text)
{
    if (!schema_host_valid(strncmp(text, "*.", 2) == 0 ? text + 2 : text)) {
        return false;
    }
    const char **added = schema_list_add(arena, field_of(element, row->at), sizeof *added);
    return added != NULL && (*added = arena_text(arena, text, strlen(text))) != NULL;
}

static void print_host(const struct schema_row *row, const void *element, FILE *out)
{
    fprintf(out, "\"%s%s\"", *(const bool *)field_in(element, row->also_at) ? "*" : "",
            text_in(element, row->at));
}

const struct schema_type type_address = {
    .name = "address",
    .expected = "an address such as \"127.0.0.1:8080\", \"[::1]:80\" or \"unix:/run/x.sock\"",
    .quoted = true,
    .take = take_address,
    .print = print_address,
};
const struct schema_type type_server_list = {
    .name = "list of addresses",
    .expected = "an address such as \"10.0.0.2\", with a port if it is not 53 (\"127.0.0.1:5353\")",
    .quoted = true,
    .list = true,
    .take = take_server,
    .print = print_servers,
};
const struct schema_type type_prefix_list = {
    .name = "list of prefixes",
    .expected = "an address prefix such as \"10.0.0.0/8\", or \"unix\"",
    .quoted = true,
    .list = true,
    .take = take_prefix,
    .print = print_prefixes,
    .blame = blame_prefix,
};
const struct schema_type type_host = {
    .name = "host",
    .expected = "a host such as \"shop.example\" or \"*.shop.example\"",
    .quoted = true,
    .take = take_host,
    .print = print_host,
    .blame = blame_host,
};
const struct schema_type type_host_list = {
    .name = "list of hosts",
    .expected = "a host such as \"admin.example\" or \"*.admin.example\"",
    .quoted = true,
    .list = true,
    .take = take_host_name,
    .print = print_texts,
    .blame = blame_host,
};
const struct schema_type type_host_settings_list = {
    .name = "list of hosts",
    .expected = "a host such as \"shop.example\" or \"*.shop.example\"",
    .quoted = true,
    .list = true,
    .take = take_host_setting,
    .print = print_host_settings,
    .blame = blame_host,
};
