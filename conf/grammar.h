/*
 * The grammar of libconfig, token by token, for errors that say what to write: the library says no more than "syntax error".
 *
 * Owns nothing but the levels of brackets; texts are made in the arena. Thread: the one that loads. Errors: a text. Spec: the
 * grammar in libconfig's manual. Private to conf/.
 */
#ifndef EVENKEEL_CONF_GRAMMAR_H
#define EVENKEEL_CONF_GRAMMAR_H

#include <stddef.h>

#include "conf/arena.h"

#define GRAMMAR_DEPTH_MAX 64

enum grammar_state {
    GRAMMAR_KEY,    /* a key, or the end of the group */
    GRAMMAR_ASSIGN, /* "=" behind a key */
    GRAMMAR_VALUE,  /* behind "=", "[", "(" or a comma */
    GRAMMAR_AFTER,  /* behind a value */
};

struct grammar {
    struct arena *arena;
    unsigned depth;
    struct grammar_level {
        char open; /* '\0': the file */
        unsigned line;
        enum grammar_state state;
        const char *key; /* the last one of a group, or NULL */
    } levels[GRAMMAR_DEPTH_MAX + 1];
};

/* Takes the next token, which stands on that line. NULL: it may stand there; else what is wrong. */
const char *grammar_take(struct grammar *grammar, const char *token, size_t bytes, unsigned line);
/* NULL: the text may end here. */
const char *grammar_end(const struct grammar *grammar);

#endif
