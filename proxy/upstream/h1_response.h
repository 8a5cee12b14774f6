/*
 * The response of an HTTP/1.1 endpoint as it comes in. Private to upstream/.
 *
 * Owns nothing of its own. Thread: the worker's. Spec: RFC 9112 4, 6, 7.
 */
#ifndef EVENKEEL_PROXY_UPSTREAM_H1_RESPONSE_H
#define EVENKEEL_PROXY_UPSTREAM_H1_RESPONSE_H

#include "proxy/upstream/h1_upstream.h"

/* Reads what has arrived, as far as the other side can take it. The request may be over afterwards. */
void h1_response_read(struct h1_upstream *upstream);

#endif
