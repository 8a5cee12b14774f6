/* The table of field names as data, and the slots of its perfect hash. */

#include "proxy/field_names.h"

const struct field_name field_names[FIELD_ID_COUNT] = {[FIELD_OTHER] = {"", 0, 0, 0},
#define X(id, name, request, response) [FIELD_##id] = {name, sizeof(name) - 1, request, response},
                                                       FIELD_NAMES(X)
#undef X
};

const uint32_t field_slot_multiplier = 0xd9ee50e3;

const uint8_t field_slots[1 << FIELD_SLOT_BITS] = {
    [1] = FIELD_CACHE_CONTROL,
    [2] = FIELD_IDEMPOTENCY_KEY,
    [4] = FIELD_X_FORWARDED_PROTO,
    [6] = FIELD_KEEP_ALIVE,
    [11] = FIELD_X_ENVOY_EXPECTED_RQ_TIMEOUT_MS,
    [16] = FIELD_PROXY_AUTHORIZATION,
    [26] = FIELD_MAX_FORWARDS,
    [29] = FIELD_CONTENT_TYPE,
    [33] = FIELD_CONTENT_ENCODING,
    [34] = FIELD_AUTHORIZATION,
    [37] = FIELD_X_FORWARDED_FOR,
    [38] = FIELD_GRPC_TIMEOUT,
    [43] = FIELD_CONNECTION,
    [50] = FIELD_X_ENVOY_ATTEMPT_COUNT,
    [63] = FIELD_FORWARDED,
    [67] = FIELD_EXPECT,
    [71] = FIELD_PROXY_STATUS,
    [73] = FIELD_PROXY_CONNECTION,
    [74] = FIELD_X_REQUEST_ID,
    [77] = FIELD_RETRY_AFTER,
    [78] = FIELD_LOCATION,
    [79] = FIELD_TRANSFER_ENCODING,
    [80] = FIELD_COOKIE,
    [81] = FIELD_REFERER,
    [83] = FIELD_HOST,
    [86] = FIELD_HTTP2_SETTINGS,
    [87] = FIELD_TE,
    [89] = FIELD_TRACESTATE,
    [92] = FIELD_SERVER,
    [98] = FIELD_TRAILER,
    [99] = FIELD_SET_COOKIE,
    [100] = FIELD_X_FORWARDED_HOST,
    [102] = FIELD_USER_AGENT,
    [105] = FIELD_CONTENT_RANGE,
    [108] = FIELD_VIA,
    [120] = FIELD_UPGRADE,
    [122] = FIELD_PROXY_AUTHENTICATE,
    [123] = FIELD_DATE,
    [124] = FIELD_TRACEPARENT,
    [127] = FIELD_CONTENT_LENGTH,
};
