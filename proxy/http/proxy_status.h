/*
 * Proxy-Status (RFC 9209): whether an intermediary says that the failure was its decision, by an error parameter.
 *
 * Owns nothing; pure. The field is a List of Structured Fields (RFC 8941 3.1); a line that is none says nothing. Thread: any.
 */
#ifndef EVENKEEL_PROXY_HTTP_PROXY_STATUS_H
#define EVENKEEL_PROXY_HTTP_PROXY_STATUS_H

#include "proxy/http/http_head.h"

/* One field line's value: one of its members has a parameter "error". */
bool proxy_status_has_error(const char *text, size_t bytes);

/* Any Proxy-Status line of the head does. */
bool head_has_error(const struct http_head *head);

#endif
