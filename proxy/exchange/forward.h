/*
 * What a request becomes on its way to the upstream: fields dropped, kept and added.
 *
 * Owns nothing. Thread: the worker's. Spec: RFC 9110 7.6 (forwarding), RFC 7239 (Forwarded), W3C Trace Context 3.2.
 * Trust: what a client says of itself (X-Forwarded-*, Forwarded, X-Request-Id) is kept only from trusted_peers.
 */
#ifndef EVENKEEL_PROXY_EXCHANGE_FORWARD_H
#define EVENKEEL_PROXY_EXCHANGE_FORWARD_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/settings.h"

struct exchange;
struct h1_writer;
struct generation;

/* Taken from the settings when the exchange starts. */
struct forward_rules {
    uint8_t forwarded; /* enum forwarded_style */
    bool request_id;
    bool traceparent;
    bool via;
};

/* Marks the fields of the exchange's request that are replaced, and settles the request's id. */
void forward_prepare(struct exchange *exchange, const struct header_settings *settings);

/* TRACE or OPTIONS with Max-Forwards 0: it must not go further (RFC 9110 7.6.2). */
bool forward_ends_here(const struct exchange *exchange);

/* The whole head for an HTTP/1.1 upstream. */
void forward_write_request(const struct exchange *exchange, struct h1_writer *writer);

#endif
