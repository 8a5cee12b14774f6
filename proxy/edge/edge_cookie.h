/*
 * The cookie that keeps a client at its endpoint.
 *
 * Owns nothing; pure. Thread: any. Spec: RFC 6265 4.1 (Set-Cookie); SameSite: draft-ietf-httpbis-rfc6265bis.
 */
#ifndef EVENKEEL_PROXY_EDGE_EDGE_COOKIE_H
#define EVENKEEL_PROXY_EDGE_EDGE_COOKIE_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/settings.h"

/* Beside the cookie's name and value. */
#define EDGE_COOKIE_EXTRA_BYTES 96

/* Writes the value of a Set-Cookie field into the space, which has room for name, value and EDGE_COOKIE_EXTRA_BYTES. Returns its
   length. secure: the client came by TLS. */
size_t edge_cookie_write(const struct sticky_settings *sticky, const char *value, bool secure,
                         char *space);

#endif
