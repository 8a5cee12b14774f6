/*
 * The key of a request for consistent hash: a header field, a cookie or the client's address.
 *
 * Owns nothing; pure. Thread: the exchange's worker. Spec: RFC 6265 4.2.1 (Cookie).
 */
#ifndef EVENKEEL_PROXY_POLICY_BALANCE_KEY_H
#define EVENKEEL_PROXY_POLICY_BALANCE_KEY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "conf/settings.h"
#include "proxy/http/http_head.h"

/* False: the upstream's method takes no key, or the request has none. */
__attribute__((warn_unused_result)) bool balance_key(const struct upstream_settings *settings,
                                                     const struct http_head *head,
                                                     const struct sockaddr *client_address,
                                                     uint64_t *ret_hash);

/* The key for a rate, a shard or a split. host: of the head, as the client has sent it. False: the request has none. */
bool request_key(enum key_source source, const char *name, const struct http_head *head,
                 struct span host, const struct sockaddr *client_address, uint64_t *ret_hash);

#endif
