/*
 * TLS of an endpoint: the server name to ask for and to check, and the results of handshakes.
 *
 * Owns: the target, counts of failures by cause. Private to pool/. Thread: created, freed and reported on the control
 * thread; counted by any worker with atomics.
 */
#ifndef EVENKEEL_POOL_ENDPOINT_TLS_H
#define EVENKEEL_POOL_ENDPOINT_TLS_H

#include "pool/probe.h"
#include "pool/upstream.h"
#include "tls/client.h"

/* A cause that continues is reported once in this time. */
#define ENDPOINT_TLS_TELL_MS 10000

struct endpoint;

struct endpoint_tls {
    struct tls_target target;
    struct tls_target *http1; /* for connections that must speak HTTP/1; NULL: the target does */
    struct probe_security security; /* security of its probes */
    int64_t peer_expires_s; /* atomic: of the certificate that was shown last; 0: none was */
    uint64_t failures_count[TLS_FAILURE_COUNT];
    uint64_t told_count[TLS_FAILURE_COUNT], told_ms[TLS_FAILURE_COUNT]; /* control */
};

/* False: no memory, or the name is not a valid server name. */
__attribute__((warn_unused_result)) bool endpoint_tls_attach(struct endpoint *endpoint,
                                                             const struct upstream_view *view);
void endpoint_tls_detach(struct endpoint *endpoint);
/* Whom a connection asks for, and what it offers. */
const struct tls_target *endpoint_tls_target(const struct endpoint *endpoint, bool http1_only);
/* How probes of the endpoint make TLS; NULL: they do not. */
const struct probe_security *endpoint_tls_security(const struct endpoint *endpoint);
/* The handshake on the stream is over, and was resumed or not: takes note of the certificate that was shown. */
void endpoint_tls_succeeded(struct endpoint *endpoint, const struct stream *stream, bool resumed);
/* When the certificate that the endpoint showed last expires, in seconds since 1970; 0: it has not shown any. */
int64_t endpoint_tls_expires_s(const struct endpoint *endpoint);
void endpoint_tls_failed(struct endpoint *endpoint, enum tls_failure failure);

#endif
