/*
 * What can be read of a request head that is refused, for the log: whoever was refused looks for the request there.
 *
 * It guesses where the parser does not, so nothing else may use it. Owns nothing, allocates nothing. Thread: any. Errors: none; what
 * cannot be read is empty. The spans are whatever bytes the client sent.
 */
#ifndef EVENKEEL_PROXY_HTTP1_H1_GLIMPSE_H
#define EVENKEEL_PROXY_HTTP1_H1_GLIMPSE_H

#include <stddef.h>

#include "proxy/http/http_head.h"

/* Sets base, method_text, target, host, FACT_HTTP_1_0 and the fields: User-Agent at most. fields and field_limit are the caller's, and
   so is all else. `bytes` begin with the request line; they may end anywhere. */
void h1_glimpse(const char *bytes, size_t length, struct http_head *head);

#endif
