/*
 * The status codes of gRPC: one row each, everything else derived. The words are those of retry.on behind "grpc:", of
 * the access log and of metrics.
 *
 * Owns nothing. Thread: any. Spec: gRPC's statuscodes.
 */
#ifndef EVENKEEL_CONF_GRPC_STATUS_H
#define EVENKEEL_CONF_GRPC_STATUS_H

#include "steady/enum_names.h"

#define GRPC_FAILURES(X)                               \
    X(GRPC_CANCELLED, "cancelled")                     \
    X(GRPC_UNKNOWN, "unknown")                         \
    X(GRPC_INVALID_ARGUMENT, "invalid_argument")       \
    X(GRPC_DEADLINE_EXCEEDED, "deadline_exceeded")     \
    X(GRPC_NOT_FOUND, "not_found")                     \
    X(GRPC_ALREADY_EXISTS, "already_exists")           \
    X(GRPC_PERMISSION_DENIED, "permission_denied")     \
    X(GRPC_RESOURCE_EXHAUSTED, "resource_exhausted")   \
    X(GRPC_FAILED_PRECONDITION, "failed_precondition") \
    X(GRPC_ABORTED, "aborted")                         \
    X(GRPC_OUT_OF_RANGE, "out_of_range")               \
    X(GRPC_UNIMPLEMENTED, "unimplemented")             \
    X(GRPC_INTERNAL, "internal")                       \
    X(GRPC_UNAVAILABLE, "unavailable")                 \
    X(GRPC_DATA_LOSS, "data_loss")                     \
    X(GRPC_UNAUTHENTICATED, "unauthenticated")
#define GRPC_STATUSES(X) X(GRPC_OK, "ok") GRPC_FAILURES(X)

/* The values are those of grpc-status. */
enum grpc_status { ENUM_VALUES(GRPC_STATUSES) GRPC_STATUS_COUNT };

#endif
