/*
 * What a store asks for: a password, and TLS.
 *
 * Owns: the password, which is wiped at the end, and a reference to the TLS client. Private to fleet/. Thread: control.
 */
#ifndef EVENKEEL_PROXY_FLEET_STORE_ACCESS_H
#define EVENKEEL_PROXY_FLEET_STORE_ACCESS_H

#include "proxy/fleet/store.h"

/* "": none. */
const char *store_access_password(const struct store_access *access);
/* NULL: plain TCP. */
struct tls_client *store_access_tls(const struct store_access *access);

#endif
