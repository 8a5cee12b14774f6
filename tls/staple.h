/*
 * The OCSP response of a certificate. Private to tls/.
 *
 * Owns: the response's bytes, and a reference to the certificate. Thread: built by one, then read by all. Errors: a
 * text. Spec: RFC 6066 8, RFC 6960 4.2.2.1 (validity).
 */
#ifndef EVENKEEL_TLS_STAPLE_H
#define EVENKEEL_TLS_STAPLE_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

struct staple {
    X509 *leaf; /* NULL: no staple */
    unsigned char *bytes;
    size_t length;
    int64_t until_s; /* since 1970; INT64_MAX: not given */
};

/* Reads a file in DER. False: `why` names the file and the error. */
__attribute__((warn_unused_result)) bool staple_load(const char *path, X509 *leaf,
                                                     struct staple *ret_staple, char *why,
                                                     size_t why_bytes);
void staple_release(struct staple *staple);
/* Answers a client that asks for a certificate status, with the staple of the certificate that the connection uses. */
int staple_answer(SSL *ssl, const struct staple *staples, size_t count);

#endif
