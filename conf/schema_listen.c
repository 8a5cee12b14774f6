/* The addresses of a listener. */
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "conf/schema_fields.h"
#include "conf/schema_types.h"
#include "conf/value.h"

#define LOCAL "unix:"

static bool add(struct arena *arena, const struct schema_row *row, void *element,
                const struct listen_settings *listen)
{
    struct listen_settings *added =
        schema_list_add(arena, field_of(element, row->at), sizeof *added);
    if (added != NULL) {
        *added = *listen;
    }
    return added != NULL;
}

/* ---- IP ---- */

/* Hosts that stand for an address of each family. */
static const struct {
    const char *host, *v4, *v6;
} both_families[] = {
    {"", "0.0.0.0", "::"}, {"*", "0.0.0.0", "::"}, {"localhost", "127.0.0.1", "::1"}};

static bool take_both(struct arena *arena, const struct schema_row *row, void *element,
                      const char *text, const char *hosts[2], uint16_t port)
{
    struct listen_settings listen = {.text = text};
    for (size_t i = 0; i < 2; i++) {
        listen.spare = i > 0;
        if (!address_from_host(hosts[i], strlen(hosts[i]), port, &listen.address) ||
            !add(arena, row, element, &listen)) {
            return false;
        }
    }
    return true;
}

/* "80", ":80", "*:80", "localhost:80", or a literal address. */
static bool take_ip(struct arena *arena, const struct schema_row *row, void *element,
                    const char *text)
{
    const char *colon = strrchr(text, ':');
    const char *port_text = colon != NULL ? colon + 1 : text;
    size_t host_bytes = colon != NULL ? (size_t)(colon - text) : 0;
    uint64_t port;
    for (size_t i = 0; i < sizeof both_families / sizeof both_families[0]; i++) {
        if (strlen(both_families[i].host) == host_bytes &&
            strncasecmp(both_families[i].host, text, host_bytes) == 0) {
            const char *hosts[] = {both_families[i].v4, both_families[i].v6};
            return value_count(port_text, &port) && port <= UINT16_MAX &&
                   take_both(arena, row, element, text, hosts, (uint16_t)port);
        }
    }
    struct listen_settings listen = {.text = text};
    return address_parse(text, &listen.address) && add(arena, row, element, &listen);
}

/* ---- UNIX sockets ---- */

static bool take_mode(const char *text, uint32_t *ret_mode)
{
    char *end;
    unsigned long mode = strtoul(text, &end, 8);
    *ret_mode = (uint32_t)mode;
    return *text >= '0' && *text <= '7' && *end == '\0' && mode <= 0777;
}

static bool take_user(const char *name, uint32_t *ret_user)
{
    const struct passwd *found = getpwnam(name);
    *ret_user = found != NULL ? (uint32_t)found->pw_uid : UINT32_MAX;
    return found != NULL;
}

static bool take_group(const char *name, uint32_t *ret_group)
{
    const struct group *found = getgrnam(name);
    *ret_group = found != NULL ? (uint32_t)found->gr_gid : UINT32_MAX;
    return found != NULL;
}

static const struct file_option {
    const char *key;
    bool (*take)(const char *text, uint32_t *ret_value);
    size_t at;
    const char *blame;
} file_options[] = {
    {"mode=", take_mode, offsetof(struct listen_settings, mode), "is no mode such as 0660"},
    {"user=", take_user, offsetof(struct listen_settings, user), "is no user of this machine"},
    {"group=", take_group, offsetof(struct listen_settings, group), "is no group of this machine"},
};
#define FILE_OPTIONS (sizeof file_options / sizeof file_options[0])

/* Takes a word behind the path. NULL: no such option; else *ret_taken says whether its value is good. */
static const struct file_option *take_option(const char *word, struct listen_settings *listen,
                                             bool *ret_taken)
{
    for (size_t i = 0; i < FILE_OPTIONS; i++) {
        size_t bytes = strlen(file_options[i].key);
        if (strncmp(word, file_options[i].key, bytes) == 0) {
            *ret_taken = file_options[i].take(word + bytes, field_of(listen, file_options[i].at));
            return &file_options[i];
        }
    }
    return NULL;
}

/* Cuts the words of a text, which is changed, and returns the first that is not taken; NULL: all are. */
static const char *take_options(char *rest, struct listen_settings *listen,
                                const struct file_option **ret_option)
{
    for (char *word = strsep(&rest, " "); word != NULL; word = strsep(&rest, " ")) {
        bool taken = false;
        *ret_option = *word != '\0' ? take_option(word, listen, &taken) : NULL;
        if (*word != '\0' && !taken) {
            return word;
        }
    }
    return NULL;
}

static bool take_local(struct arena *arena, const struct schema_row *row, void *element,
                       const char *text)
{
    struct listen_settings listen = {
        .text = text, .mode = LISTEN_FILE_MODE, .user = UINT32_MAX, .group = UINT32_MAX};
    const struct file_option *option;
    char copy[512], *rest = copy;
    if ((size_t)snprintf(copy, sizeof copy, "%s", text) >= sizeof copy) {
        return false;
    }
    const char *path = strsep(&rest, " ");
    return path[strlen(LOCAL)] == '/' && address_parse(path, &listen.address) &&
           take_options(rest, &listen, &option) == NULL && add(arena, row, element, &listen);
}

static bool is_local(const char *text)
{
    return strncmp(text, LOCAL, strlen(LOCAL)) == 0;
}

/* ---- the type ---- */

static bool take_listen(struct arena *arena, const struct schema_row *row, void *element,
                        const char *text)
{
    const char *copy = arena_text(arena, text, strlen(text));
    return copy != NULL && (is_local(text) ? take_local : take_ip)(arena, row, element, copy);
}

static void print_listens(const struct schema_row *row, const void *element, FILE *out)
{
    const struct schema_list *list = field_in(element, row->at);
    const struct listen_settings *listens = list->items;
    for (size_t i = 0; i < list->count; i++) {
        if (i == 0 || listens[i].text != listens[i - 1].text) {
            fputs(i > 0 ? ", " : "", out);
            print_quoted(listens[i].text, out);
        }
    }
}

static void blame_local(const char *text, char *hint, size_t hint_bytes)
{
    struct listen_settings listen;
    const struct file_option *option = NULL;
    char copy[512], *rest = copy;
    snprintf(copy, sizeof copy, "%s", text);
    const char *path = strsep(&rest, " ");
    const char *word = take_options(rest, &listen, &option);
    if (path[strlen(LOCAL)] != '/') {
        snprintf(hint, hint_bytes, ": the path of the socket begins with \"/\"");
    } else if (strlen(path + strlen(LOCAL)) >= sizeof listen.address.local.sun_path) {
        snprintf(hint, hint_bytes, ": the path is longer than the %zu bytes of a socket's path",
                 sizeof listen.address.local.sun_path - 1);
    } else if (word != NULL && option != NULL) {
        snprintf(hint, hint_bytes, ": \"%s\" %s", word + strlen(option->key), option->blame);
    } else if (word != NULL) {
        snprintf(hint, hint_bytes, ": \"%s\" is none of mode=0660, user=NAME, group=NAME", word);
    }
}

static void blame_listen(const char *text, char *hint, size_t hint_bytes)
{
    const char *host;
    size_t host_bytes;
    uint16_t port;
    struct address address;
    if (is_local(text)) {
        blame_local(text, hint, hint_bytes);
    } else if (strstr(text, "://") != NULL) {
        const char *place = strstr(text, "://") + strlen("://");
        snprintf(hint, hint_bytes, ": an address has no scheme: write \"%.*s\"",
                 (int)strcspn(place, "/"), place);
    } else if (*text == '/') {
        snprintf(hint, hint_bytes, ": for a UNIX socket write \"unix:%s\"", text);
    } else if (address_from_host(text, strlen(text), 0, &address)) {
        bool v6 = address.any.sa_family == AF_INET6;
        snprintf(hint, hint_bytes, ": the port is missing: write \"%s%s%s:8080\"", v6 ? "[" : "",
                 text, v6 ? "]" : "");
    } else if (address_split(text, &host, &host_bytes, &port) && strchr(text, '/') == NULL) {
        snprintf(
            hint, hint_bytes,
            ": names are not looked up here: write an address of this machine, or \"*:%u\" for "
            "all of them; for what clients ask for, there is routes.host",
            port);
    }
}

const struct schema_type type_listen_list = {
    .name = "address or list of addresses",
    .expected = "an address such as \"127.0.0.1:8080\", \"*:80\", \"[::1]:80\" or "
                "\"unix:/run/x.sock\"",
    .quoted = true,
    .list = true,
    .take = take_listen,
    .print = print_listens,
    .blame = blame_listen,
};
