/*
 * The four forms of a request target, and the authority inside it or in Host.
 *
 * Owns nothing. Thread: any. Errors: enum h1_result. Spec: RFC 9112 3.2, RFC 9110 4.2, 7.2, RFC 3986 3.2.
 */
#ifndef EVENKEEL_PROXY_HTTP1_H1_TARGET_H
#define EVENKEEL_PROXY_HTTP1_H1_TARGET_H

#include <stdbool.h>
#include <stddef.h>

#include "proxy/http1/h1_parse.h"

/* Judges the target, which is visible ASCII without "#" and not empty, by the head's method; sets target, host and facts. */
__attribute__((warn_unused_result)) enum h1_result h1_parse_target(struct span target,
                                                                   struct http_head *head);

/* Whether [at, end) is uri-host [ ":" port ] with a host that is not empty. The first plain_bytes are known to be
   letters, digits, "-" or "."; 0 is always right. */
bool h1_authority_valid(const char *at, const char *end, size_t plain_bytes);

#endif
