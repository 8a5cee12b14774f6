/*
 * A certificate that vouches for itself, for trying something out: nobody else trusts it.
 *
 * Owns nothing. Thread: any. Errors: NULL. Spec: RFC 5280.
 */
#ifndef EVENKEEL_TLS_SELF_SIGNED_H
#define EVENKEEL_TLS_SELF_SIGNED_H

#include <stddef.h>

/* A new key (P-256) and a certificate for these names, written as a subjectAltName of OpenSSL's configuration, such as
   "DNS:localhost,IP:127.0.0.1"; valid from now for so many days. Returns both as PEM, to be freed; NULL: no memory or randomness. */
__attribute__((warn_unused_result)) char *self_signed_create(const char *names, unsigned days,
                                                             size_t *ret_bytes);

#endif
