/* The kind of value of a route's mirror: the name of an upstream, and words behind it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "conf/schema_fields.h"
#include "conf/schema_types.h"
#include "conf/value.h"

#define TEXT_BYTES 512
#define BODY_PRESET_BYTES ((uint64_t)64 * 1024)
/* What a buffer holds (steady/buf.h). */
#define BODY_MAX_BYTES ((uint64_t)255 * 1024)

/* "share=0.1", "body=128KiB" or "unsafe". */
static bool take_word(const char *word, struct mirror_settings *mirror)
{
    if (strcmp(word, "unsafe") == 0) {
        mirror->unsafe = true;
        return true;
    }
    if (strncmp(word, "share=", 6) == 0) {
        return value_number(word + 6, &mirror->share) && mirror->share > 0 && mirror->share <= 1;
    }
    return strncmp(word, "body=", 5) == 0 && value_size(word + 5, &mirror->body_bytes) &&
           mirror->body_bytes <= BODY_MAX_BYTES;
}

/* Cuts the text, which is changed. Returns the first word that is wrong; NULL: none. */
static const char *take_words(char *rest, struct mirror_settings *mirror)
{
    for (char *word = strsep(&rest, " "); word != NULL; word = strsep(&rest, " ")) {
        if (*word != '\0' && !take_word(word, mirror)) {
            return word;
        }
    }
    return NULL;
}

static bool take_mirror(struct arena *arena, const struct schema_row *row, void *element,
                        const char *text)
{
    char copy[TEXT_BYTES], *rest = copy;
    struct mirror_settings mirror = {.share = 1, .body_bytes = BODY_PRESET_BYTES};
    if ((size_t)snprintf(copy, sizeof copy, "%s", text) >= sizeof copy) {
        return false;
    }
    const char *name = strsep(&rest, " ");
    if (*name == '\0' || take_words(rest, &mirror) != NULL) {
        return false;
    }
    mirror.text = arena_text(arena, text, strlen(text));
    mirror.upstream = arena_text(arena, name, strlen(name));
    *(struct mirror_settings *)field_of(element, row->at) = mirror;
    return mirror.text != NULL && mirror.upstream != NULL;
}

static void print_mirror(const struct schema_row *row, const void *element, FILE *out)
{
    const struct mirror_settings *mirror = field_in(element, row->at);
    print_quoted(mirror->text != NULL ? mirror->text : "", out);
}

static void blame_mirror(const char *text, char *hint, size_t hint_bytes)
{
    char copy[TEXT_BYTES], *rest = copy;
    struct mirror_settings mirror = {.share = 1};
    snprintf(copy, sizeof copy, "%s", text);
    strsep(&rest, " ");
    const char *word = take_words(rest, &mirror);
    if (word != NULL) {
        snprintf(hint, hint_bytes,
                 ": \"%.64s\" is none of share=N (up to 1), body=SIZE (up to 255KiB) and unsafe",
                 word);
    }
}

const struct schema_type type_mirror = {
    .name = "name of an upstream",
    .expected = "an upstream and what is copied, such as \"shadow\" or \"shadow share=0.1\"",
    .quoted = true,
    .take = take_mirror,
    .print = print_mirror,
    .blame = blame_mirror,
};
