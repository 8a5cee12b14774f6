/*
 * Probes over HTTP/2: a GET of health.path, or a call of a gRPC health service.
 *
 * Owns: nghttp2's session of the probe, with one stream. Thread: control. Errors: what breaks a rule of HTTP/2 is noise, which fails
 * the probe; nghttp2's own rules are enough, because nothing is passed on. Spec: RFC 9113; GRPC Health Checking Protocol.
 */
#ifndef EVENKEEL_PROXY_UPSTREAM_H2_PROBE_H
#define EVENKEEL_PROXY_UPSTREAM_H2_PROBE_H

#include "pool/probe_speech.h"

/* For pools_set_probe_http2(). */
extern const struct probe_speech h2_probe_speech;

#endif
