/* One state for each open bracket. */
#include "conf/grammar.h"

#include <string.h>
#include <strings.h>

static struct grammar_level *level_of(struct grammar *grammar)
{
    return &grammar->levels[grammar->depth];
}

static bool in_group(const struct grammar_level *level)
{
    return level->open == '\0' || level->open == '{';
}

static char closing(char open)
{
    return open == '{' ? '}' : open == '(' ? ')' : ']';
}

static bool is_open(char c)
{
    return c == '{' || c == '(' || c == '[';
}

static bool is_close(char c)
{
    return c == '}' || c == ')' || c == ']';
}

static bool is_word(const char *token)
{
    return (*token >= 'a' && *token <= 'z') || (*token >= 'A' && *token <= 'Z') ||
           (*token >= '0' && *token <= '9') || strchr("*_-+.", *token) != NULL;
}

static bool is_number(const char *token)
{
    return (*token >= '0' && *token <= '9') || strchr("-+.", *token) != NULL;
}

/* A number, or what is true or false: a value that needs no quotes. */
static bool is_bare_value(const char *token, size_t bytes)
{
    return is_number(token) || (bytes == 4 && strncasecmp(token, "true", 4) == 0) ||
           (bytes == 5 && strncasecmp(token, "false", 5) == 0);
}

static const char *open_level(struct grammar *grammar, char c, unsigned line)
{
    if (grammar->depth == GRAMMAR_DEPTH_MAX) {
        return "groups and lists are nested too deeply";
    }
    grammar->depth++;
    *level_of(grammar) = (struct grammar_level){
        .open = c, .line = line, .state = c == '{' ? GRAMMAR_KEY : GRAMMAR_VALUE};
    return NULL;
}

static const char *close_level(struct grammar *grammar, char c)
{
    const struct grammar_level *level = level_of(grammar);
    if (grammar->depth == 0) {
        return arena_printf(grammar->arena, "\"%c\" closes nothing: there is one too many", c);
    }
    if (closing(level->open) != c) {
        return arena_printf(grammar->arena,
                            "\"%c\" cannot close the \"%c\" of line %u: write \"%c\"", c,
                            level->open, level->line, closing(level->open));
    }
    if (in_group(level) && (level->state == GRAMMAR_ASSIGN || level->state == GRAMMAR_VALUE)) {
        return arena_printf(grammar->arena, "\"%s\" has no value", level->key);
    }
    grammar->depth--;
    level_of(grammar)->state = GRAMMAR_AFTER;
    return NULL;
}

static const char *take_key(struct grammar *grammar, const char *token, size_t bytes)
{
    struct grammar_level *level = level_of(grammar);
    if (*token == ';' || *token == ',') {
        return arena_printf(grammar->arena, "there is one \"%c\" too many", *token);
    }
    if (*token == '"' || *token == '\'') {
        return arena_printf(grammar->arena,
                            "a key is missing before %.*s; if that is the key, write it without "
                            "quotes",
                            (int)bytes, token);
    }
    if (!is_word(token) || is_number(token)) {
        return arena_printf(grammar->arena, "a key is missing before %.*s: write KEY = %.*s",
                            (int)bytes, token, (int)bytes, token);
    }
    level->key = arena_text(grammar->arena, token, bytes);
    level->state = GRAMMAR_ASSIGN;
    return NULL;
}

static const char *take_assign(struct grammar *grammar, const char *token)
{
    struct grammar_level *level = level_of(grammar);
    if (*token != '=' && *token != ':') {
        return arena_printf(grammar->arena, "\"=\" is missing behind \"%s\": write %s = %s",
                            level->key, level->key,
                            *token == '{'                    ? "{ ... };"
                            : *token == '[' || *token == '(' ? "[ ... ];"
                                                             : "...;");
    }
    level->state = GRAMMAR_VALUE;
    return NULL;
}

static const char *take_value(struct grammar *grammar, const char *token, size_t bytes,
                              unsigned line)
{
    struct grammar_level *level = level_of(grammar);
    if (is_open(*token)) {
        return open_level(grammar, *token, line);
    }
    if (is_word(token) && !is_bare_value(token, bytes)) {
        return arena_printf(
            grammar->arena,
            "%.*s is no number: a text has quotes, as in \"%.*s\", and a group has brackets, as in "
            "{ %.*s = ...; }",
            (int)bytes, token, (int)bytes, token, (int)bytes, token);
    }
    if (*token == '\'') {
        return "a text has double quotes, as in \"127.0.0.1:8000\"";
    }
    if (*token != '"' && !is_word(token)) {
        return in_group(level)
                   ? arena_printf(grammar->arena, "\"%s\" has no value", level->key)
                   : arena_printf(grammar->arena, "a value is missing before \"%c\"", *token);
    }
    level->state = GRAMMAR_AFTER;
    return NULL;
}

/* Behind a value, ";" may be left out, and texts in a row are one text. */
static const char *take_after_in_group(struct grammar *grammar, const char *token, size_t bytes)
{
    if (*token == ';' || *token == ',') {
        level_of(grammar)->state = GRAMMAR_KEY;
        return NULL;
    }
    return *token == '"' ? NULL : take_key(grammar, token, bytes);
}

static const char *take_after_in_list(struct grammar *grammar, const char *token, size_t bytes)
{
    if (*token != ',') {
        return arena_printf(grammar->arena, "a \",\" is missing before %.*s", (int)bytes, token);
    }
    level_of(grammar)->state = GRAMMAR_VALUE;
    return NULL;
}

const char *grammar_take(struct grammar *grammar, const char *token, size_t bytes, unsigned line)
{
    const struct grammar_level *level = level_of(grammar);
    if (is_close(*token)) {
        return close_level(grammar, *token);
    }
    switch (level->state) {
    case GRAMMAR_KEY: return take_key(grammar, token, bytes);
    case GRAMMAR_ASSIGN: return take_assign(grammar, token);
    case GRAMMAR_VALUE: return take_value(grammar, token, bytes, line);
    case GRAMMAR_AFTER: break;
    }
    return in_group(level) ? take_after_in_group(grammar, token, bytes)
                           : take_after_in_list(grammar, token, bytes);
}

const char *grammar_end(const struct grammar *grammar)
{
    const struct grammar_level *level = &grammar->levels[grammar->depth];
    if (grammar->depth > 0) {
        return arena_printf(
            grammar->arena,
            "the file ends, but the \"%c\" of line %u is not closed: \"%c\" is missing",
            level->open, level->line, closing(level->open));
    }
    return level->state == GRAMMAR_ASSIGN || level->state == GRAMMAR_VALUE
               ? arena_printf(grammar->arena, "the file ends before \"%s\" has a value", level->key)
               : NULL;
}
