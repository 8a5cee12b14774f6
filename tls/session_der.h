/*
 * Sessions as bytes: OpenSSL's serialisation without the peer's certificate. Resuming does not need the certificate,
 * which is most of the bytes and of the time to read them.
 *
 * Owns nothing; pure. Private to tls/. Thread: any. Spec: the ASN.1 of SSL_SESSION, i2d_SSL_SESSION(3).
 */
#ifndef EVENKEEL_TLS_SESSION_DER_H
#define EVENKEEL_TLS_SESSION_DER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ssl_session_st;

/* To be freed with session_der_free(); false: no memory, or not a session that can be written. */
__attribute__((warn_unused_result)) bool session_der_write(const struct ssl_session_st *session,
                                                           uint8_t **ret_der, size_t *ret_bytes);
/* Frees the bytes after wiping them, because they are secrets. */
void session_der_free(uint8_t *der, size_t bytes);
/* The caller frees the session. NULL: the bytes are not exactly one session that can be resumed in TLS 1.2 or later. */
struct ssl_session_st *session_der_read(const uint8_t *der, size_t bytes);

#endif
