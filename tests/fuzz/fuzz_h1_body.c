/* Any bytes as a body: its payload, end and trailers do not depend on how it arrives or on the room for iov. */

#include "tests/fuzz/h1_oracle.h"

/* Small, so that inputs reach them. */
static const struct h1_limits limits = {256, 8};

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length_bytes)
{
    struct oracle_body body;
    if (length_bytes < 2) {
        return 0;
    }
    /* The first byte says how the rest arrives and from whom, the second what it is: nearly always chunks. */
    enum http_framing framing = input[1] < 4 ? (enum http_framing)input[1] : FRAMING_CHUNKED;
    const char *bytes = (const char *)input + 2;
    size_t length = length_bytes - 2;
    oracle_judge_body(&body, input[0] & 0x80, framing, input[1] * 3U, bytes, length, &limits,
                      input[0]);
    if (framing == FRAMING_NONE) {
        CHECK(h1_body_done(&body.body) && body.consumed == 0);
    }
    if (framing == FRAMING_CLOSE) {
        CHECK(!h1_body_done(&body.body) && body.payload_bytes == length);
    }
    if (framing == FRAMING_LENGTH) {
        CHECK(body.payload_bytes == (length < input[1] * 3U ? length : input[1] * 3U));
    }
    free(body.payload);
    return 0;
}
