/*
 * The strata of a request (steady/strata.h): by its client's address and by its route and path.
 *
 * Owns nothing; pure. Thread: any. Errors: none.
 *
 * The seed is the process's secret and the result is never told: nobody can choose an address or a path that falls where another one is, or find
 * out. A network that may be one client's (IPv4 /24, IPv6 /48) reaches four of the client strata, so that a client with many
 * addresses does not look like many clients, nor all clients of a local network like one.
 */
#ifndef EVENKEEL_PROXY_POLICY_CALL_STRATA_H
#define EVENKEEL_PROXY_POLICY_CALL_STRATA_H

#include <stdint.h>

#include "proxy/http/http_head.h"
#include "steady/address.h"
#include "steady/strata.h"

/* Any other family than IPv4 and IPv6 is one client. */
uint8_t call_client_stratum(uint64_t seed, const struct ip_address *client);
/* The query is no part of the path. route_name: told by its address, which is the same for all workers as long as the process
   lives. */
uint8_t call_path_stratum(uint64_t seed, const char *route_name, const struct http_head *head);

#endif
