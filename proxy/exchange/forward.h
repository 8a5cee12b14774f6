/*
 * Request fields for the upstream: dropped, kept and added.
 *
 * Owns nothing. Thread: the worker's. Spec: RFC 9110 7.6 (forwarding), RFC 7239 (Forwarded), W3C Trace Context 3.2.
 * Trust: fields in which a client describes itself (X-Forwarded-*, Forwarded, X-Request-Id) are kept only from
 * trusted_peers.
 */
#ifndef EVENKEEL_PROXY_EXCHANGE_FORWARD_H
#define EVENKEEL_PROXY_EXCHANGE_FORWARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/settings.h"

struct added_fields;
struct exchange;

/* Length of an identifier that Evenkeel makes. */
#define FORWARD_ID_BYTES 32

/* Which fields are added, from the settings at the start of the exchange; and the request's id. */
struct forward {
    uint8_t style; /* enum forwarded_style */
    bool adds_id;
    char trace_flag; /* of the traceparent that is added: '0' or '1'; '\0': none is */
    bool adds_via;
    bool request_id_kept; /* the request has an id from a trusted client */
    bool trace_kept;      /* the request has a valid traceparent, which is passed on */
    bool client_told;     /* a trusted peer tells of the client: exchange->told_client */
    /* Evenkeel's own, also the id of a trace that begins here; of use for that only if the request's own id is kept */
    char request_id[FORWARD_ID_BYTES + 1];
};

/* Marks the fields of the request that are replaced, chooses the request's id, and decides whether it is traced. */
void forward_prepare(struct exchange *exchange, const struct settings *all);

/* The id of the trace that the request belongs to, FORWARD_ID_BYTES long; NULL: none. */
const char *forward_trace_id(const struct exchange *exchange);

/* Whether the request is TRACE or OPTIONS with Max-Forwards 0, which must not be forwarded (RFC 9110 7.6.2). */
bool forward_ends_here(const struct exchange *exchange);

/* Writes the fields that are added for the upstream into the space. False: they may not fit. */
__attribute__((warn_unused_result)) bool forward_add_fields(const struct exchange *exchange,
                                                            char *space, size_t space_bytes,
                                                            struct added_fields *ret_added);

#endif
