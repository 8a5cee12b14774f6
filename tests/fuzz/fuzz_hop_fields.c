/* Any bytes as what another hop says: Proxy-Status, and how long it waits for which attempt. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/http/hop_fields.h"
#include "proxy/http/proxy_status.h"
#include "steady/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length_bytes);

/* An error is told in so many letters, and other members of the list take none back. */
static void judge_status(const char *text, size_t bytes)
{
    static const char before[] = "front, ", behind[] = ", \"back\";x=1.5";
    if (!proxy_status_has_error(text, bytes)) {
        return;
    }
    CHECK(memmem(text, bytes, "error", 5) != NULL);
    size_t longer_bytes = sizeof before - 1 + bytes + sizeof behind - 1;
    char *longer = malloc(longer_bytes);
    CHECK(longer != NULL);
    memcpy(longer, before, sizeof before - 1);
    memcpy(longer + sizeof before - 1, text, bytes);
    memcpy(longer + sizeof before - 1 + bytes, behind, sizeof behind - 1);
    CHECK(proxy_status_has_error(longer, longer_bytes));
    free(longer);
}

/* The value in one field of that kind. */
static struct http_head head_of(enum field_id id, struct http_field *field, const char *text,
                                size_t bytes)
{
    *field = (struct http_field){.value_bytes = (uint32_t)bytes, .id = (uint8_t)id};
    struct http_head head = {
        .base = text, .fields = field, .field_count = 1, .field_limit = 1, .method = METHOD_GET};
    head.seen[id / 64] |= (uint64_t)1 << (id % 64);
    return head;
}

/* What is told on is never longer than what was told to us. */
static void judge_wait(const struct http_head *head)
{
    char text[HOP_GRPC_BYTES];
    struct http_field field;
    uint64_t wait_ms = hop_wait_ms(head);
    if (wait_ms == UINT64_MAX) {
        return;
    }
    size_t bytes = hop_grpc_format(text, hop_next_ms(wait_ms));
    const struct http_head told = head_of(FIELD_GRPC_TIMEOUT, &field, text, bytes);
    CHECK(bytes < HOP_GRPC_BYTES && hop_grpc_wait_ms(&told) <= wait_ms);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length_bytes)
{
    static const enum field_id kinds[] = {FIELD_X_ENVOY_EXPECTED_RQ_TIMEOUT_MS, FIELD_GRPC_TIMEOUT,
                                          FIELD_X_ENVOY_ATTEMPT_COUNT};
    const char *text = (const char *)input;
    struct http_field field;
    judge_status(text, length_bytes);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        const struct http_head head = head_of(kinds[i], &field, text, length_bytes);
        unsigned attempts_count = hop_attempts_count(&head);
        CHECK(hop_asks(&head) && attempts_count >= 1 && attempts_count <= 255);
        judge_wait(&head);
    }
    return 0;
}
