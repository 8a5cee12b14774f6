/*
 * The messages of grpc.health.v1.Health/Check, by hand: a request with one text, a response with one number.
 *
 * Owns nothing; pure. Thread: any. Spec: GRPC Health Checking Protocol; gRPC over HTTP/2 ("Length-Prefixed-Message");
 * Protocol Buffers encoding.
 */
#ifndef EVENKEEL_PROXY_UPSTREAM_GRPC_HEALTH_H
#define EVENKEEL_PROXY_UPSTREAM_GRPC_HEALTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/settings.h"

#define GRPC_HEALTH_PATH "/grpc.health.v1.Health/Check"
/* Length of the longest request. */
#define GRPC_HEALTH_REQUEST_BYTES (5 + 3 + HEALTH_SERVICE_BYTES)

/* Writes a request for a service of at most HEALTH_SERVICE_BYTES; returns its length. */
size_t grpc_health_request(uint8_t space[GRPC_HEALTH_REQUEST_BYTES], const char *service);

/* Whether the response is whole and says SERVING. */
bool grpc_health_serving(const uint8_t *bytes, size_t count);

#endif
