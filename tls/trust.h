/*
 * Trust profiles: whose certificates we accept and which one we show, put into a context and told apart by a fingerprint
 * of what the files say. Private to tls/.
 *
 * Owns nothing. Thread: control. Errors: words.
 */
#ifndef EVENKEEL_TLS_TRUST_H
#define EVENKEEL_TLS_TRUST_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "conf/settings.h"
#include "tls/session_cache.h"

/* Reads the files into the context. False: `why` says which key and file, and what is wrong with it. */
__attribute__((warn_unused_result)) bool trust_load(SSL_CTX *context,
                                                    const struct upstream_tls_settings *settings,
                                                    uint8_t ret_trust[SESSION_TRUST_BYTES],
                                                    char *why, size_t why_bytes);

#endif
