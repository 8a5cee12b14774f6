/*
 * The words of HTTP/2's errors.
 *
 * Owns nothing. Thread: any. Spec: RFC 9113 7.
 */
#ifndef EVENKEEL_PROXY_HTTP2_H2_ERROR_H
#define EVENKEEL_PROXY_HTTP2_H2_ERROR_H

#include "steady/enum_names.h"

#define H2_CODES(X)                                  \
    X(H2_NO_ERROR, "NO_ERROR")                       \
    X(H2_PROTOCOL_ERROR, "PROTOCOL_ERROR")           \
    X(H2_INTERNAL_ERROR, "INTERNAL_ERROR")           \
    X(H2_FLOW_CONTROL_ERROR, "FLOW_CONTROL_ERROR")   \
    X(H2_SETTINGS_TIMEOUT, "SETTINGS_TIMEOUT")       \
    X(H2_STREAM_CLOSED, "STREAM_CLOSED")             \
    X(H2_FRAME_SIZE_ERROR, "FRAME_SIZE_ERROR")       \
    X(H2_REFUSED_STREAM, "REFUSED_STREAM")           \
    X(H2_CANCEL, "CANCEL")                           \
    X(H2_COMPRESSION_ERROR, "COMPRESSION_ERROR")     \
    X(H2_CONNECT_ERROR, "CONNECT_ERROR")             \
    X(H2_ENHANCE_YOUR_CALM, "ENHANCE_YOUR_CALM")     \
    X(H2_INADEQUATE_SECURITY, "INADEQUATE_SECURITY") \
    X(H2_HTTP_1_1_REQUIRED, "HTTP_1_1_REQUIRED")

/* The values are those of RFC 9113 7. */
enum h2_code { ENUM_VALUES(H2_CODES) };
/* "unknown" for a code that is not of RFC 9113. */
const char *h2_code_name(enum h2_code value);

/* What is wrong with a head. */
#define H2_FAULTS(X)                               \
    X(H2_FAULT_NONE, "none")                       \
    X(H2_FAULT_INVALID, "invalid")                 \
    X(H2_FAULT_EXPECTATION, "unknown_expectation") \
    X(H2_FAULT_TARGET_TOO_LONG, "target_too_long") \
    X(H2_FAULT_HEAD_TOO_LARGE, "head_too_large")   \
    X(H2_FAULT_TOO_MANY_FIELDS, "too_many_fields")
enum h2_fault { ENUM_VALUES(H2_FAULTS) };
const char *h2_fault_name(enum h2_fault value);

#endif
