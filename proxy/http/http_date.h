/*
 * Dates in fields: the one form that is written, and the three that are understood.
 *
 * Owns nothing. Thread: any. Time base: seconds since 1970, UTC. Errors: false, it is no date. Spec: RFC 9110 5.6.7.
 */
#ifndef EVENKEEL_PROXY_HTTP_HTTP_DATE_H
#define EVENKEEL_PROXY_HTTP_HTTP_DATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "Sun, 06 Nov 1994 08:49:37 GMT" and its end. */
#define HTTP_DATE_BYTES 30

/* Years up to 9999. */
void http_date_write(int64_t seconds, char text[HTTP_DATE_BYTES]);

/* Also the forms of RFC 850 and of asctime(). now_s: a year of two digits is not more than 50 years ahead of it. */
__attribute__((warn_unused_result)) bool http_date_read(const char *text, size_t bytes,
                                                        int64_t now_s, int64_t *ret_seconds);

#endif
