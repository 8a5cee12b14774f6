/*
 * A certificate with its chain and key, as files contain them. Private to tls/.
 *
 * Owns: OpenSSL's objects until they are given to a context. Thread: control. Errors: a text.
 */
#ifndef EVENKEEL_TLS_CERTIFICATE_H
#define EVENKEEL_TLS_CERTIFICATE_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include "tls/server_names.h"

struct certificate {
    X509 *leaf;
    STACK_OF(X509) * chain; /* behind the leaf */
    EVP_PKEY *key;
};

/* False: `why` names the file and the error. The key must fit the certificate. */
__attribute__((warn_unused_result)) bool certificate_load(const char *cert_path,
                                                          const char *key_path,
                                                          struct certificate *ret_certificate,
                                                          char *why, size_t why_bytes);
void certificate_release(struct certificate *certificate);
__attribute__((warn_unused_result)) bool certificate_use(const struct certificate *certificate,
                                                         SSL_CTX *context);
/* OpenSSL parses a certificate at first use and caches the result in it. This does so for the authorities of a context,
   so that workers only read. */
void certificate_authorities_settle(SSL_CTX *context);
/* Adds every DNS name of the certificate, or its common name if it has none. False: no memory. */
__attribute__((warn_unused_result)) bool certificate_names(const struct certificate *certificate,
                                                           struct server_names *names,
                                                           unsigned index);
int64_t certificate_expires_s(const X509 *certificate);

/* The text of the oldest error in the thread's queue, which is empty afterwards. */
const char *openssl_words(char *space, size_t space_bytes);

#endif
