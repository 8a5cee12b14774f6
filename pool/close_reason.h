/*
 * Why an upstream connection was closed: one row per reason. The name is the value in logs, /upstreams and metrics.
 *
 * Owns nothing. Thread: any. Columns: id, name, meaning (for the reference of the metrics).
 */
#ifndef EVENKEEL_POOL_CLOSE_REASON_H
#define EVENKEEL_POOL_CLOSE_REASON_H

#include "steady/enum_names.h"

#define LEASE_CLOSE_REASONS(X)                                                                                                                                                     \
    X(LEASE_CLOSED_DONE, "done",                                                                                                                                                   \
      "the protocol required it: Connection: close, a body that ends with the connection, or the end of a tunnel")                                                                 \
    X(LEASE_CLOSED_BROKEN, "broken",                                                                                                                                               \
      "during a request, the endpoint reset or ended the connection, or sent an invalid response")                                                                                 \
    X(LEASE_CLOSED_ABANDONED, "abandoned",                                                                                                                                         \
      "the attempt was cancelled before the end of its response")                                                                                                                  \
    X(LEASE_CLOSED_IDLE, "idle",                                                                                                                                                   \
      "the connection was idle for pool.idle, or for the learned idle limit")                                                                                                      \
    X(LEASE_CLOSED_DIED_IDLE, "died_idle",                                                                                                                                         \
      "the endpoint closed the idle connection, or sent bytes on it without a request")                                                                                            \
    X(LEASE_CLOSED_REQUESTS, "requests", "the connection had carried pool.max_requests requests")                                                                                  \
    X(LEASE_CLOSED_RETIRED, "retired",                                                                                                                                             \
      "the endpoint is no longer in the configuration, or the process drains")                                                                                                     \
    X(LEASE_CLOSED_SURPLUS, "surplus",                                                                                                                                             \
      "the pool needed its place or file descriptor for another connection, a reload lowered pool.max, or the connection was in the way at an endpoint that serves one at a time") \
    X(LEASE_CLOSED_LIFETIME, "lifetime", "the connection had the age pool.lifetime")                                                                                               \
    X(LEASE_CLOSED_RECORD_FLOOD, "record_flood",                                                                                                                                   \
      "the endpoint sent more than 32 TLS records without payload in 10 seconds")                                                                                                  \
    X(LEASE_CLOSED_LOST, "lost",                                                                                                                                                   \
      "many other connections of the endpoint broke, so that the pool replaced this one too")

enum lease_close_reason { ENUM_VALUES(LEASE_CLOSE_REASONS) LEASE_CLOSE_REASON_COUNT };
const char *lease_close_reason_name(enum lease_close_reason value);

#endif
