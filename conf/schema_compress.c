/* Kinds of values for `compress`: codings and media types. */
#include <string.h>

#include "conf/schema_fields.h"
#include "conf/schema_types.h"
#include "conf/value.h"

static const char *const coding_words[] = {ENUM_NAMES(CONTENT_CODINGS)};

/* Those that proxy/edge/encoder.c has: br is served from files only. */
static bool take_coding(struct arena *arena, const struct schema_row *row, void *element,
                        const char *text)
{
    for (unsigned coding = 0; coding < CODING_COUNT; coding++) {
        if (coding != CODING_BR && strcmp(text, coding_words[coding]) == 0) {
            enum content_coding *added =
                schema_list_add(arena, field_of(element, row->at), sizeof *added);
            if (added != NULL) {
                *added = (enum content_coding)coding;
            }
            return added != NULL;
        }
    }
    return false;
}

static void print_codings(const struct schema_row *row, const void *element, FILE *out)
{
    const struct schema_list *list = field_in(element, row->at);
    const enum content_coding *codings = list->items;
    for (size_t i = 0; i < list->count; i++) {
        fprintf(out, "%s\"%s\"", i > 0 ? ", " : "", coding_words[codings[i]]);
    }
}

/* TYPE/SUBTYPE in lower case, without parameters; the subtype may be "*". */
static bool is_media_type(const char *text)
{
    const char *slash = strchr(text, '/');
    return slash != NULL && value_is_token(text, (size_t)(slash - text)) &&
           value_is_token(slash + 1, strlen(slash + 1)) &&
           memchr(text, '*', (size_t)(slash - text)) == NULL &&
           (strchr(slash, '*') == NULL || strcmp(slash, "/*") == 0) &&
           strpbrk(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == NULL;
}

static bool take_media_type(struct arena *arena, const struct schema_row *row, void *element,
                            const char *text)
{
    if (!is_media_type(text)) {
        return false;
    }
    const char **added = schema_list_add(arena, field_of(element, row->at), sizeof *added);
    return added != NULL && store_text(arena, added, 0, text, strlen(text));
}

const struct schema_type type_coding_list = {
    .name = "list of codings",
    .expected = "\"zstd\" or \"gzip\"",
    .quoted = true,
    .list = true,
    .take = take_coding,
    .print = print_codings,
};
const struct schema_type type_media_list = {
    .name = "list of media types",
    .expected = "a media type in lower case such as \"text/html\" or \"text/*\"",
    .quoted = true,
    .list = true,
    .take = take_media_type,
    .print = print_texts,
};
