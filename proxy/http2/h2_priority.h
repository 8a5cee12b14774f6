/*
 * What a request says of its response's priority.
 *
 * Owns nothing. Thread: any. Errors: what is not understood is passed over, because priorities are only hints. Spec: RFC 9218 4 and 5.
 */
#ifndef EVENKEEL_PROXY_HTTP2_H2_PRIORITY_H
#define EVENKEEL_PROXY_HTTP2_H2_PRIORITY_H

#include <stdbool.h>
#include <stdint.h>

#include "proxy/http/http_head.h"

#define H2_URGENCY_DEFAULT 3 /* of 0 to 7, of which 0 comes first */

struct h2_priority {
    uint32_t urgency;
    bool incremental;
};

/* False: the request has no such field. */
bool h2_priority_of(const struct http_head *head, struct h2_priority *ret_priority);

#endif
