/*
 * A probe: one active check of an endpoint, by a TCP connection, a TLS handshake, an HTTP request or a call of a gRPC health
 * service, on a connection of its own.
 *
 * Owns: the socket, its unit of the bound on file descriptors, and its place of probes_in_flight. Private to pool/.
 * Thread: control. A probe ends by reporting its one result, or by being cancelled. Spec: RFC 9112 4 (status line).
 */
#ifndef EVENKEEL_POOL_PROBE_H
#define EVENKEEL_POOL_PROBE_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "conf/settings.h"
#include "pool/lease.h"
#include "pool/probe_speech.h"
#include "steady/address.h"
#include "steady/bound.h"
#include "steady/enum_names.h"
#include "tls/stream.h"

#define PROBE_RESULTS(X)                                                   \
    X(PROBE_GOOD, "ok")                                                    \
    X(PROBE_NO_CONNECTION, "no connection")     /* `dial` says why */      \
    X(PROBE_NO_TLS, "the TLS handshake failed") /* `tls` says why */       \
    X(PROBE_BROKEN, "the connection broke")     /* before an answer */     \
    X(PROBE_NOT_HTTP, "the answer is not HTTP/1.x")                        \
    X(PROBE_NOT_HTTP2, "the answer is not HTTP/2")                         \
    X(PROBE_GRPC, "the health service failed") /* `grpc` says how */       \
    X(PROBE_NOT_SERVING, "the health service says that it is not serving") \
    X(PROBE_STATUS, "unexpected status") /* `status` says which */         \
    X(PROBE_TIMEOUT, "no answer in time")

enum probe_result { ENUM_VALUES(PROBE_RESULTS) };
const char *probe_result_name(enum probe_result value);

struct probe_report {
    enum probe_result result;
    enum dial_result dial;
    unsigned status; /* 0: no status was received */
    unsigned grpc;   /* with PROBE_GRPC: grpc-status */
    enum tls_failure tls;
};

/* TLS as the endpoint's traffic uses it: the same names, trust and sessions. */
struct probe_security {
    /* Makes TLS of the connected stream, at the start of the handshake. False: no memory. */
    bool (*begin)(struct stream *stream, void *owner);
    void (*shaken)(const struct stream *stream, bool succeeded, void *owner);
    void *owner;
};

struct probe_target {
    struct address address;
    const char *host;                       /* of the Host field */
    const struct health_settings *settings; /* used within probe_start() only */
    const struct probe_security *security;  /* valid until the probe is over; NULL: plain TCP */
    bool proxy_header;                      /* a PROXY protocol header is sent first */
    bool http2; /* HTTP/2 is spoken, with TLS if the endpoint chooses it */
};

struct probe_env {
    struct event_base *base;
    struct bound *fds, *in_flight;
    const struct probe_speech *http2; /* NULL: no probe asks over HTTP/2 */
    /* The probe is over and freed. Never called from within probe_start(). */
    void (*on_done)(const struct probe_report *report, void *owner);
};

struct probe;

/* NULL: no descriptor, no place or no memory, which says nothing about the endpoint. */
struct probe *probe_start(const struct probe_env *env, const struct probe_target *target,
                          void *owner);
/* Ends the probe without a report. NULL is fine. */
void probe_cancel(struct probe **probe);

#endif
