/*
 * The cookies of one name in a request's Cookie fields.
 *
 * Owns nothing: the value is in the head's bytes. Thread: any. Errors: false, there is none. Spec: RFC 6265 5.4.
 */
#ifndef EVENKEEL_PROXY_HTTP_COOKIE_H
#define EVENKEEL_PROXY_HTTP_COOKIE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/http/http_head.h"

/* How far a request's cookies have been looked at. All zero: not at all. */
struct cookie_place {
    unsigned field;
    uint32_t at; /* in its value */
};

/* The value of the next cookie of this name. There may be several: clients send one for each path and domain that fits. */
__attribute__((warn_unused_result)) bool cookie_next(const struct http_head *head, const char *name,
                                                     size_t name_bytes, struct cookie_place *place,
                                                     const char **ret_value, size_t *ret_bytes);

/* The value of the first cookie of this name. */
__attribute__((warn_unused_result)) bool cookie_find(const struct http_head *head, const char *name,
                                                     size_t name_bytes, const char **ret_value,
                                                     size_t *ret_bytes);

#endif
