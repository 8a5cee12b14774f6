/*
 * Trust profiles: which certificates are accepted and which client certificate is used, loaded into a context and
 * identified by a fingerprint of the files' contents. Private to tls/.
 *
 * Owns nothing. Thread: control. Errors: a text.
 */
#ifndef EVENKEEL_TLS_TRUST_H
#define EVENKEEL_TLS_TRUST_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "conf/settings.h"
#include "tls/session_cache.h"

/* Reads the files into the context. False: `why` names key, file and error. */
__attribute__((warn_unused_result)) bool trust_load(SSL_CTX *context,
                                                    const struct upstream_tls_settings *settings,
                                                    uint8_t ret_trust[SESSION_TRUST_BYTES],
                                                    char *why, size_t why_bytes);

#endif
