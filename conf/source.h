/*
 * The text of a configuration: a file and all that it includes as one text for the library, and the way back from its lines to theirs.
 *
 * The library compares each key of a group with all keys before it, which costs with the square of their number. So a large group at the
 * top is split: it goes on as further groups named "*1", "*2" and so on. What the files of an include key add has such names
 * too. Whoever reads the tree takes all parts of a name for one (source_key()). That two parts have the same key is for the reader to find.
 *
 * On the way "${NAME}" in texts is replaced by the environment, and brackets are put right: lists of groups may be written with [ ] as well as
 * with ( ), and a comma may stand behind the last element.
 *
 * Owns: the text, and the names of files in the arena. Thread: the one that loads. Errors: false, with the reason and its place.
 * Private to conf/.
 */
#ifndef EVENKEEL_CONF_SOURCE_H
#define EVENKEEL_CONF_SOURCE_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/arena.h"
#include "conf/reading.h"

/* Keys in one part of a group. No group whose keys the schema knows has as many, so that a split one of those has an unknown key. */
#define SOURCE_PART_MAX 128

struct source_place {
    const char *file;
    unsigned line; /* from 1; 0: the file as such */
};

/* Lines of a file that follow each other in the text too. */
struct source_span {
    unsigned text_line; /* where it begins */
    struct source_place place;
};

struct source {
    struct arena *arena;
    const struct settings_reading *reading;
    char *text;
    size_t text_bytes, room_bytes;
    unsigned text_line;      /* the one that is written */
    const char **part_names; /* of "*1" and so on: the key that the part belongs to */
    unsigned part_count;
    struct source_span *spans; /* in order of text_line */
    size_t span_count;
    size_t read_bytes;
    const char *error; /* why there is no text */
    struct source_place error_at;
};

/* To be closed in any case. */
__attribute__((warn_unused_result)) bool source_read(struct source *source, struct arena *arena,
                                                     const struct settings_reading *reading,
                                                     const char *path);
/* The same from a text, with `name` for its file. */
__attribute__((warn_unused_result)) bool source_take(struct source *source, struct arena *arena,
                                                     const char *text, const char *name);
void source_close(struct source *source);

struct source_place source_place(const struct source *source, unsigned text_line);
/* A line of the text without the space around it, as far as it fits. */
void source_quote(const struct source *source, unsigned text_line, char *line, size_t line_bytes);
/* What a key at the top stands for: itself, or the key of which it is a part. */
const char *source_key(const struct source *source, const char *key);

#endif
