/*
 * Fields that proxies send each other about a request: how long its sender waits (X-Envoy-Expected-Rq-Timeout-Ms,
 * grpc-timeout), and the number of the attempt (X-Envoy-Attempt-Count).
 *
 * Owns nothing; pure. Thread: any. Errors: an invalid value is ignored, but see hop_grpc_valid(). Spec: gRPC over HTTP/2 ("Timeout").
 */
#ifndef EVENKEEL_PROXY_HTTP_HOP_FIELDS_H
#define EVENKEEL_PROXY_HTTP_HOP_FIELDS_H

#include "proxy/http/http_head.h"

/* Whether any of these fields is there. */
static inline bool hop_asks(const struct http_head *head)
{
    _Static_assert(FIELD_ID_COUNT <= 64, "the mask is of the first word of head->seen");
    const uint64_t ids = (uint64_t)1 << FIELD_X_ENVOY_EXPECTED_RQ_TIMEOUT_MS |
                         (uint64_t)1 << FIELD_X_ENVOY_ATTEMPT_COUNT |
                         (uint64_t)1 << FIELD_GRPC_TIMEOUT;
    return (head->seen[0] & ids) != 0;
}

/* How long the sender of the request waits; the shortest value if several fields say so, UINT64_MAX if none does. */
uint64_t hop_wait_ms(const struct http_head *head);

/* The value of grpc-timeout. */
uint64_t hop_grpc_wait_ms(const struct http_head *head);

/* Whether every grpc-timeout is valid; true without one. */
bool hop_grpc_valid(const struct http_head *head);

/* Number of attempts of the request by earlier hops, this one included: at least 1. */
unsigned hop_attempts_count(const struct http_head *head);

/* How long the next hop may take if the sender waits for left_ms: a little less, so that its answer arrives before
   Evenkeel gives up. */
uint64_t hop_next_ms(uint64_t left_ms);

#define HOP_GRPC_BYTES 12
/* Writes the value of a grpc-timeout; returns its length. At most eight digits; a longer time gets a coarser unit. */
size_t hop_grpc_format(char text[HOP_GRPC_BYTES], uint64_t wait_ms);

#endif
