/*
 * Why an upstream connection was closed: one row per reason. The name is the value in logs, /upstreams and metrics.
 *
 * Owns nothing. Thread: any. Columns: id, name, meaning (for the reference of the metrics).
 */
#ifndef EVENKEEL_POOL_CLOSE_REASON_H
#define EVENKEEL_POOL_CLOSE_REASON_H

#include "steady/enum_names.h"

#define LEASE_CLOSE_REASONS(X)                                                                                \
    X(LEASE_CLOSED_DONE, "done",                                                                              \
      "the protocol says so: Connection: close, a body that ends with the connection, a tunnel that is over") \
    X(LEASE_CLOSED_BROKEN, "broken", "reset, end or garbage during a request")                                \
    X(LEASE_CLOSED_ABANDONED, "abandoned",                                                                    \
      "the attempt was cancelled before its response had ended")                                              \
    X(LEASE_CLOSED_IDLE, "idle",                                                                              \
      "it was idle for as long as pool.idle, or what was learned, allows")                                    \
    X(LEASE_CLOSED_DIED_IDLE, "died_idle",                                                                    \
      "the endpoint closed it while it was idle, or sent bytes that nobody had asked for")                    \
    X(LEASE_CLOSED_REQUESTS, "requests", "pool.max_requests")                                                 \
    X(LEASE_CLOSED_RETIRED, "retired",                                                                        \
      "its endpoint has gone from the configuration, or the process drains")                                  \
    X(LEASE_CLOSED_SURPLUS, "surplus", "nobody may keep it")                                                  \
    X(LEASE_CLOSED_LIFETIME, "lifetime", "pool.lifetime")                                                     \
    X(LEASE_CLOSED_LOST, "lost", "so many others of its endpoint died that it was replaced too")

enum lease_close_reason { ENUM_VALUES(LEASE_CLOSE_REASONS) LEASE_CLOSE_REASON_COUNT };
const char *lease_close_reason_name(enum lease_close_reason value);

#endif
