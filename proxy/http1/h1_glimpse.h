/*
 * What can be read of a refused request head, for the log, where the sender will look for the request.
 *
 * It guesses where the parser does not, so nothing else may use it. Owns nothing, allocates nothing. Thread: any.
 * Errors: none; what cannot be read is empty. The spans contain whatever bytes the client sent.
 */
#ifndef EVENKEEL_PROXY_HTTP1_H1_GLIMPSE_H
#define EVENKEEL_PROXY_HTTP1_H1_GLIMPSE_H

#include <stddef.h>

#include "proxy/http/http_head.h"

/* Sets base, method_text, target, host, FACT_GLIMPSED, FACT_HTTP_1_0 and the fields, at most User-Agent. fields, field_limit and
   everything else are the caller's. `bytes` begin with the request line and may end anywhere. */
void h1_glimpse(const char *bytes, size_t length, struct http_head *head);

#endif
