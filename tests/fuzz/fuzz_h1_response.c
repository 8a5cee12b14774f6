/* Any bytes as a response to one of several methods: see h1_oracle.h for what must hold. It also must hold for what
   h1_lenient_rewrite() makes of a head that is refused. */

#include "proxy/http1/h1_lenient.h"
#include "tests/fuzz/h1_oracle.h"

/* Small, so that inputs reach them. */
static const struct h1_limits limits = {1024, 24};

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length_bytes);

/* The space is as long as promised, so that a sanitizer sees the first byte beyond it. */
static void judge_rewritten(const struct oracle_role *role, const char *bytes, size_t length)
{
    size_t most_bytes = length < limits.head_bytes ? length : limits.head_bytes;
    size_t written_bytes = 0, consumed = 0;
    char *space = malloc(H1_LENIENT_BYTES(most_bytes));
    CHECK(space != NULL);
    if (h1_lenient_rewrite(bytes, length, &limits, space, &written_bytes, &consumed) == H1_OK) {
        CHECK(written_bytes <= H1_LENIENT_BYTES(most_bytes) && consumed <= most_bytes);
        CHECK(written_bytes >= 2 && memcmp(space + written_bytes - 2, "\r\n", 2) == 0);
        const struct h1_limits rewritten = {(uint32_t)written_bytes, limits.fields_count};
        struct oracle_head parsed;
        (void)oracle_judge_head(role, space, written_bytes, &rewritten, 0, &parsed);
    }
    free(space);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length_bytes)
{
    static const enum http_method methods[] = {METHOD_GET, METHOD_HEAD, METHOD_CONNECT,
                                               METHOD_OTHER};
    struct oracle_head parsed;
    if (length_bytes == 0) {
        return 0;
    }
    /* The first byte says how the rest arrives, and the method. */
    const struct oracle_role role = {.response = true, .method = methods[input[0] % 4]};
    const char *bytes = (const char *)input + 1;
    size_t length = length_bytes - 1;
    enum h1_result result = oracle_judge_head(&role, bytes, length, &limits, input[0] / 4, &parsed);
    if (h1_lenient_helps(result)) {
        judge_rewritten(&role, bytes, length);
    }
    if (result != H1_OK) {
        return 0;
    }
    struct oracle_body body;
    oracle_judge_body(&body, true, (enum http_framing)parsed.head.framing,
                      parsed.head.content_length, bytes + parsed.head.head_bytes,
                      length - parsed.head.head_bytes, &limits, input[0]);
    free(body.payload);
    return 0;
}
