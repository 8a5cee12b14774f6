/*
 * An OCSP response that goes with a certificate. Private to tls/.
 *
 * Owns: the response's bytes, and a reference to the certificate. Thread: built on one, then read by all. Errors: words.
 * Spec: RFC 6066 8, RFC 6960 4.2.2.1 (when it is good).
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
    int64_t until_s; /* since 1970; INT64_MAX: it does not say */
};

/* From a file in DER. False: `why` says which file and what is wrong with it. */
__attribute__((warn_unused_result)) bool staple_load(const char *path, X509 *leaf,
                                                     struct staple *ret_staple, char *why,
                                                     size_t why_bytes);
void staple_release(struct staple *staple);
/* Answers the client's wish for a status, from those of the certificates the connection may use. */
int staple_answer(SSL *ssl, const struct staple *staples, size_t count);

#endif
