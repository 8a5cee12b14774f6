/*
 * Proxy-Status (RFC 9209): whether an intermediary says, by an error parameter, that it decided the failure.
 *
 * Owns nothing; pure. The field is a List of Structured Fields (RFC 8941 3.1); a malformed line is ignored. Thread:
 * any.
 */
#ifndef EVENKEEL_PROXY_HTTP_PROXY_STATUS_H
#define EVENKEEL_PROXY_HTTP_PROXY_STATUS_H

#include "proxy/http/http_head.h"

/* Whether one of the members of the field line's value has a parameter "error". */
bool proxy_status_has_error(const char *text, size_t bytes);

/* Whether any Proxy-Status line of the head has one. */
bool head_has_error(const struct http_head *head);

#endif
