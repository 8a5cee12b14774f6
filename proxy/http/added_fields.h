/*
 * Fields that are added to a head on its way, whatever protocol writes them: lines, the way HTTP/1 writes them, so that it takes them
 * in one copy. Another protocol splits them at their first colon and at CRLF, which no name and no value holds.
 *
 * Owns nothing: the lines are in their writer's space. Thread: any.
 */
#ifndef EVENKEEL_PROXY_HTTP_ADDED_FIELDS_H
#define EVENKEEL_PROXY_HTTP_ADDED_FIELDS_H

#include <stddef.h>

struct added_fields {
    const char *lines;
    size_t bytes;
};

#endif
