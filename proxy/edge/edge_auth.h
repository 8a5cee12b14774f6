/*
 * What auth.forward makes of heads: the request that is asked with, and the fields that come back from its answer.
 *
 * Owns nothing: heads and lines are in the caller's space. Thread: the worker's. Errors: false, there is no room.
 */
#ifndef EVENKEEL_PROXY_EDGE_EDGE_AUTH_H
#define EVENKEEL_PROXY_EDGE_EDGE_AUTH_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/settings.h"
#include "proxy/http/http_head.h"
#include "steady/buf.h"

/* Fields that only the service may write: drops what a client sent under their names, trailers too. */
void edge_auth_guard(const struct auth_forward_settings *forward, struct http_head *head);

/* How much space edge_auth_ask() needs. */
size_t edge_auth_bytes(const struct auth_forward_settings *forward, const struct http_head *head);
/* A GET for the path with the fields of the request, but for those that tell of its payload or set conditions, in the space; and the
   lines X-Forwarded-Method and X-Forwarded-Uri, which follow the head's bytes there. */
void edge_auth_ask(const struct auth_forward_settings *forward, const struct http_head *head,
                   char *space, struct http_head *ret_head, const char **ret_lines,
                   size_t *ret_lines_bytes);

/* Appends the fields that are copied to lines for the upstream. */
__attribute__((warn_unused_result)) bool edge_auth_copy(const struct auth_forward_settings *forward,
                                                        const struct http_head *answer,
                                                        struct buf *lines);

/* The value of the first field that is copied; NULL: the answer has none. */
const struct http_field *edge_auth_user(const struct auth_forward_settings *forward,
                                        const struct http_head *answer);

#endif
