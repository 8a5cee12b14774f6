/*
 * Texts with placeholders, as a file has them: "https://{host}{target}".
 *
 * A placeholder stands in braces; "{{" is a brace. They are parsed when the file is loaded, so that a wrong one is an error there.
 *
 * Owns nothing: parts are in the arena of the settings. Thread: parsed on the one that loads, then read by all. Errors: false, and
 * edge_text_blame() says what is wrong.
 */
#ifndef EVENKEEL_CONF_EDGE_TEXT_H
#define EVENKEEL_CONF_EDGE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/arena.h"
#include "steady/enum_names.h"

/* id, what is written; one that ends in ":" is followed by a name. */
#define EDGE_PLACES(X)                            \
    X(EDGE_LITERAL, "")                           \
    X(EDGE_CLIENT, "client")                      \
    X(EDGE_HOST, "host")                          \
    X(EDGE_SCHEME, "scheme")                      \
    X(EDGE_TARGET, "target")                      \
    X(EDGE_PATH, "path")                          \
    X(EDGE_QUERY, "query")                        \
    X(EDGE_METHOD, "method")                      \
    X(EDGE_REQUEST_ID, "request_id")              \
    X(EDGE_LISTENER, "listener")                  \
    X(EDGE_ROUTE, "route")                        \
    X(EDGE_UPSTREAM, "upstream")                  \
    X(EDGE_HEADER, "header:")                     \
    X(EDGE_COOKIE, "cookie:")                     \
    X(EDGE_USER, "user")                          \
    X(EDGE_CLIENT_SUBJECT, "client_cert:subject") \
    X(EDGE_CAPTURE, "0")
enum edge_place { ENUM_VALUES(EDGE_PLACES) };

struct edge_part {
    enum edge_place place;
    const char *text; /* of a literal; the name of a header or cookie */
    size_t bytes;
    unsigned capture; /* 0 to 9 */
};

struct edge_text {
    const char *written; /* NULL: not given */
    struct edge_part *parts;
    size_t part_count;
};

/* False: a placeholder is wrong, or there is no memory. */
__attribute__((warn_unused_result)) bool edge_text_parse(struct arena *arena, const char *written,
                                                         struct edge_text *ret_text);

/* What is wrong with a text that could not be parsed: ": there is no {hots}; the nearest is {host}". */
void edge_text_blame(const char *written, char *hint, size_t hint_bytes);

#endif
