/*
 * What `request` and `response` do to the fields of a head.
 *
 * Owns nothing: lines and heads are in the caller's space. Thread: the worker's. Errors: false, there is no room.
 */
#ifndef EVENKEEL_PROXY_EDGE_EDGE_FIELDS_H
#define EVENKEEL_PROXY_EDGE_EDGE_FIELDS_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/settings.h"
#include "proxy/edge/edge_render.h"
#include "steady/buf.h"

/* One after the other: those of all routes, those of the route. */
struct edge_edits {
    const struct field_edit_settings *of[2]; /* NULL: none */
};

/* Whether it is this name, in any case and with "_" for "-". */
bool edge_name_is(const char *name, size_t name_bytes, const char *wanted);

/* For requests: drops the fields that are replaced or removed, and appends lines for those that are written. */
__attribute__((warn_unused_result)) bool edge_edit_request(const struct edge_edits *edits,
                                                           const struct edge_facts *facts,
                                                           struct http_head *head,
                                                           struct buf *lines);

/* Takes the lines that the edits replace or remove out of lines of another making; returns what is left of their length. */
size_t edge_filter_lines(const struct edge_edits *edits, char *lines, size_t bytes);

/* How much space a copy of a head needs that may get so many fields more, without their bytes. */
size_t edge_head_copy_bytes(const struct http_head *head, size_t added_count);
void edge_head_copy(const struct http_head *head, size_t added_count, struct buf *space,
                    struct http_head *ret_head);
/* Adds a field to the copy. Its value stands already where it belongs: behind the end of the space, with room for the name
   before it. */
void edge_head_add(struct http_head *head, struct buf *space, const char *name, size_t value_bytes);
/* The same for a value that stands elsewhere. */
void edge_head_write(struct http_head *head, struct buf *space, const char *name, const char *value,
                     size_t value_bytes);

/* A field of ours that a response gets. */
struct edge_extra {
    const char *name;
    const char *value;
    size_t value_bytes; /* 0: none */
    /* It is for this client alone: it comes after the edits, which do not touch it, and no cache may give it to another client. */
    bool personal;
};
extern const struct edge_extra edge_no_extra;

/* How much space edge_edit_response() needs. */
size_t edge_response_bytes(const struct edge_edits *edits, const struct http_head *head,
                           const struct edge_extra *extra);
/* For responses: a head like `head` with the edits and the extra field, in the space. */
void edge_edit_response(const struct edge_edits *edits, const struct edge_facts *facts,
                        const struct http_head *head, const struct edge_extra *extra,
                        struct buf *space, struct http_head *ret_head);

#endif
