/*
 * A span of a trace, and its form in OTLP (JSON).
 *
 * A span is filled in attribute by attribute and written into a text of bounded length: each text of it has a room of its own, so none
 * can push another out. The keys are those of OpenTelemetry's conventions for HTTP; what these have no word for is below "evenkeel.".
 *
 * Owns nothing: a span points to texts that live until it is written. Thread: any. Time base: CLOCK_REALTIME in nanoseconds. Spec: OTLP
 * 1.3 (JSON mapping: ids in hex, 64-bit numbers as texts, enumerations as numbers), W3C Trace Context.
 */
#ifndef EVENKEEL_PROXY_TRACE_SPAN_H
#define EVENKEEL_PROXY_TRACE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of an id of a trace, in hex. */
#define TRACE_ID_BYTES 32

/* How the values of a key are written. */
enum span_form { SPAN_TEXT, SPAN_UINT, SPAN_MS, SPAN_FLAG };

/* Columns: id, key, form, the most bytes of a text when it is escaped. */
#define SPAN_KEYS(X)                                                       \
    X(SPAN_METHOD, "http.request.method", SPAN_TEXT, 32)                   \
    X(SPAN_METHOD_ORIGINAL, "http.request.method_original", SPAN_TEXT, 64) \
    X(SPAN_SCHEME, "url.scheme", SPAN_TEXT, 8)                             \
    X(SPAN_PATH, "url.path", SPAN_TEXT, 1024)                              \
    X(SPAN_QUERY, "url.query", SPAN_TEXT, 1024)                            \
    X(SPAN_ROUTE, "http.route", SPAN_TEXT, 256)                            \
    X(SPAN_STATUS, "http.response.status_code", SPAN_UINT, 0)              \
    X(SPAN_SERVER_ADDRESS, "server.address", SPAN_TEXT, 256)               \
    X(SPAN_SERVER_PORT, "server.port", SPAN_UINT, 0)                       \
    X(SPAN_CLIENT_ADDRESS, "client.address", SPAN_TEXT, 64)                \
    X(SPAN_PEER_ADDRESS, "network.peer.address", SPAN_TEXT, 128)           \
    X(SPAN_PEER_PORT, "network.peer.port", SPAN_UINT, 0)                   \
    X(SPAN_VERSION, "network.protocol.version", SPAN_TEXT, 8)              \
    X(SPAN_USER_AGENT, "user_agent.original", SPAN_TEXT, 512)              \
    X(SPAN_REQUEST_BYTES, "http.request.body.size", SPAN_UINT, 0)          \
    X(SPAN_RESPONSE_BYTES, "http.response.body.size", SPAN_UINT, 0)        \
    X(SPAN_RESENDS, "http.request.resend_count", SPAN_UINT, 0)             \
    X(SPAN_GRPC_STATUS, "rpc.grpc.status_code", SPAN_UINT, 0)              \
    X(SPAN_ERROR, "error.type", SPAN_TEXT, 64)                             \
    X(SPAN_REASON, "evenkeel.reason", SPAN_TEXT, 32)                       \
    X(SPAN_OUTCOME, "evenkeel.outcome", SPAN_TEXT, 16)                     \
    X(SPAN_ROLE, "evenkeel.role", SPAN_TEXT, 16)                           \
    X(SPAN_LISTENER, "evenkeel.listener", SPAN_TEXT, 128)                  \
    X(SPAN_UPSTREAM, "evenkeel.upstream", SPAN_TEXT, 256)                  \
    X(SPAN_ENDPOINT, "evenkeel.endpoint", SPAN_TEXT, 256)                  \
    X(SPAN_REQUEST_ID, "evenkeel.request_id", SPAN_TEXT, 256)              \
    X(SPAN_ATTEMPTS, "evenkeel.attempts", SPAN_UINT, 0)                    \
    X(SPAN_QUEUE, "evenkeel.queue_ms", SPAN_MS, 0)                         \
    X(SPAN_CONNECT, "evenkeel.connect_ms", SPAN_MS, 0)                     \
    X(SPAN_TLS, "evenkeel.tls_ms", SPAN_MS, 0)                             \
    X(SPAN_FIRST_BYTE, "evenkeel.first_byte_ms", SPAN_MS, 0)               \
    X(SPAN_REUSED, "evenkeel.reused", SPAN_FLAG, 0)
enum span_key {
#define X(id, key, form, room) id,
    SPAN_KEYS(X)
#undef X
        SPAN_KEY_COUNT
};

/* As OTLP counts them. */
enum span_kind { SPAN_SERVER = 2, SPAN_CLIENT = 3 };

struct span_attribute {
    uint8_t key; /* enum span_key */
    const char *text;
    uint64_t value; /* length of the text, microseconds, or the number */
};

struct trace_span {
    const char *trace_id;   /* TRACE_ID_BYTES */
    uint64_t id, parent_id; /* parent_id 0: none */
    enum span_kind kind;
    bool failed;
    const char *state; /* of the trace (tracestate), as it came */
    size_t state_bytes;
    uint64_t start_ns, end_ns;
    unsigned attribute_count;
    struct span_attribute attributes[SPAN_KEY_COUNT]; /* each key at most once */
};

void span_add_text(struct trace_span *span, enum span_key key, const char *text, size_t bytes);
/* Unless it is empty. */
void span_add_string(struct trace_span *span, enum span_key key, const char *text);
/* Microseconds, a number or whether. */
void span_add(struct trace_span *span, enum span_key key, uint64_t value);
/* "host:port", "[::1]:80", a host alone or another text. */
void span_add_place(struct trace_span *span, enum span_key address, enum span_key port,
                    const char *place, size_t bytes);

#define SPAN_LINE_BYTES 12288
/* The span as one JSON object without a line break, and a line break behind. Returns its length. */
size_t span_write(const struct trace_span *span, char bytes[SPAN_LINE_BYTES]);

/* Sixteen hex digits. */
void span_id_write(uint64_t id, char text[16]);

#endif
