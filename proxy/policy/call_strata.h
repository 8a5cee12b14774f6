/*
 * The strata of a request (steady/strata.h): by its client's address, and by its route and path.
 *
 * Owns nothing; pure. Thread: any. Errors: none.
 *
 * The seed is a secret of the process and the result is never shown, so nobody can choose an address or a path that
 * falls into the stratum of another one, or find out. A network that may belong to one client (IPv4 /24, IPv6 /48)
 * reaches four of the client strata. So a client with many addresses does not look like many clients, and the clients
 * of a local network do not look like one.
 */
#ifndef EVENKEEL_PROXY_POLICY_CALL_STRATA_H
#define EVENKEEL_PROXY_POLICY_CALL_STRATA_H

#include <stdint.h>

#include "proxy/http/http_head.h"
#include "steady/address.h"
#include "steady/strata.h"

/* All clients of families other than IPv4 and IPv6 count as one client. */
uint8_t call_client_stratum(uint64_t seed, const struct ip_address *client);
/* All bits of the hash of a client: an IPv4 address, or the /64 of an IPv6 one. */
uint64_t call_client_hash(uint64_t seed, const struct ip_address *client);
/* The query is not part of the path. route_name is identified by its address, which is the same for all workers while
   the process lives. */
uint8_t call_path_stratum(uint64_t seed, const char *route_name, const struct http_head *head);

#endif
