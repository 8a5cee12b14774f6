/* Splits a text at its braces. */
#include "conf/edge_text.h"

#include <stdio.h>
#include <string.h>

#include "conf/foreign.h"
#include "conf/schema.h"
#include "conf/value.h"

static const char *const place_words[] = {ENUM_NAMES(EDGE_PLACES)};
#define PLACE_COUNT (sizeof place_words / sizeof place_words[0])
#define NAME_MAX_BYTES 64

/* What stands between the braces. False: no such placeholder. */
static bool parse_place(struct arena *arena, const char *word, size_t bytes, struct edge_part *part)
{
    if (bytes == 1 && word[0] >= '0' && word[0] <= '9') {
        *part = (struct edge_part){EDGE_CAPTURE, "", 0, (unsigned)(word[0] - '0')};
        return true;
    }
    for (unsigned i = EDGE_CLIENT; i < EDGE_CAPTURE; i++) {
        size_t known_bytes = strlen(place_words[i]);
        bool named = place_words[i][known_bytes - 1] == ':';
        if (strncmp(word, place_words[i], known_bytes) != 0 || bytes < known_bytes ||
            (named ? !value_is_token(word + known_bytes, bytes - known_bytes)
                   : bytes != known_bytes)) {
            continue;
        }
        *part = (struct edge_part){(enum edge_place)i,
                                   arena_text(arena, word + known_bytes, bytes - known_bytes),
                                   bytes - known_bytes, 0};
        return part->text != NULL;
    }
    return false;
}

/* One part at *at, which moves behind it. False: it is a wrong placeholder, at which *at stays. */
static bool parse_part(struct arena *arena, const char **at, struct edge_part *part)
{
    const char *from = *at;
    if (from[0] != '{' || from[1] == '{') {
        bool brace = from[0] == '{';
        const char *text = from + brace;
        size_t bytes = brace ? 1 + strcspn(text + 1, "{") : strcspn(text, "{");
        *part = (struct edge_part){EDGE_LITERAL, arena_text(arena, text, bytes), bytes, 0};
        *at = text + bytes;
        return part->text != NULL;
    }
    size_t bytes = strcspn(from + 1, "{}");
    if (from[1 + bytes] != '}' || !parse_place(arena, from + 1, bytes, part)) {
        return false;
    }
    *at = from + bytes + 2;
    return true;
}

bool edge_text_parse(struct arena *arena, const char *written, struct edge_text *ret_text)
{
    struct schema_list parts = {NULL, 0};
    const char *at = written;
    /* it goes into fields and lines */
    if (value_control_in(written) != NULL) {
        return false;
    }
    while (*at != '\0') {
        struct edge_part part;
        if (!parse_part(arena, &at, &part)) {
            return false;
        }
        struct edge_part *added = schema_list_add(arena, &parts, sizeof *added);
        if (added == NULL) {
            return false;
        }
        *added = part;
    }
    ret_text->written = arena_text(arena, written, strlen(written));
    ret_text->parts = parts.items;
    ret_text->part_count = parts.count;
    return ret_text->written != NULL;
}

/* The known placeholder nearest to one that is not known. */
static const char *nearest_place(const char *word)
{
    const char *best = NULL;
    size_t best_distance = 5;
    for (unsigned i = EDGE_CLIENT; i < EDGE_CAPTURE; i++) {
        char known[NAME_MAX_BYTES + 1];
        size_t named_bytes = strcspn(word, ":");
        bool named = strchr(place_words[i], ':') != NULL && word[named_bytes] == ':';
        snprintf(known, sizeof known, "%s%s", place_words[i],
                 named && i != EDGE_CLIENT_SUBJECT ? word + named_bytes + 1 : "");
        size_t distance = value_distance(known, word);
        if (distance < best_distance) {
            best_distance = distance;
            best = place_words[i];
        }
    }
    return best;
}

void edge_text_blame(const char *written, char *hint, size_t hint_bytes)
{
    struct arena arena = {0};
    struct edge_part part;
    const char *at = written;
    while (*at != '\0' && parse_part(&arena, &at, &part)) {
        ;
    }
    arena_release(&arena);
    if (*at == '\0') {
        const char *control = value_control_in(written);
        snprintf(hint, hint_bytes, ": %s not allowed here",
                 control != NULL && strchr("\r\n", *control) != NULL ? "a line break is"
                                                                     : "control characters are");
        return;
    }
    char word[NAME_MAX_BYTES + 1];
    size_t bytes = strcspn(at + 1, "{}");
    if (at[1 + bytes] != '}') {
        snprintf(hint, hint_bytes, ": \"{\" has no \"}\"; write {{ for a brace");
        return;
    }
    snprintf(word, sizeof word, "%.*s", (int)bytes, at + 1);
    const char *near = nearest_place(word), *foreign = foreign_placeholder(word);
    if (foreign != NULL) {
        snprintf(hint, hint_bytes, ": there is no {%s}; write %s", word, foreign);
    } else if (near != NULL) {
        bool named = near[strlen(near) - 1] == ':';
        snprintf(hint, hint_bytes, ": there is no {%s}; the nearest is {%s%s}", word, near,
                 named ? "NAME" : "");
    } else {
        snprintf(hint, hint_bytes, ": there is no {%s}; write {{ for a brace", word);
    }
}
