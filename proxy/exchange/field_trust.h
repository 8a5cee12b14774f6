/*
 * Which fields of a request an upstream may be shown, by who sent them: what upstreams believe comes from trusted peers only, and no
 * name with "_" stands in for another (CGI, WSGI and PHP read "_" and "-" as the same).
 *
 * Owns nothing. Thread: the worker's.
 */
#ifndef EVENKEEL_PROXY_EXCHANGE_FIELD_TRUST_H
#define EVENKEEL_PROXY_EXCHANGE_FIELD_TRUST_H

#include "conf/settings.h"
#include "proxy/http/http_head.h"

struct exchange;

/* A field whose name the proxy does not know: drops it if upstreams believe it and the client's word is no reason to. */
void field_trust_judge(struct exchange *exchange, const struct header_settings *settings,
                       struct http_field *field);

/* Drops the fields with "_" in their names: all of them, or with headers.underscores those that stand in for one that matters. */
void field_trust_underscores(struct exchange *exchange, const struct header_settings *settings,
                             struct http_head *head);

/* Both for trailers, which some servers take for fields. */
void field_trust_trailers(struct exchange *exchange, const struct http_head *trailers);

#endif
