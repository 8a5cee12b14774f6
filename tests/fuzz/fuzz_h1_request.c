/* Any bytes as a request: see h1_oracle.h for what must hold. The body goes through the decoder as the head says. */

#include "proxy/http1/h1_glimpse.h"
#include "tests/fuzz/h1_oracle.h"

/* Small, so that inputs reach them. */
static const struct h1_limits limits = {1024, 24};

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length_bytes)
{
    const struct oracle_role role = {.response = false};
    struct oracle_head parsed;
    if (length_bytes == 0) {
        return 0;
    }
    /* The first byte says how the rest arrives. */
    const char *bytes = (const char *)input + 1;
    size_t length = length_bytes - 1;
    size_t empty_bytes = h1_skip_empty_lines(bytes, length);
    CHECK(empty_bytes <= length && empty_bytes % 2 == 0);
    bytes += empty_bytes;
    length -= empty_bytes;
    enum h1_result result = oracle_judge_head(&role, bytes, length, &limits, input[0], &parsed);
    if (result != H1_OK) {
        struct http_field field;
        struct http_head seen = {.fields = &field, .field_limit = 1};
        h1_glimpse(bytes, length, &seen);
        CHECK(seen.target.at + seen.target.bytes <= length);
        CHECK(seen.host.at + seen.host.bytes <= length);
        return 0;
    }
    struct oracle_body body;
    oracle_judge_body(&body, false, (enum http_framing)parsed.head.framing,
                      parsed.head.content_length, bytes + parsed.head.head_bytes,
                      length - parsed.head.head_bytes, &limits, input[0]);
    free(body.payload);
    return 0;
}
