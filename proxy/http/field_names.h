/*
 * The header fields the proxy knows: one row each, everything else derived.
 *
 * Owns: a constant table. Thread: any. Errors: an unknown name is FIELD_OTHER. Spec: RFC 9110 6.5.1 (trailers), 7.6.1
 * (hop-by-hop).
 *
 * Columns: id, name in lower case, flags in requests, flags in responses. A row that is not FIELD_HOP is end-to-end for
 * certain: a Connection field that names it does not make it hop-by-hop. After adding a row run test_http_head: it
 * prints the multiplier and the slots that field_names.c needs.
 */
#ifndef EVENKEEL_PROXY_HTTP_FIELD_NAMES_H
#define EVENKEEL_PROXY_HTTP_FIELD_NAMES_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum field_flag {
    FIELD_HOP = 1 << 0,        /* hop-by-hop: never forwarded */
    FIELD_FRAMING = 1 << 1,    /* framing: written anew by the serialiser */
    FIELD_ROUTING = 1 << 2,    /* written anew with the request line */
    FIELD_NO_TRAILER = 1 << 3, /* dropped from trailers (RFC 9110 6.5.1) */
};

#define FIELD_NAMES(X)                                                                         \
    X(HOST, "host", FIELD_ROUTING | FIELD_NO_TRAILER, 0)                                       \
    X(CONTENT_LENGTH, "content-length", FIELD_FRAMING | FIELD_NO_TRAILER,                      \
      FIELD_FRAMING | FIELD_NO_TRAILER)                                                        \
    X(TRANSFER_ENCODING, "transfer-encoding", FIELD_FRAMING | FIELD_NO_TRAILER,                \
      FIELD_FRAMING | FIELD_NO_TRAILER)                                                        \
    X(CONNECTION, "connection", FIELD_HOP | FIELD_NO_TRAILER, FIELD_HOP | FIELD_NO_TRAILER)    \
    X(KEEP_ALIVE, "keep-alive", FIELD_HOP | FIELD_NO_TRAILER, FIELD_HOP | FIELD_NO_TRAILER)    \
    X(PROXY_CONNECTION, "proxy-connection", FIELD_HOP | FIELD_NO_TRAILER,                      \
      FIELD_HOP | FIELD_NO_TRAILER)                                                            \
    X(TE, "te", FIELD_HOP | FIELD_NO_TRAILER, FIELD_HOP | FIELD_NO_TRAILER)                    \
    X(TRAILER, "trailer", FIELD_NO_TRAILER, FIELD_NO_TRAILER)                                  \
    X(UPGRADE, "upgrade", FIELD_HOP | FIELD_NO_TRAILER, FIELD_HOP | FIELD_NO_TRAILER)          \
    X(HTTP2_SETTINGS, "http2-settings", FIELD_HOP | FIELD_NO_TRAILER,                          \
      FIELD_HOP | FIELD_NO_TRAILER)                                                            \
    X(PROXY_AUTHORIZATION, "proxy-authorization", FIELD_HOP | FIELD_NO_TRAILER, 0)             \
    X(PROXY_AUTHENTICATE, "proxy-authenticate", 0, FIELD_HOP | FIELD_NO_TRAILER)               \
    X(EXPECT, "expect", FIELD_NO_TRAILER, 0)                                                   \
    X(MAX_FORWARDS, "max-forwards", FIELD_NO_TRAILER, 0)                                       \
    X(CONTENT_TYPE, "content-type", FIELD_NO_TRAILER, FIELD_NO_TRAILER)                        \
    X(CONTENT_ENCODING, "content-encoding", FIELD_NO_TRAILER, FIELD_NO_TRAILER)                \
    X(CONTENT_RANGE, "content-range", FIELD_NO_TRAILER, FIELD_NO_TRAILER)                      \
    X(AUTHORIZATION, "authorization", FIELD_NO_TRAILER, 0)                                     \
    X(CACHE_CONTROL, "cache-control", FIELD_NO_TRAILER, FIELD_NO_TRAILER)                      \
    X(COOKIE, "cookie", FIELD_NO_TRAILER, 0)                                                   \
    X(SET_COOKIE, "set-cookie", 0, FIELD_NO_TRAILER)                                           \
    X(DATE, "date", 0, FIELD_NO_TRAILER)                                                       \
    X(SERVER, "server", 0, FIELD_NO_TRAILER)                                                   \
    X(LOCATION, "location", 0, FIELD_NO_TRAILER)                                               \
    X(RETRY_AFTER, "retry-after", 0, FIELD_NO_TRAILER)                                         \
    X(PROXY_STATUS, "proxy-status", 0, 0)                                                      \
    X(VIA, "via", FIELD_NO_TRAILER, FIELD_NO_TRAILER)                                          \
    X(FORWARDED, "forwarded", FIELD_NO_TRAILER, 0)                                             \
    X(X_FORWARDED_FOR, "x-forwarded-for", FIELD_NO_TRAILER, 0)                                 \
    X(X_FORWARDED_PROTO, "x-forwarded-proto", FIELD_NO_TRAILER, 0)                             \
    X(X_FORWARDED_HOST, "x-forwarded-host", FIELD_NO_TRAILER, 0)                               \
    X(X_FORWARDED_CLIENT_CERT, "x-forwarded-client-cert", FIELD_ROUTING | FIELD_NO_TRAILER, 0) \
    X(X_REQUEST_ID, "x-request-id", FIELD_NO_TRAILER, FIELD_NO_TRAILER)                        \
    X(TRACEPARENT, "traceparent", FIELD_NO_TRAILER, 0)                                         \
    X(TRACESTATE, "tracestate", FIELD_NO_TRAILER, 0)                                           \
    X(USER_AGENT, "user-agent", FIELD_NO_TRAILER, 0)                                           \
    X(REFERER, "referer", FIELD_NO_TRAILER, 0)                                                 \
    X(IDEMPOTENCY_KEY, "idempotency-key", FIELD_NO_TRAILER, 0)                                 \
    X(X_ENVOY_ATTEMPT_COUNT, "x-envoy-attempt-count", FIELD_NO_TRAILER, 0)                     \
    X(X_ENVOY_EXPECTED_RQ_TIMEOUT_MS, "x-envoy-expected-rq-timeout-ms", FIELD_NO_TRAILER, 0)   \
    X(GRPC_TIMEOUT, "grpc-timeout", FIELD_NO_TRAILER, 0)

enum field_id {
    FIELD_OTHER,
#define X(id, name, request, response) FIELD_##id,
    FIELD_NAMES(X)
#undef X
        FIELD_ID_COUNT
};

/* The names by enum field_id, padded with NUL, for comparison by vectors. Row 0, FIELD_OTHER, is empty. */
#define FIELD_TEXT_BYTES 32
extern const char field_texts[FIELD_ID_COUNT][FIELD_TEXT_BYTES];

/* Perfect hash: every name of the table has a slot of its own. Its key is the first eight bytes in lower case plus the
   length. */
struct field_slot {
    uint8_t id; /* enum field_id: the only one that a name with this hash can have */
    uint8_t name_bytes;
};

#define FIELD_SLOT_BITS 7
#define FIELD_SLOT_MULTIPLIER 0x4fd3e758082a2f4dU
extern const struct field_slot field_slots[1 << FIELD_SLOT_BITS];

static inline const struct field_slot *field_slot_of(uint64_t key)
{
    return &field_slots[key * FIELD_SLOT_MULTIPLIER >> (64 - FIELD_SLOT_BITS)];
}

/* Sets the bit that distinguishes lower-case letters. It maps no other byte to a letter, digit or "-", except controls. */
#define FIELD_LOWER_CASE 0x2020202020202020U

static inline uint64_t field_word(const char *name)
{
    uint64_t word;
    memcpy(&word, name, sizeof word);
    return le64toh(word) | FIELD_LOWER_CASE;
}

static inline uint32_t field_half_word(const char *name)
{
    uint32_t word;
    memcpy(&word, name, sizeof word);
    return le32toh(word) | (uint32_t)FIELD_LOWER_CASE;
}

/* The first eight bytes in lower case, or as many as there are. */
static inline uint64_t field_first_word(const char *name, size_t name_bytes)
{
    if (name_bytes >= 8) {
        return field_word(name);
    }
    if (name_bytes >= 4) {
        return field_half_word(name) | (uint64_t)field_half_word(name + name_bytes - 4)
                                           << 8 * (name_bytes - 4);
    }
    uint64_t word = 0;
    for (size_t i = 0; i < name_bytes; i++) {
        word |= (uint64_t)((unsigned char)name[i] | 0x20) << 8 * i;
    }
    return word;
}

/* Whether two names of this length are equal, regardless of case. */
static inline bool field_name_equal(const char *name, const char *other, size_t name_bytes)
{
    if (name_bytes < 8) {
        return field_first_word(name, name_bytes) == field_first_word(other, name_bytes);
    }
    for (size_t i = 0; i + 8 < name_bytes; i += 8) {
        if (field_word(name + i) != field_word(other + i)) {
            return false;
        }
    }
    return field_word(name + (name_bytes - 8)) == field_word(other + (name_bytes - 8));
}

/* The id of a name in any case; FIELD_OTHER when not in the table. The name must be a token (RFC 9110 5.6.2). */
static inline enum field_id field_id_of(const char *name, size_t name_bytes)
{
    const struct field_slot *slot = field_slot_of(field_first_word(name, name_bytes) + name_bytes);
    if (slot->name_bytes != name_bytes || name_bytes == 0) {
        return FIELD_OTHER;
    }
    return field_name_equal(name, field_texts[slot->id], name_bytes) ? (enum field_id)slot->id
                                                                     : FIELD_OTHER;
}

#endif
