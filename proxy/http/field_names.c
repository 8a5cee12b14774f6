/* The table of field names as data, and the slots of its perfect hash. */

#include "proxy/http/field_names.h"

const char field_texts[FIELD_ID_COUNT][FIELD_TEXT_BYTES] __attribute__((aligned(32))) = {
#define X(id, name, request, response) [FIELD_##id] = name ":",
    FIELD_NAMES(X)
#undef X
};

enum field_bytes {
#define X(id, name, request, response) FIELD_BYTES_##id = sizeof(name) - 1,
    FIELD_NAMES(X)
#undef X
};

#define SLOT(id)                     \
    {                                \
        FIELD_##id, FIELD_BYTES_##id \
    }

const struct field_slot field_slots[1 << FIELD_SLOT_BITS] = {
    [2] = SLOT(PROXY_STATUS),
    [3] = SLOT(SET_COOKIE),
    [8] = SLOT(X_ENVOY_EXPECTED_RQ_TIMEOUT_MS),
    [12] = SLOT(USER_AGENT),
    [13] = SLOT(CONTENT_TYPE),
    [17] = SLOT(TRACESTATE),
    [18] = SLOT(X_FORWARDED_FOR),
    [20] = SLOT(AUTHORIZATION),
    [21] = SLOT(FORWARDED),
    [22] = SLOT(PROXY_AUTHORIZATION),
    [27] = SLOT(GRPC_TIMEOUT),
    [33] = SLOT(X_ENVOY_ATTEMPT_COUNT),
    [35] = SLOT(DATE),
    [37] = SLOT(X_REQUEST_ID),
    [38] = SLOT(VIA),
    [43] = SLOT(MAX_FORWARDS),
    [44] = SLOT(CONTENT_ENCODING),
    [47] = SLOT(HOST),
    [50] = SLOT(TE),
    [53] = SLOT(CONTENT_RANGE),
    [58] = SLOT(X_FORWARDED_HOST),
    [60] = SLOT(LOCATION),
    [62] = SLOT(RETRY_AFTER),
    [71] = SLOT(TRACEPARENT),
    [74] = SLOT(REFERER),
    [79] = SLOT(IDEMPOTENCY_KEY),
    [81] = SLOT(TRAILER),
    [82] = SLOT(X_FORWARDED_CLIENT_CERT),
    [83] = SLOT(CONNECTION),
    [91] = SLOT(COOKIE),
    [93] = SLOT(CONTENT_LENGTH),
    [95] = SLOT(TRANSFER_ENCODING),
    [97] = SLOT(CACHE_CONTROL),
    [98] = SLOT(X_FORWARDED_PROTO),
    [101] = SLOT(HTTP2_SETTINGS),
    [103] = SLOT(PROXY_CONNECTION),
    [106] = SLOT(KEEP_ALIVE),
    [110] = SLOT(PROXY_AUTHENTICATE),
    [113] = SLOT(UPGRADE),
    [116] = SLOT(EXPECT),
    [120] = SLOT(SERVER),
};
