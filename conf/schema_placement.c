/* Kinds of values that say where the requests of a route go: upstreams with weights, the name of a cookie. */
#include <inttypes.h>
#include <string.h>

#include "conf/schema_fields.h"
#include "conf/schema_types.h"
#include "conf/value.h"

#define WEIGHT_MAX 1000
#define TEXT_BYTES 256

/* "NAME" or "NAME weight=N". *ret_wrong: the word that is wrong; NULL: none. The text is changed. */
static struct route_upstream read_upstream(char *text, const char **ret_wrong)
{
    struct route_upstream upstream = {.weight = 1};
    bool weighed = false;
    *ret_wrong = NULL;
    upstream.name = strsep(&text, " ");
    for (char *word = strsep(&text, " "); word != NULL; word = strsep(&text, " ")) {
        if (*word == '\0') {
            continue;
        }
        if (weighed || strncmp(word, "weight=", 7) != 0 ||
            !value_count(word + 7, &upstream.weight) || upstream.weight > WEIGHT_MAX) {
            *ret_wrong = word;
            break;
        }
        weighed = true;
    }
    return upstream;
}

static bool take_upstream(struct arena *arena, const struct schema_row *row, void *element,
                          const char *text)
{
    char copy[TEXT_BYTES];
    const char *wrong, **first = field_of(element, row->also_at);
    if ((size_t)snprintf(copy, sizeof copy, "%s", text) >= sizeof copy) {
        return false;
    }
    struct route_upstream upstream = read_upstream(copy, &wrong);
    if (wrong != NULL || *upstream.name == '\0') {
        return false;
    }
    upstream.name = arena_text(arena, upstream.name, strlen(upstream.name));
    struct route_upstream *added =
        schema_list_add(arena, field_of(element, row->at), sizeof *added);
    if (added == NULL || upstream.name == NULL) {
        return false;
    }
    *added = upstream;
    *first = *first != NULL ? *first : upstream.name;
    return true;
}

static void print_upstreams(const struct schema_row *row, const void *element, FILE *out)
{
    const struct schema_list *list = field_in(element, row->at);
    const struct route_upstream *upstreams = list->items;
    for (size_t i = 0; i < list->count; i++) {
        fprintf(out, "%s\"%s", i > 0 ? ", " : "", upstreams[i].name);
        if (upstreams[i].weight != 1) {
            fprintf(out, " weight=%" PRIu64, upstreams[i].weight);
        }
        fputc('"', out);
    }
}

static void blame_upstream(const char *text, char *hint, size_t hint_bytes)
{
    char copy[TEXT_BYTES];
    const char *wrong;
    snprintf(copy, sizeof copy, "%s", text);
    (void)read_upstream(copy, &wrong);
    if (wrong != NULL) {
        snprintf(hint, hint_bytes, ": \"%s\" is not weight=N (0 to %d)", wrong, WEIGHT_MAX);
    }
}

/* RFC 6265 4.1.1. */
static bool take_cookie_name(struct arena *arena, const struct schema_row *row, void *element,
                             const char *text)
{
    return strlen(text) <= STICKY_COOKIE_BYTES && value_is_token(text, strlen(text)) &&
           store_text(arena, element, row->at, text, strlen(text));
}

static void print_cookie_name(const struct schema_row *row, const void *element, FILE *out)
{
    print_quoted(text_in(element, row->at), out);
}

const struct schema_type type_route_upstream_list = {
    .name = "name, or list of names with weights",
    .expected = "the name of an upstream, such as \"app\" or \"app weight=95\"",
    .quoted = true,
    .list = true,
    .take = take_upstream,
    .print = print_upstreams,
    .blame = blame_upstream,
};
const struct schema_type type_cookie_name = {
    .name = "name of a cookie",
    .expected =
        "the name of a cookie such as \"node\", of at most 64 letters, digits and !#$%&'*+-.^_`|~",
    .quoted = true,
    .take = take_cookie_name,
    .print = print_cookie_name,
};

const char *const schema_same_sites[] = {ENUM_NAMES(SAME_SITES) NULL};
