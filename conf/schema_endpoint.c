/* Endpoints: a place, and what is said of it. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "conf/schema_fields.h"
#include "conf/schema_types.h"
#include "conf/value.h"

#define WEIGHT_MAX 100
#define TEXT_BYTES 512

static const struct scheme {
    const char *text;
    uint16_t port;
} schemes[] = {
    [SCHEME_NONE] = {"", 0}, [SCHEME_HTTP] = {"http://", 80}, [SCHEME_HTTPS] = {"https://", 443}};

/* In any case (RFC 3986 3.1). */
static enum endpoint_scheme scheme_of(const char *place)
{
    for (enum endpoint_scheme scheme = SCHEME_HTTP; scheme <= SCHEME_HTTPS; scheme++) {
        if (strncasecmp(place, schemes[scheme].text, strlen(schemes[scheme].text)) == 0) {
            return scheme;
        }
    }
    return SCHEME_NONE;
}

/* ---- places ---- */

static bool take_local(struct arena *arena, const char *path, struct endpoint_settings *endpoint)
{
    struct address address;
    endpoint->local = endpoint->literal = true;
    endpoint->host = arena_text(arena, path, strlen(path));
    return *path == '/' && address_from_path(path, &address) && endpoint->host != NULL;
}

/* SRV records have ports of their own; "srv:80" is a host called srv. */
static bool take_service(struct arena *arena, const char *name, struct endpoint_settings *endpoint)
{
    endpoint->service = true;
    endpoint->host = arena_text(arena, name, strlen(name));
    return strstr(name, "._") != NULL && endpoint->host != NULL &&
           schema_host_valid(endpoint->host);
}

/* Whether a host follows the scheme without a port: "https://host", "https://[::1]". */
static bool is_bare_host(const char *host)
{
    const char *end = *host == '[' ? strchr(host, ']') : NULL;
    return *host != '\0' && (end != NULL ? end[1] == '\0' : strchr(host, ':') == NULL);
}

static bool take_host_port(struct arena *arena, const char *place,
                           struct endpoint_settings *endpoint)
{
    const struct scheme *scheme = &schemes[endpoint->scheme];
    char full[TEXT_BYTES];
    const char *host;
    size_t host_bytes;
    struct address literal;
    place += strlen(scheme->text);
    if (endpoint->scheme != SCHEME_NONE && is_bare_host(place)) {
        snprintf(full, sizeof full, "%s:%u", place, scheme->port);
        place = full;
    }
    if (!address_split(place, &host, &host_bytes, &endpoint->port) || endpoint->port == 0 ||
        host_bytes == 0 || host_bytes > HOSTNAME_MAX) {
        return false;
    }
    endpoint->literal = address_from_host(host, host_bytes, endpoint->port, &literal);
    endpoint->host = arena_text(arena, host, host_bytes);
    return endpoint->host != NULL && (endpoint->literal || schema_host_valid(endpoint->host));
}

static bool take_place(struct arena *arena, const char *place, struct endpoint_settings *endpoint)
{
    endpoint->scheme = scheme_of(place);
    return strncmp(place, "unix:", 5) == 0   ? take_local(arena, place + 5, endpoint)
           : strncmp(place, "srv:_", 5) == 0 ? take_service(arena, place + 4, endpoint)
                                             : take_host_port(arena, place, endpoint);
}

/* ---- the collector of traces ---- */

/* Where OTLP over HTTP has spans go when nothing else is said. */
#define COLLECTOR_PATH "/v1/traces"

/* Bytes that can stand in a request line. */
static bool is_target(const char *path)
{
    for (; *path != '\0'; path++) {
        if ((unsigned char)*path <= ' ' || (unsigned char)*path >= 0x7f || *path == '#') {
            return false;
        }
    }
    return true;
}

/* Scheme, host, maybe a port and a path. */
static bool take_collector(struct arena *arena, const struct schema_row *row, void *element,
                           const char *text)
{
    char place[TEXT_BYTES];
    struct endpoint_settings *collector = field_of(element, row->at);
    *collector = (struct endpoint_settings){.text = arena_text(arena, text, strlen(text))};
    if (*text == '\0' || collector->text == NULL) {
        return collector->text != NULL;
    }
    collector->scheme = scheme_of(text);
    const char *path = strchr(text + strlen(schemes[collector->scheme].text), '/');
    size_t place_bytes = path != NULL ? (size_t)(path - text) : strlen(text);
    if (collector->scheme == SCHEME_NONE || strlen(text) >= sizeof place ||
        (path != NULL && !is_target(path))) {
        return false;
    }
    memcpy(place, text, place_bytes);
    place[place_bytes] = '\0';
    path = path != NULL ? path : COLLECTOR_PATH;
    return take_host_port(arena, place, collector) &&
           store_text(arena, element, row->also_at, path, strlen(path));
}

static void print_collector(const struct schema_row *row, const void *element, FILE *out)
{
    const struct endpoint_settings *collector = field_in(element, row->at);
    print_quoted(collector->text != NULL ? collector->text : "", out);
}

/* ---- what is said of it ---- */

/* "weight=N" or "backup", each once. */
static bool take_word(const char *word, struct endpoint_settings *endpoint)
{
    uint64_t weight;
    if (strcmp(word, "backup") == 0 && !endpoint->backup) {
        endpoint->backup = true;
        return true;
    }
    if (strncmp(word, "weight=", 7) != 0 || endpoint->weight != 0 ||
        !value_count(word + 7, &weight) || weight < 1 || weight > WEIGHT_MAX) {
        return false;
    }
    endpoint->weight = (uint16_t)weight;
    return true;
}

/* Cuts the text, which is changed, into the place and the words behind it. Returns the first word that is wrong; NULL: none. */
static const char *take_words(char *rest, struct endpoint_settings *endpoint)
{
    for (char *word = strsep(&rest, " "); word != NULL; word = strsep(&rest, " ")) {
        if (*word != '\0' && !take_word(word, endpoint)) {
            return word;
        }
    }
    endpoint->weight = endpoint->weight != 0 ? endpoint->weight : 1;
    return NULL;
}

static bool take_endpoint(struct arena *arena, const struct schema_row *row, void *element,
                          const char *text)
{
    char copy[TEXT_BYTES], *rest = copy;
    if ((size_t)snprintf(copy, sizeof copy, "%s", text) >= sizeof copy) {
        return false;
    }
    const char *place = strsep(&rest, " ");
    struct endpoint_settings endpoint = {.text = arena_text(arena, text, strlen(text))};
    if (endpoint.text == NULL || take_words(rest, &endpoint) != NULL ||
        !take_place(arena, place, &endpoint)) {
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

/* ---- what is wrong with it ---- */

static void blame_place(const char *place, char *hint, size_t hint_bytes)
{
    enum endpoint_scheme scheme = scheme_of(place);
    const char *host = place + strlen(schemes[scheme].text);
    size_t host_bytes = strcspn(host, "/");
    if (*place == '/') {
        snprintf(hint, hint_bytes, ": for a UNIX socket write \"unix:%s\"", place);
    } else if (strncmp(place, "unix:", 5) == 0) {
        snprintf(hint, hint_bytes,
                 ": the path of a socket begins with \"/\" and has at most %zu bytes",
                 sizeof((struct sockaddr_un *)0)->sun_path - 1);
    } else if (strstr(place, "://") != NULL && scheme == SCHEME_NONE) {
        snprintf(hint, hint_bytes, ": only \"http://\" and \"https://\" are spoken here");
    } else if (host[host_bytes] == '/') {
        snprintf(hint, hint_bytes, ": an endpoint has no path: write \"%s%.*s\"",
                 schemes[scheme].text, (int)host_bytes, host);
    } else if (is_bare_host(host) || strchr(host, ':') != strrchr(host, ':')) {
        bool v6 = strchr(host, ':') != NULL && *host != '[';
        snprintf(hint, hint_bytes, ": the port is missing: write \"%s%s%s:80\"", v6 ? "[" : "",
                 host, v6 ? "]" : "");
    }
}

static void blame_endpoint(const char *text, char *hint, size_t hint_bytes)
{
    char copy[TEXT_BYTES], *rest = copy;
    struct endpoint_settings endpoint = {0};
    snprintf(copy, sizeof copy, "%s", text);
    const char *place = strsep(&rest, " ");
    const char *word = take_words(rest, &endpoint);
    if (word != NULL) {
        snprintf(hint, hint_bytes, ": \"%s\" is neither weight=N (1 to 100) nor backup", word);
    } else {
        blame_place(place, hint, hint_bytes);
    }
}

const struct schema_type type_collector = {
    .name = "URL",
    .expected = "a URL such as \"http://127.0.0.1:4318/v1/traces\"",
    .quoted = true,
    .take = take_collector,
    .print = print_collector,
};
const struct schema_type type_endpoint_list = {
    .name = "list of endpoints",
    .expected = "an endpoint such as \"host:port\", \"https://host\" or \"unix:/run/x.sock\"",
    .quoted = true,
    .list = true,
    .take = take_endpoint,
    .print = print_endpoints,
    .blame = blame_endpoint,
};
