/*
 * A certificate with its chain and key, as files have them. Private to tls/.
 *
 * Owns: OpenSSL's objects until they are given to a context. Thread: control. Errors: words.
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

/* False: `why` says which file and what is wrong with it. A key must fit its certificate. */
__attribute__((warn_unused_result)) bool certificate_load(const char *cert_path,
                                                          const char *key_path,
                                                          struct certificate *ret_certificate,
                                                          char *why, size_t why_bytes);
void certificate_release(struct certificate *certificate);
__attribute__((warn_unused_result)) bool certificate_use(const struct certificate *certificate,
                                                         SSL_CTX *context);
/* OpenSSL learns what a certificate says at first sight and keeps it in there: done for a context's authorities by this, so that workers
   only read. */
void certificate_authorities_settle(SSL_CTX *context);
/* Adds every DNS name it is for (its common name, if it has no other). False: no memory. */
__attribute__((warn_unused_result)) bool certificate_names(const struct certificate *certificate,
                                                           struct server_names *names,
                                                           unsigned index);
int64_t certificate_expires_s(const X509 *certificate);

/* The words of the oldest error of the thread's queue, which is empty afterwards. */
const char *openssl_words(char *space, size_t space_bytes);

#endif
