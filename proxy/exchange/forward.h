/*
 * What a request becomes on its way to the upstream: fields dropped, kept and added.
 *
 * Owns nothing. Thread: the worker's. Spec: RFC 9110 7.6 (forwarding), RFC 7239 (Forwarded), W3C Trace Context 3.2.
 * Trust: what a client says of itself (X-Forwarded-*, Forwarded, X-Request-Id) is kept only from trusted_peers.
 */
#ifndef EVENKEEL_PROXY_EXCHANGE_FORWARD_H
#define EVENKEEL_PROXY_EXCHANGE_FORWARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/settings.h"

struct added_fields;
struct exchange;

/* Of an identifier that we make. */
#define FORWARD_ID_BYTES 32

/* What is added, taken from the settings when the exchange starts; and the request's id. */
struct forward {
    uint8_t style; /* enum forwarded_style */
    bool adds_id : 1;
    bool adds_trace : 1;
    bool adds_via : 1;
    bool
        request_id_kept : 1; /* the request carries an id that may be believed; request_id is empty */
    bool trace_kept : 1;     /* likewise its traceparent */
    char request_id[FORWARD_ID_BYTES + 1]; /* ours; "" when the request's own is kept */
};

/* Marks the fields of the exchange's request that are replaced, and settles the request's id. */
void forward_prepare(struct exchange *exchange, const struct header_settings *settings);

/* TRACE or OPTIONS with Max-Forwards 0: it must not go further (RFC 9110 7.6.2). */
bool forward_ends_here(const struct exchange *exchange);

/* What the upstream is told beside the request's own fields, written into the space. False: it may not fit. */
__attribute__((warn_unused_result)) bool forward_add_fields(const struct exchange *exchange,
                                                            char *space, size_t space_bytes,
                                                            struct added_fields *ret_added);

#endif
