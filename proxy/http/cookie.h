/*
 * One cookie of a request's Cookie fields.
 *
 * Owns nothing: the value is in the head's bytes. Thread: any. Errors: false, there is none. Spec: RFC 6265 5.4.
 */
#ifndef EVENKEEL_PROXY_HTTP_COOKIE_H
#define EVENKEEL_PROXY_HTTP_COOKIE_H

#include <stdbool.h>
#include <stddef.h>

#include "proxy/http/http_head.h"

/* The value of the first cookie of this name. */
__attribute__((warn_unused_result)) bool cookie_find(const struct http_head *head, const char *name,
                                                     size_t name_bytes, const char **ret_value,
                                                     size_t *ret_bytes);

#endif
