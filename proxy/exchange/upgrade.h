/*
 * Upgrade: which protocols a request may be upgraded to, and whether the origin has agreed to one of them.
 *
 * Owns nothing. Thread: the worker's. Spec: RFC 9110 7.8.
 */
#ifndef EVENKEEL_PROXY_EXCHANGE_UPGRADE_H
#define EVENKEEL_PROXY_EXCHANGE_UPGRADE_H

#include <stdbool.h>

#include "conf/settings.h"
#include "proxy/http/http_head.h"

struct exchange;

/* Leaves of the request's Upgrade fields what the route permits; where that is nothing, the request asks for no upgrade. */
void upgrade_narrow(struct exchange *exchange, const struct route_settings *route);

/* Whether a 101 switches to what this request has offered, and the request is whole: nothing else may become a tunnel. */
bool upgrade_agreed(const struct exchange *exchange, const struct http_head *answer);

#endif
