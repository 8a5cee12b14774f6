/*
 * Fields that are added to a head, whatever protocol writes them. They are lines in the form of HTTP/1, so that HTTP/1
 * adds them in one copy. Another protocol splits them at their first colon and at CRLF, which no name or value
 * contains.
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
