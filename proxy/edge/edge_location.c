/* The text is written in three pieces: up to its host, the host, what follows. */
#include "proxy/edge/edge_location.h"

#include <string.h>

static const char host_ends[] = "/?#";

/* ---- places in a text ---- */

struct place {
    size_t part, offset; /* offset: in a literal */
};

static bool is_literal(const struct edge_text *text, size_t part)
{
    return part < text->part_count && text->parts[part].place == EDGE_LITERAL;
}

static bool begins_path(const struct edge_part *part)
{
    return part->place == EDGE_TARGET || part->place == EDGE_PATH;
}

/* Behind "//". False: the text names no host. */
static bool find_host(const struct edge_text *text, struct place *ret_place)
{
    for (size_t i = 0; i < text->part_count && !begins_path(&text->parts[i]); i++) {
        const char *literal = is_literal(text, i) ? text->parts[i].text : "";
        size_t at = strcspn(literal, host_ends);
        if (literal[at] != '\0') {
            *ret_place = (struct place){i, at + 2};
            return strncmp(literal + at, "//", 2) == 0 &&
                   (at > 0 ? literal[at - 1] == ':' : i == 0);
        }
    }
    return false;
}

/* Whether a name, or what stands between its dots, is not whole where the literal ends: "https://www." */
static bool ends_openly(const struct edge_part *literal)
{
    return literal->bytes > 0 && strchr(".:-", literal->text[literal->bytes - 1]) != NULL;
}

/* Whether a placeholder is of the host. begun: something of the host stands before it. */
static bool is_of_host(const struct edge_text *text, size_t part, bool begun)
{
    if (begins_path(&text->parts[part])) {
        return false;
    }
    if (!begun || text->parts[part].place == EDGE_HOST) {
        return true;
    }
    bool goes_on =
        is_literal(text, part + 1) && strchr(host_ends, text->parts[part + 1].text[0]) == NULL;
    return goes_on || (is_literal(text, part - 1) && ends_openly(&text->parts[part - 1]));
}

static struct place find_host_end(const struct edge_text *text, struct place begin)
{
    struct place at = begin;
    bool begun = false;
    for (; at.part < text->part_count; at = (struct place){at.part + 1, 0}) {
        if (is_literal(text, at.part)) {
            size_t bytes = strcspn(text->parts[at.part].text + at.offset, host_ends);
            at.offset += bytes;
            begun = begun || bytes > 0;
            if (at.offset < text->parts[at.part].bytes) {
                return at;
            }
        } else if (is_of_host(text, at.part, begun)) {
            begun = true;
        } else {
            return at;
        }
    }
    return at;
}

/* ---- writing ---- */

struct location {
    const struct edge_text *text;
    const struct edge_facts *facts;
    char *space;
    size_t bytes, space_bytes;
    bool fits;
};

static void write_part(struct location *location, struct edge_part *part)
{
    const struct edge_text one = {.parts = part, .part_count = 1};
    size_t bytes;
    location->fits = location->fits && edge_render(&one, location->facts, EDGE_IN_URL,
                                                   location->space + location->bytes,
                                                   location->space_bytes - location->bytes, &bytes);
    location->bytes += location->fits ? bytes : 0;
}

/* Writes the text from one place up to another. */
static void write_piece(struct location *location, struct place from, struct place to)
{
    for (size_t i = from.part; i < location->text->part_count && i <= to.part; i++) {
        struct edge_part part = location->text->parts[i];
        if (part.place == EDGE_LITERAL) {
            size_t begin = i == from.part ? from.offset : 0;
            size_t end = i == to.part ? to.offset : part.bytes;
            part.text += begin;
            part.bytes = end - begin;
        } else if (i == to.part) {
            return;
        }
        write_part(location, &part);
    }
}

static void put_slash(struct location *location, size_t at)
{
    location->fits = location->fits && location->bytes < location->space_bytes;
    if (location->fits) {
        memmove(location->space + at + 1, location->space + at, location->bytes++ - at);
        location->space[at] = '/';
    }
}

/* ---- both kinds ---- */

static void write_path(struct location *location)
{
    const struct edge_text *text = location->text;
    write_piece(location, (struct place){0, 0}, (struct place){text->part_count, 0});
    if (location->bytes > 0 && !is_literal(text, 0) && location->space[0] != '/') {
        put_slash(location, 0);
    }
    location->bytes = edge_one_slash(location->space, location->bytes);
}

/* What a placeholder before the host stands for is a scheme. */
static bool is_before_host(const char *text, size_t bytes)
{
    const char *slash = memchr(text, '/', bytes);
    return slash != NULL && slash + 2 == text + bytes;
}

static bool has_placeholder(const struct edge_text *text, struct place from, struct place to)
{
    bool has = false;
    for (size_t i = from.part; i < to.part; i++) {
        has = has || !is_literal(text, i);
    }
    return has;
}

static enum edge_location_result write_url(struct location *location, struct place host)
{
    const struct edge_text *text = location->text;
    const struct place host_end = find_host_end(text, host);
    write_piece(location, (struct place){0, 0}, host);
    size_t host_at = location->bytes;
    write_piece(location, host, host_end);
    size_t rest_at = location->bytes;
    if (has_placeholder(text, host, host_end) && location->fits) {
        if (rest_at == host_at || location->space[host_at] == ':') {
            location->bytes = 0;
            return EDGE_LOCATION_OK;
        }
        if (!is_before_host(location->space, host_at) ||
            !edge_is_host(location->space + host_at, rest_at - host_at)) {
            return EDGE_LOCATION_NO_HOST;
        }
    }
    write_piece(location, host_end, (struct place){text->part_count, 0});
    if (location->bytes > rest_at && strchr(host_ends, location->space[rest_at]) == NULL) {
        put_slash(location, rest_at);
    }
    return EDGE_LOCATION_OK;
}

enum edge_location_result edge_location(const struct edge_text *text,
                                        const struct edge_facts *facts, char *space,
                                        size_t space_bytes, size_t *ret_bytes)
{
    struct location location = {text, facts, space, 0, space_bytes, true};
    struct place host;
    enum edge_location_result result = EDGE_LOCATION_OK;
    if (find_host(text, &host)) {
        result = write_url(&location, host);
    } else {
        write_path(&location);
    }
    *ret_bytes = location.bytes;
    return location.fits ? result : EDGE_LOCATION_TOO_LONG;
}
