/*
 * The copy of a request that goes to a route's mirror: taken from what is sent to the upstream, and sent when that is whole.
 *
 * The copy is a detached side request (side_request.h): nothing of it comes back to the exchange, its client or its upstream. It
 * begins at the end of a pass, when the bytes of the request itself are with the system already.
 *
 * Owns: the copy, which hangs at struct exchange_edge; NULL: the request is not mirrored. Thread: the worker's. Errors: none; a copy
 * that cannot be made is dropped and counted.
 */
#ifndef EVENKEEL_PROXY_EXCHANGE_EXCHANGE_MIRROR_H
#define EVENKEEL_PROXY_EXCHANGE_EXCHANGE_MIRROR_H

#include "proxy/http/payload.h"

struct exchange;

/* The route has done what it does to the request: decides whether it is mirrored. */
void exchange_mirror_begin(struct exchange *exchange);
/* Payload goes to the upstream. first: with the head, so that what was sent before counts no more. */
void exchange_mirror_take(struct exchange *exchange, const struct payload *payload, bool first);
/* The whole request has been sent. */
void exchange_mirror_send(struct exchange *exchange);
/* The exchange is freed. */
void exchange_mirror_release(struct exchange *exchange);

#endif
